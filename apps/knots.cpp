// schedbench knots: the levels of a schedule that its spec alone defines.
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/knot_plot.h"
#include "apps/options.h"
#include "apps/schedule_options.h"
#include "core/error.h"
#include "harness/registry.h"
#include "learn/learner.h"
#include "schedules/schedule.h"

namespace schedbench {
namespace {

NoiseProcess process_of(const Options& options) {
    if (!options.has("model"))
        return NoiseProcess(
            Spec::parse(options.text_or("process", "continuous:sigma-min=0.002,sigma-max=80"), "--process"),
            "--process");
    if (options.has("process"))
        throw Error("option", "a model has a noise process of its own", "--process",
                    "give --model or --process");
    return make_model(Spec::parse(options.text("model"), "--model"))->process();
}

Schedule schedule_of(const std::string& text, const Options& options, const NoiseProcess& process) {
    const Spec spec = with_range(Spec::parse(text, "SPEC"), options);
    if (is_learner(spec))
        throw Error("option", "\"" + spec.name + "\" is learned from a model and data", "SPEC",
                    "use schedbench learn, and then schedbench knots learned:file=FILE");
    const int steps = has_own_count(spec) && !options.has("steps") ? 0 : step_count(options);
    return build_schedule(spec, process, schedule_request(options, steps), "SPEC");
}

int run(const std::vector<std::string>& arguments) {
    Options options(kKnotsCommand);
    options.positional("spec", -1, "the schedules, one or more (schedbench list schedules)")
        .value("steps", "", "number of steps N; explicit:... and respacing:... may leave it out")
        .value("model", "", "the model whose noise process the levels are rounded to")
        .value("process", "", "or the noise process itself (default continuous:sigma-min=0.002,sigma-max=80)")
        .value("plot", "", "draw the schedules over ln sigma into this .svg file");
    add_range_options(options);
    add_schedule_options(options);
    options.json();
    if (!options.parse(arguments)) return 0;
    if (!options.has("spec"))
        throw Error("option", "is needed", "--spec", std::string("usage: ") + kKnotsCommand.usage);
    if (options.has("plot") && !options.text("plot").ends_with(".svg"))
        throw Error("option", "\"" + options.text("plot") + "\" should end in .svg", "--plot");
    const NoiseProcess process = process_of(options);
    std::vector<Schedule> schedules;
    for (const std::string& text : options.texts("spec"))
        schedules.push_back(schedule_of(text, options, process));
    if (options.has("plot")) write_knot_plot(options.text("plot"), schedules);
    if (options.on("json") && schedules.size() > 1) {
        nlohmann::json all = nlohmann::json::array();
        for (const Schedule& schedule : schedules) all.push_back(schedule.to_json());
        std::cout << all.dump() << "\n";
        return 0;
    }
    for (size_t i = 0; i < schedules.size(); ++i) {
        if (i > 0) std::cout << "\n";
        print_schedule(schedules[i], options.on("json"));
    }
    if (options.has("plot") && !options.on("json")) std::cout << "\nwrote " << options.text("plot") << "\n";
    return 0;
}

}  // namespace

const Command kKnotsCommand = {
    "knots", "print the levels of schedules, and draw them", "schedbench knots SPEC... --steps N [options]",
    "  schedbench knots edm:rho=7 --steps 18\n"
    "  schedbench knots quadratic-kt --process cosine:T=4000 --steps 50 --json\n"
    "  schedbench knots log-linear --sigma-min 0.02 --sigma-max 100 --steps 10\n"
    "  schedbench knots edm edm:rho=3 log-linear arctan --steps 10 --plot knots.svg\n"
    "  schedbench knots 'explicit:levels=[80,10,1,0.1,0]' --process linear:T=1000 --time fractional\n",
    run};

}  // namespace schedbench
