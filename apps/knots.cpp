// schedbench knots: the levels of a schedule that its spec alone defines.
#include "apps/commands.h"
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

int run(const std::vector<std::string>& arguments) {
    Options options(kKnotsCommand);
    options.positional("spec", 1, "the schedule (schedbench list schedules)")
        .value("steps", "", "number of steps N; explicit:... may leave it out")
        .value("model", "", "the model whose noise process the levels are rounded to")
        .value("process", "",
               "or the noise process itself (default continuous:sigma-min=0.002,sigma-max=80)");
    add_range_options(options);
    add_schedule_options(options);
    options.json();
    if (!options.parse(arguments)) return 0;
    const Spec spec = with_range(Spec::parse(options.text("spec"), "SPEC"), options);
    if (is_learner(spec))
        throw Error("option", "\"" + spec.name + "\" is learned from a model and data", "SPEC",
                    "use schedbench learn, and then schedbench knots learned:file=FILE");
    const bool listed = spec.name == "explicit" && !options.has("steps");
    const int steps = listed ? 0 : step_count(options);
    print_schedule(build_schedule(spec, process_of(options), schedule_request(options, steps), "SPEC"),
                   options.on("json"));
    return 0;
}

}  // namespace

const Command kKnotsCommand = {
    "knots", "print the levels of a schedule", "schedbench knots SPEC --steps N [options]",
    "  schedbench knots edm:rho=7 --steps 18\n"
    "  schedbench knots quadratic-kt --process cosine:T=4000 --steps 50 --json\n"
    "  schedbench knots log-linear --sigma-min 0.02 --sigma-max 100 --steps 10\n"
    "  schedbench knots 'explicit:levels=[80,10,1,0.1,0]' --process linear:T=1000 --time fractional\n",
    run};

}  // namespace schedbench
