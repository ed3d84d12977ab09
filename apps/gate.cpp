// schedbench gate: may a change be let in? Exit codes: 0 pass, 1 fail, 3 inconclusive, 2 error.
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/report_output.h"
#include "core/error.h"
#include "harness/gate.h"

namespace schedbench {
namespace {

double level(const Options& options, const std::string& name) {
    const double value = options.number(name);
    if (!(value > 0 && value < 0.5))
        throw Error("option", "wants a probability above 0 and below 0.5, not " + options.text(name),
                    "--" + name);
    return value;
}

int run(const std::vector<std::string>& words) {
    std::vector<std::string> arguments = words;
    const std::string json_file = take_json_file(arguments);
    Options options(kGateCommand);
    options.positional("new", 1, "run file that is to be judged, or RUN.h5:CELL")
        .positional("baseline", 1, "run file to judge it by, or RUN.h5:CELL")
        .list("tolerance", "METRIC=T: how much worse METRIC may be, e.g. 'fid[tf1]=0.05', bpd=0.002")
        .list("relative", "METRIC=R: the same as a share of the baseline's value, e.g. kid=0.1")
        .value("pass-level", "0.05", "chance that a change which is worse by its tolerance passes")
        .value("fail-level", "0.01", "chance that a change which is worse nowhere fails")
        .value("looks", "1", "how often the gate may be asked as images are added; the levels are split")
        .value("junit", "", "file to write as JUnit XML")
        .json();
    if (!options.parse(arguments)) return 0;
    std::vector<Tolerance> tolerances;
    for (const bool relative : {false, true})
        for (const std::string& text : options.texts(relative ? "relative" : "tolerance"))
            tolerances.push_back(parse_tolerance(text, relative, relative ? "--relative" : "--tolerance"));
    const GateLevels levels{level(options, "pass-level"), level(options, "fail-level"),
                            static_cast<int>(options.integer("looks"))};
    const ComparedRun fresh = open_compared(options.text("new"), "NEW"),
                      baseline = open_compared(options.text("baseline"), "BASELINE");
    const GateReport report = run_gate(fresh, baseline, tolerances, levels);
    if (!json_file.empty()) write_report(json_file, gate_json(report).dump(1) + "\n");
    if (options.has("junit")) write_report(options.text("junit"), gate_junit(report));
    if (options.on("json"))
        std::cout << gate_json(report) << "\n";
    else
        std::cout << "NEW " << options.text("new") << "\nBASELINE " << options.text("baseline") << "\n\n"
                  << print_gate(report, terminal_width());
    return gate_exit_code(report.verdict);
}

}  // namespace

const Command kGateCommand = {
    "gate", "pass, fail or inconclusive: is a run worse than a baseline by more than a tolerance?",
    "schedbench gate NEW BASELINE --tolerance METRIC=T [--tolerance ...] [--junit FILE] [--json [FILE.json]]",
    "  schedbench gate new.h5 baseline.h5 --tolerance fd-fashion32=0.5 --tolerance bpd=0.002\n"
    "  schedbench gate new.h5 baseline.h5 --tolerance 'fid[tf1]=0.05' --relative 'kid[tf1]=0.1' --junit "
    "gate.xml\n"
    "D is how much worse NEW is, SE its error (paired where both share random numbers, see schedbench "
    "compare):\n"
    "  PASS          exit 0  D + 1.645 SE < T\n"
    "  FAIL          exit 1  not PASS, and D - 2.33 SE > 0 (Holm over all tests); or NEW lacks a cell or "
    "metric\n"
    "  ERROR         exit 2  it cannot be told: BASELINE lacks a cell or metric, another reference, bad "
    "input\n"
    "  INCONCLUSIVE  exit 3  more images are needed; the gate says how many, and `schedbench sweep SUITE "
    "--images N`\n"
    "                        adds them\n"
    "The gate passes if all tests do; FAIL goes before ERROR, ERROR before INCONCLUSIVE.\n",
    run};

}  // namespace schedbench
