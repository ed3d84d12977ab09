// Microseconds a knot of every schedule that a spec alone defines, on the process it suits. Goal: below 10.
#include "schedules/schedule.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "core/error.h"

namespace schedbench {
namespace {

void build(benchmark::State& state, const Spec& spec, const NoiseProcess& process, int steps) {
    const ScheduleRequest request{steps, TimeRule::nearest, true};
    int64_t knots = 0;
    for (auto _ : state) {
        const Schedule schedule = build_schedule(spec, process, request);
        knots += static_cast<int64_t>(schedule.effective.size());
        benchmark::DoNotOptimize(schedule.effective.data());
    }
    state.counters["seconds_per_knot"] =
        benchmark::Counter(static_cast<double>(knots), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// One benchmark for each entry, process and number of steps that go together.
void add(const SpecEntry& entry) {
    Spec spec;
    spec.name = entry.name;
    if (entry.name == "explicit") spec = Spec::parse("explicit:levels=[80,20,5,1,0.3,0.1,0.03,0.01,0.004,0.002,0]");
    for (const char* text : {"continuous:sigma-min=0.002,sigma-max=80", "linear:T=1000"}) {
        const auto process = std::make_shared<const NoiseProcess>(Spec::parse(text));
        for (int steps : {10, 100}) {
            try {
                build_schedule(spec, *process, {steps, TimeRule::nearest, true});
            } catch (const Error&) {
                continue;  // a table method on a range, a file that must be named, a fixed number of steps
            }
            const std::string name = entry.name + "/" + process->spec().name + "/steps:" + std::to_string(steps);
            benchmark::RegisterBenchmark(name.c_str(), [spec, process, steps](benchmark::State& state) {
                build(state, spec, *process, steps);
            });
        }
    }
}

}  // namespace
}  // namespace schedbench

// Not registered by static objects: the lists of schedules are static objects of other files themselves.
int main(int argc, char** argv) {
    for (const schedbench::SpecEntry& entry : schedbench::schedule_entries()) schedbench::add(entry);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
