// schedbench sweep and merge: run the cells of a suite, or fold what several machines have computed.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/rank.h"
#include "harness/preflight.h"
#include "harness/sweep.h"
#include "harness/table.h"

namespace schedbench {
namespace {

std::string default_output(const Suite& suite) {
    return "results/runs/" + suite.name + ".h5";
}

int report(const SweepResult& result, const std::string& output, bool json) {
    for (const std::string& failure : result.failures) std::cerr << "failed: " << failure << "\n";
    if (json) {
        std::cout << nlohmann::json{{"run", output},
                                    {"cells", result.cells},
                                    {"computed", result.computed},
                                    {"reused", result.reused},
                                    {"waiting", result.waiting},
                                    {"failures", result.failures}}
                  << "\n";
    } else if (result.waiting > 0) {
        std::cout
            << output << ": " << result.waiting << " of " << result.cells
            << " cells wait for other ranks; the last rank to finish, or schedbench merge, folds them\n";
    } else {
        std::cout << output << ": " << result.cells << " cells, " << result.computed << " computed now, "
                  << result.reused << " were there\n";
        const RunFile run = RunFile::open(output);
        if (!run.ids("cells").empty() || !run.ids("likelihood").empty()) {
            try {
                std::cout << "\n" << print_table(make_table(run), TableFormat::terminal);
            } catch (const Error& e) {
                if (e.kind() != "run") throw;  // a suite without metrics has no table
            }
        }
    }
    return result.failures.empty() ? 0 : 2;
}

/// Everything that is missing at once; the plan, with its time, only if nothing is.
int dry_run(const Suite& suite, const SweepOptions& sweep, const RuntimeSettings& runtime, bool json) {
    const std::vector<PreflightItem> items = preflight(suite, runtime, sweep.output);
    const bool ready = std::all_of(items.begin(), items.end(), [](const PreflightItem& i) { return i.ok; });
    if (json) {
        nlohmann::json array = nlohmann::json::array();
        for (const PreflightItem& i : items)
            array.push_back(
                {{"what", i.what}, {"name", i.name}, {"ok", i.ok}, {"message", i.message}, {"hint", i.hint}});
        std::cout << nlohmann::json{{"ready", ready}, {"items", array}} << "\n";
    } else {
        TextTable table({"<what", "<", "<name", "<found"});
        for (const PreflightItem& i : items) table.add({i.what, i.ok ? "ok" : "MISSING", i.name, i.message});
        table.print(std::cout);
        for (const PreflightItem& i : items)
            if (!i.ok && !i.hint.empty()) std::cout << i.what << " " << i.name << ": " << i.hint << "\n";
    }
    if (ready) run_sweep(suite, sweep, runtime);  // prints the plan
    return ready ? 0 : 2;
}

Share share_of(const std::string& word) {
    if (word == "claim") return Share::claim;
    if (word == "deal") return Share::deal;
    throw Error("option", "is \"" + word + "\"", "--share", "known: claim, deal");
}

int run_suite(const Command& command, const std::vector<std::string>& arguments, bool merge) {
    Options options(command);
    options.positional("suite", 1, "suite file")
        .value("output", "", "run file (default results/runs/NAME.h5)")
        .value("images", "", "samples a cell, in place of the suite's; a run that has fewer gets more")
        .value("statistics-images", "", "images a split for bits/dim, in place of the suite's; likewise");
    if (merge) {
        options.list("parts", "folder with parts (NAME.work) copied from another machine");
    } else {
        options.value("rank", "", "rank of this process (default: from torchrun, Slurm, OpenMPI or PMI)")
            .value("world-size", "", "number of processes")
            .value("share", "claim",
                   "how ranks share blocks: claim (each takes the next one; all see the run's folder) or deal "
                   "(by number, for machines without a common folder, whose parts `merge` folds)")
            .flag("plan", "print the plan and stop")
            .flag("dry-run",
                  "look whether weights, data, extractor, disk space and time are there for all of the suite, name "
                  "all that is missing, and stop");
    }
    options.cache().runtime().json();
    if (!options.parse(arguments)) {
        std::cout
            << "\nKeys of a suite file (key = value; lists by repeating the key; # starts a comment):\n";
        for (const SuiteKey& key : suite_keys())
            std::printf("  %-18s %s%s%s\n", key.name.c_str(), key.help.c_str(), key.list ? " (list)" : "",
                        key.fallback.empty() ? "" : (" [" + key.fallback + "]").c_str());
        return 0;
    }
    Suite suite = read_suite(options.text("suite"));
    if (options.has("images")) suite.images = options.integer("images", 2);
    if (options.has("statistics-images")) suite.statistics_images = options.integer("statistics-images", 1);
    SweepOptions sweep;
    sweep.output = options.text_or("output", default_output(suite));
    sweep.command_line = command_line();
    sweep.cache = options.feature_cache();
    if (merge) {
        sweep.merge_only = true;
        sweep.parts = options.texts("parts");
    } else {
        if (options.has("rank") != options.has("world-size"))
            throw Error("option", "go together", "--rank, --world-size", "give both or neither");
        sweep.rank = options.has("rank") ? Rank{options.integer("rank", 0), options.integer("world-size")}
                                         : rank_from_environment();
        check_rank(sweep.rank, "--rank, --world-size");
        sweep.share = share_of(options.text("share"));
        sweep.dry_run = options.on("plan") || options.on("dry-run");
    }
    if (!merge && options.on("dry-run"))
        return dry_run(suite, sweep, options.runtime_settings(), options.on("json"));
    const auto folder = std::filesystem::path(sweep.output).parent_path();
    std::error_code code;
    if (!folder.empty()) std::filesystem::create_directories(folder, code);
    if (code)
        throw Error("file", "cannot be made (" + code.message() + ")", folder.string(),
                    "choose another --output");
    const RuntimeSettings runtime = options.runtime_settings();
    const SweepResult result = run_sweep(suite, sweep, runtime);
    return sweep.dry_run ? 0 : report(result, sweep.output, options.on("json"));
}

int run_sweep_command(const std::vector<std::string>& arguments) {
    return run_suite(kSweepCommand, arguments, false);
}
int run_merge_command(const std::vector<std::string>& arguments) {
    return run_suite(kMergeCommand, arguments, true);
}

}  // namespace

const Command kSweepCommand = {
    "sweep", "run all cells of a suite; continues an interrupted run by itself",
    "schedbench sweep SUITE [options]",
    "  schedbench sweep suites/quickstart.suite\n"
    "  schedbench sweep suites/quickstart.suite --plan\n"
    "  schedbench sweep suites/quickstart.suite --dry-run    # is all that it needs there?\n"
    "  schedbench sweep suites/quickstart.suite --output /data/run.h5 --rank 0 --world-size 2\n"
    "  schedbench sweep suites/quickstart.suite --images 512    # adds images to each cell of the run\n"
    "A sweep that was stopped, or whose suite grew, computes only what is missing. Several processes share\n"
    "it (examples/launch/); one that died is replaced by starting the same command again.\n",
    run_sweep_command};

const Command kMergeCommand = {
    "merge", "fold the parts of several ranks or machines into one run",
    "schedbench merge SUITE --output RUN.h5 [--parts FOLDER ...]",
    "  schedbench merge suites/quickstart.suite --output run.h5 --parts node1/run.work --parts "
    "node2/run.work\n"
    "Parts of other suites or settings, and gaps, are errors; nothing is sampled.\n",
    run_merge_command};

}  // namespace schedbench
