// Help, lists and doctor.
#include "cli.h"
#include "harness/registry.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::Result;

std::vector<std::string> command_names(const Folder& folder) {
    std::vector<std::string> names;
    std::istringstream in(folder.ok("help").out);
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("  ") && line.size() > 3 && line[2] != ' ')
            names.push_back(line.substr(2, line.find(' ', 2) - 2));
    return names;
}

/// The example command lines of a help text, with continuation lines joined, without the program's name.
std::vector<std::string> examples(const std::string& help) {
    std::vector<std::string> out;
    std::istringstream in(help.substr(help.find("Examples:")));
    bool open = false;
    for (std::string line; std::getline(in, line);) {
        const bool starts = line.starts_with("  schedbench ");
        if (!starts && !open) continue;
        const bool goes_on = line.ends_with("\\");
        if (goes_on) line.pop_back();
        if (starts)
            out.push_back(line.substr(13));
        else
            out.back() += line;
        open = goes_on;
    }
    return out;
}

TEST(CliHelp, EveryCommandHasUsageAndExamples) {
    const Folder folder;
    const auto names = command_names(folder);
    EXPECT_GE(names.size(), 10u);
    for (const std::string& name : names) {
        const Result help = folder.ok("help " + name);
        EXPECT_NE(help.out.find("usage: schedbench " + name), std::string::npos) << name;
        ASSERT_NE(help.out.find("Examples:"), std::string::npos) << name;
        const auto lines = examples(help.out);
        ASSERT_FALSE(lines.empty()) << name;
        EXPECT_TRUE(lines[0].starts_with(name)) << lines[0];
    }
    EXPECT_EQ(folder.ok("knots --help").out, folder.ok("help knots").out);
}

TEST(CliHelp, ExamplesWork) {
    const Folder folder;
    int ran = 0;
    for (const std::string name : {"knots", "learn", "statistics", "bpd", "likelihood", "sample", "metrics",
                                   "verify", "list", "doctor", "spectrum"}) {
        for (const std::string& line : examples(folder.ok("help " + name).out)) {
            // Those that need trained weights or files of other commands are covered by the tests of their
            // command.
            if (line.find("weights/") != std::string::npos || line.find("train.h5") != std::string::npos ||
                line.find("samples") != std::string::npos || line.find("run.h5:") != std::string::npos ||
                line.find("path=DIR") != std::string::npos)
                continue;
            const bool of_the_source = name == "verify" || line.find("results/") != std::string::npos;
            folder.ok(line, of_the_source ? SCHEDBENCH_SOURCE_DIR : "");
            ++ran;
        }
    }
    EXPECT_GE(ran, 14);
}

TEST(CliList, ShowsEverythingTheRegistryHolds) {
    const Folder folder;
    const std::string shortly = folder.ok("list").out;
    const auto all = folder.ok("list --json").json();
    for (const RegistryKind& kind : registry()) {
        const std::string text = folder.ok("list " + kind.name).out;
        const auto array = folder.ok("list " + kind.name + " --json").json();
        EXPECT_EQ(array, all.at(kind.name));
        ASSERT_EQ(array.size(), kind.entries.size());
        for (size_t i = 0; i < kind.entries.size(); ++i) {
            const SpecEntry& entry = kind.entries[i];
            EXPECT_NE(shortly.find("  " + entry.name + " "), std::string::npos) << entry.name;
            EXPECT_NE(text.find(entry.name + "\n    " + entry.summary), std::string::npos) << entry.name;
            EXPECT_NE(text.find(entry.source), std::string::npos) << entry.name;
            EXPECT_EQ(array[i].at("name"), entry.name);
            EXPECT_EQ(array[i].at("source"), entry.source);
            ASSERT_EQ(array[i].at("params").size(), entry.params.size());
            for (size_t p = 0; p < entry.params.size(); ++p) {
                const auto& param = array[i].at("params")[p];
                EXPECT_EQ(param.at("key"), entry.params[p].key);
                EXPECT_EQ(param.at("help"), entry.params[p].help);
                EXPECT_EQ(param.at("required"), entry.params[p].required);
                if (!entry.params[p].required) {
                    EXPECT_EQ(param.at("default"), entry.params[p].fallback);
                }
                EXPECT_NE(text.find(entry.params[p].help), std::string::npos) << entry.params[p].help;
            }
        }
    }
}

TEST(CliDoctor, SaysWhatIsThereAndWhatToDo) {
    const Folder folder;
    const auto report = folder.ok("doctor --json").json();
    EXPECT_EQ(cli::keys(report), (std::vector<std::string>{"checks", "provenance", "version"}));
    bool device = false, inception = false, weights = false, writable = false;
    for (const auto& check : report.at("checks")) {
        EXPECT_EQ(cli::keys(check), (std::vector<std::string>{"detail", "hint", "name", "status"}));
        const std::string name = check.at("name"), status = check.at("status");
        EXPECT_TRUE(status == "ok" || status == "missing" || status == "optional") << status;
        if (status != "ok") {
            EXPECT_NE(check.at("hint"), "") << name;
        }
        device = device || (name == "device" && status == "ok");
        inception = inception || (name == "Inception weights" && status == "optional");
        weights = weights || (name == "weights weights/" && status == "missing");
        writable = writable || (name == "write access results/runs" && status == "ok");
    }
    EXPECT_TRUE(device && inception && weights && writable);
    // A weight file that is there is named with its hash; a damaged one is no reason to stop.
    std::filesystem::create_directory(folder.path("weights"));
    std::ofstream(folder.path("weights/broken.safetensors")) << "no tensors";
    const std::string text = folder.ok("doctor").out;
    EXPECT_NE(text.find("missing   weights weights/broken.safetensors"), std::string::npos) << text;
    EXPECT_NE(text.find("optional  Inception weights"), std::string::npos) << text;
}

}  // namespace
}  // namespace schedbench
