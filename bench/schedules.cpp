// Microseconds a knot of every schedule that a spec alone defines, on the process it suits. Goal: below 10.
// And the dynamic programme at T = 4000: goals 0.1 s for all budgets with the posterior variance and beta
// where the statistics are in order, 1 s where they are not, 3 s with the corrected analytic one; 5 s for 256
// budgets of a learned variance.
#include "schedules/schedule.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

#include "core/error.h"
#include "schedules/elbo_cost.h"

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
    state.counters["seconds_per_knot"] = benchmark::Counter(
        static_cast<double>(knots), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

/// One benchmark for each entry, process and number of steps that go together.
void add(const SpecEntry& entry) {
    Spec spec;
    spec.name = entry.name;
    if (entry.name == "explicit")
        spec = Spec::parse("explicit:levels=[80,20,5,1,0.3,0.1,0.03,0.01,0.004,0.002,0]");
    for (const char* text : {"continuous:sigma-min=0.002,sigma-max=80", "linear:T=1000"}) {
        const auto process = std::make_shared<const NoiseProcess>(Spec::parse(text));
        for (int steps : {10, 100}) {
            try {
                build_schedule(spec, *process, {steps, TimeRule::nearest, true});
            } catch (const Error&) {
                continue;  // a table method on a range, a file that must be named, a fixed number of steps
            }
            const std::string name =
                entry.name + "/" + process->spec().name + "/steps:" + std::to_string(steps);
            benchmark::RegisterBenchmark(name.c_str(), [spec, process, steps](benchmark::State& state) {
                build(state, spec, *process, steps);
            });
        }
    }
}

/// An image-like chain (M_t from a spectrum of five variances), with every other entry 10 % off if asked for.
ElboChain image_like(bool bumpy) {
    const NoiseProcess process(Spec::parse("cosine:T=4000"));
    ElboStatistics statistics{{0}, {0}, 0.25, {0}, LearnedVarianceStatistics{{{}}, {{}}, {0}}};
    for (int t = 1; t <= process.table_size(); ++t) {
        const double b = process.one_minus_abar(t);
        double error = 0;
        for (double c2 : {1.0, 0.2, 0.04, 0.008, 0.0016}) error += c2 * b / (c2 * process.abar(t) + b) / 5;
        if (bumpy && t % 2 == 0) error *= 1.1;
        LaplaceValues phi{}, psi{};
        const LaplaceValues nodes = laplace_nodes(process, t);
        for (size_t j = 0; j < nodes.size(); ++j)
            for (double v : {0.1, 0.4, 0.9}) {
                phi[j] += std::exp(-nodes[j] * v) / 3;
                psi[j] += std::exp(-nodes[j] * v) * error / 3;
            }
        statistics.error.push_back(error);
        statistics.decoder.push_back(gaussian_decoder_cost(error, table_decoder_variance(process, t)));
        statistics.gamma.push_back(std::max(0.0, 1 - 0.9 * error * process.snr(t)));
        statistics.learned->phi.push_back(phi);
        statistics.learned->psi.push_back(psi);
        statistics.learned->mean_v.push_back(1.4 / 3);
    }
    return {process, statistics};
}

void add_programme(const std::string& name, bool bumpy, ElboVariance variance, FirstStepRule rule,
                   int budgets) {
    benchmark::RegisterBenchmark(("programme/" + name).c_str(), [=](benchmark::State& state) {
        const ElboChain chain = image_like(bumpy);
        FirstStep first{rule, [&](int t, double v) {
                            return gaussian_decoder_cost(chain.error()[static_cast<size_t>(t)], v);
                        }};
        size_t bytes = 0;
        for (auto _ : state) {
            const BudgetPaths best = chain.best_paths(variance, budgets, first);
            benchmark::DoNotOptimize(best.cost.data());
            bytes = 0;
            for (const auto& row : best.parent) bytes += row.size() * sizeof(row[0]);
            state.SetLabel(method_name(best.method));
        }
        state.counters["budgets"] = budgets;
        state.counters["parent_bytes"] = static_cast<double>(bytes);
    })->Unit(benchmark::kMillisecond);
}

void add_programmes() {
    using V = ElboVariance;
    using R = FirstStepRule;
    for (V variance : {V::posterior, V::beta, V::corrected_analytic}) {
        const std::string name = variance_name(variance);
        add_programme(name + "/ordered", false, variance, R::table, 4000);
        add_programme(name + "/bumpy", true, variance, R::table, 4000);
        add_programme(name + "/ordered/first-two", false, variance, R::path, 4000);
    }
    for (V variance : {V::analytic, V::learned}) {
        add_programme(variance_name(variance) + "/ordered", false, variance, R::table, 256);
        add_programme(variance_name(variance) + "/bumpy", true, variance, R::table, 256);
    }
}

}  // namespace
}  // namespace schedbench

// Not registered by static objects: the lists of schedules are static objects of other files themselves.
int main(int argc, char** argv) {
    for (const schedbench::SpecEntry& entry : schedbench::schedule_entries()) schedbench::add(entry);
    schedbench::add_programmes();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
