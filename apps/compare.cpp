// schedbench compare: the difference between two runs or cells, with its error.
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/report_output.h"
#include "harness/run_comparison.h"

namespace schedbench {
namespace {

int run(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = words;
    const std::string json_file = take_json_file(arguments);
    Options options(kCompareCommand);
    options
        .positional("a", 1,
                    "run file, or RUN.h5:CELL for one cell of it (an id of `schedbench show`, or its start)")
        .positional("b", 1, "the other")
        .json();
    if (!options.parse(arguments)) return 0;
    const ComparedRun a = open_compared(options.text("a"), "A"), b = open_compared(options.text("b"), "B");
    const RunComparison comparison = compare_runs(a, b);
    if (!json_file.empty()) write_report(json_file, comparison_json(comparison).dump(1) + "\n");
    if (options.on("json"))
        std::cout << comparison_json(comparison) << "\n";
    else
        std::cout << "A " << options.text("a") << "\nB " << options.text("b") << "\n\n"
                  << print_comparison(comparison, terminal_width());
    return 0;
}

}  // namespace

const Command kCompareCommand = {
    "compare", "differences between two runs or cells, paired where they share random numbers",
    "schedbench compare A B [--json [FILE.json]]",
    "  schedbench compare old.h5 new.h5\n"
    "  schedbench compare run.h5:0c70be run.h5:11a3a6 --json\n"
    "Cells of whole runs are matched by model, schedule, sampler and budget. Errors are paired where seed, "
    "noise,\n"
    "labels, sample ids and reference agree in what is stored; elsewhere the table says why they are not.\n",
    run};

}  // namespace schedbench
