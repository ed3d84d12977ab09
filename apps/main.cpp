// schedbench: one program, a subcommand a job. Exit codes: 0 done or pass, 1 gate failed, 2 bad input or
// failure, 3 inconclusive.
#include <algorithm>
#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/command.h"
#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "core/spec_schema.h"

namespace schedbench {
namespace {

const std::vector<const Command*>& commands() {
    static const std::vector<const Command*> all = command_list();
    return all;
}

const Command& find_command(const std::string& name) {
    std::vector<std::string> names;
    for (const Command* command : commands()) {
        if (name == command->name) return *command;
        names.emplace_back(command->name);
    }
    const std::string match = nearest_match(name, names);
    throw Error("option", "\"" + name + "\" is not a command", "schedbench",
                (match.empty() ? "" : "did you mean \"" + match + "\"? ") +
                    std::string("schedbench help lists them"));
}

void print_overview() {
    std::cout << "schedbench " SCHEDBENCH_VERSION
                 ": which noise schedule is best, by how much, and is that difference real?\n\n"
                 "usage: schedbench COMMAND [options]\n\n";
    for (const Command* command : commands()) std::printf("  %-16s %s\n", command->name, command->summary);
    std::cout << "\nschedbench help COMMAND shows its options and examples.\n";
}

int dispatch(int argc, char** argv) {
    const std::string name = argc > 1 ? argv[1] : "help";
    if (name == "--version") {
        std::cout << "schedbench " SCHEDBENCH_VERSION "\n";
        return 0;
    }
    if (name == "help" || name == "--help" || name == "-h") {
        if (argc > 2) return find_command(argv[2]).run({"--help"});
        print_overview();
        return 0;
    }
    return find_command(name).run(std::vector<std::string>(argv + 2, argv + argc));
}

/// LibTorch's allocators: of the CPU, and of a CUDA device.
bool speaks_of_memory(const std::string& what) {
    return what.find("CPUAllocator: ") != std::string::npos ||
           what.find(" out of memory. Tried to allocate ") != std::string::npos;
}

/// `what`: LibTorch's words, or "".
Error no_memory(const std::string& what) {
    std::string how;
    for (const char* before : {"you tried to allocate ", " out of memory. Tried to allocate "})
        if (const size_t at = what.find(before); at != std::string::npos) {
            const size_t from = at + std::strlen(before);
            how = " for " + what.substr(from, what.find(". ", from) - from) + " more";
        }
    const bool device = what.find(" out of memory. ") != std::string::npos;
    return Error("memory", (device ? "not enough device memory" : "not enough memory") + how, "schedbench",
                 "lower --batch (key batch of a suite), or give the machine more");
}

int report(const Error& error, bool json) {
    if (json)
        std::cerr << nlohmann::json{{"error",
                                     {{"kind", error.kind()},
                                      {"message", error.message()},
                                      {"where", error.where()},
                                      {"hint", error.hint()}}}}
                  << "\n";
    else
        std::cerr << "schedbench: " << error.what() << "\n";
    return 2;
}

}  // namespace
}  // namespace schedbench

int main(int argc, char** argv) {
    using schedbench::Error;
#ifdef __GLIBC__
    // Activations of tens of megabytes come and go with every layer: their pages are kept, not fetched anew.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
    schedbench::set_command_line(argc, argv);
    const bool json =
        std::any_of(argv, argv + argc, [](const char* word) { return std::strcmp(word, "--json") == 0; });
    try {
        return schedbench::dispatch(argc, argv);
    } catch (const Error& error) {
        return schedbench::report(error, json);
    } catch (const std::bad_alloc&) {
        return schedbench::report(schedbench::no_memory(""), json);
    } catch (const std::exception& error) {
        const std::string what = error.what();
        if (schedbench::speaks_of_memory(what)) return schedbench::report(schedbench::no_memory(what), json);
        // Not a user's mistake: keep the first line, which is what a report needs.
        return schedbench::report(Error("internal", what.substr(0, what.find('\n')), "schedbench",
                                        "this is a defect; please report it with the command line"),
                                  json);
    }
}
