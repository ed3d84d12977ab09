// schedbench table: the tables of a run.
#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "harness/likelihood_table.h"
#include "harness/table.h"

namespace schedbench {
namespace {

TableFormat parse_format(const std::string& name) {
    if (name == "terminal") return TableFormat::terminal;
    if (name == "markdown") return TableFormat::markdown;
    if (name == "csv") return TableFormat::csv;
    if (name == "latex") return TableFormat::latex;
    throw Error("option", "\"" + name + "\" is not a format", "--format",
                "known: terminal, markdown, csv, latex");
}

int run(const std::vector<std::string>& arguments) {
    Options options(kTableCommand);
    options.positional("run", 1, "run file")
        .value("metric", "", "metric to show (default: the Frechet distance at this n)")
        .value("format", "terminal", "terminal, markdown, csv or latex")
        .value("what", "all", "all, quality or likelihood")
        .json();
    if (!options.parse(arguments)) return 0;
    const TableFormat format = parse_format(options.text("format"));
    const RunFile run = RunFile::open(options.text("run"));
    Table table = make_table(run, options.text_or("metric", ""));
    const std::string what = options.text("what");
    if (what == "quality")
        table.likelihood.clear();
    else if (what == "likelihood") {
        if (table.likelihood.empty())
            throw Error("run", "has no bits/dim", run.path(),
                        "add bpd-stride, bpd-variance and bpd-steps lines to the suite");
        std::cout << print_likelihood(table.likelihood, format, table.models);
        return 0;
    } else if (what != "all")
        throw Error("option", "\"" + what + "\" is not known", "--what", "known: all, quality, likelihood");
    if (options.on("json")) {
        std::cout << table_json(table) << "\n";
        return 0;
    }
    if (run.header().status != "complete")
        std::cerr << "the run is not finished: " << table.rows.size() << " cells so far\n";
    std::cout << print_table(table, format);
    return 0;
}

}  // namespace

const Command kTableCommand = {
    "table", "print the tables of a run, also of one that is going on", "schedbench table RUN.h5 [options]",
    "  schedbench table results/runs/quickstart.h5\n"
    "  schedbench table results/runs/quickstart.h5 --format markdown\n"
    "  schedbench table results/runs/quickstart.h5 --metric fd-fashion32-debiased --format csv\n",
    run};

}  // namespace schedbench
