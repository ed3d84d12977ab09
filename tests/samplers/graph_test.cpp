// Recorded evaluations: on the fake device, which keeps the operators of an evaluation and runs them again on
// the same memory, every sampler gives the bits that it gives without graphs, and no step stalls.
#include "models/graphed_denoiser.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <iostream>
#include <set>

#include "core/error.h"
#include "device_cases.h"
#include "failure.h"
#include "fake_device.h"
#include "models/exact.h"
#include "sampler_specs.h"

namespace schedbench {
namespace {

using namespace device_cases;

const bool one_thread = (at::set_num_threads(1), true);

class FakeGraphs final : public GraphBackend {
  public:
    std::unique_ptr<Graph> capture(const std::function<void()>& work) const override {
        struct Recorded final : Graph {
            std::function<void()> again;
            void replay() override { again(); }
        };
        work();
        auto graph = std::make_unique<Recorded>();
        try {
            graph->again = fake_device::record(work);
        } catch (const c10::Error& e) {
            throw Error("device", e.what_without_backtrace(), "fake device");
        }
        ++captures;
        return graph;
    }
    mutable int captures = 0;
};

/// On the CPU a graph is its work done again: so it sees at which addresses the work finds its inputs.
class RunAgain final : public GraphBackend {
  public:
    std::unique_ptr<Graph> capture(const std::function<void()>& work) const override {
        struct Closure final : Graph {
            std::function<void()> work;
            void replay() override { work(); }
        };
        auto graph = std::make_unique<Closure>();
        graph->work = work;
        return graph;
    }
};

/// Notes where its inputs lie.
class AddressWatch final : public WrappedDenoiser {
  public:
    using WrappedDenoiser::WrappedDenoiser;
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        seen.insert({x.const_data_ptr(), levels.const_data_ptr(), model_time.const_data_ptr(),
                     labels.defined() ? labels.const_data_ptr() : nullptr});
        ++calls;
        return (*inner_)(x, levels, model_time, labels);
    }
    mutable std::set<std::vector<const void*>> seen;
    mutable int calls = 0;
};

/// Networks of images below weights/; what else lies there (classifiers, networks of toy data) is left out.
std::vector<Named> shipped() {
    std::vector<Named> out = networks({"weights"});
    std::erase_if(
        out, [](const Named& net) { return net.model->shape().size() != 3 || net.model->shape()[1] < 16; });
    return out;
}

at::Tensor sampled(const Sampler& sampler, const Denoiser& model, const Schedule& schedule,
                   const StepObserver& observer = {}) {
    const PhiloxNoise noise(3, {0, 1}, model.shape(), model.device());
    return sampler.sample(model, schedule, noise, noise.labels(model.classes()), observer);
}

TEST(Graphs, EverySamplerOnTheShippedNetworks) {
    int64_t runs = 0;
    for (const Named& net : shipped()) {
        const auto plain = on_device(net.model, fake_device::device());
        // Every sampler on those of one channel; on larger ones one of each kind, which is enough for a
        // graph.
        const bool small = plain->shape()[0] == 1;
        const auto backend = std::make_shared<FakeGraphs>();
        const auto recorded = std::make_shared<GraphedDenoiser>(plain, backend);
        const Schedule schedule = schedule_for(*plain, 3);
        for (const SamplerFamily& family : sampler_families()) {
            const std::string& name = family.entry.name;
            if (!small && name != "heun" && name != "ddpm") continue;
            const auto sampler = make_sampler(Spec::parse(name));
            if (!fits(*sampler, *plain, schedule)) continue;
            const std::string what = net.name + " " + name;
            const at::Tensor want = sampled(*sampler, *plain, schedule);
            fake_device::Traffic steps;
            std::string stalled;
            const at::Tensor got = sampled(*sampler, *recorded, schedule, [&](int knot, const at::Tensor&) {
                if (knot == 1) fake_device::reset();
                if (knot == schedule.steps())
                    steps = fake_device::traffic(), stalled = fake_device::stalled_in();
            });
            EXPECT_TRUE(at::equal(got.to(at::kCPU), want.to(at::kCPU))) << what;
            EXPECT_FALSE(steps.stalls()) << what << ": " << stalled;
            ++runs;
        }
        EXPECT_EQ(backend->captures, 1) << net.name;  // one batch, one dtype: one graph for all samplers
        EXPECT_EQ(recorded->graphs(), 1u);
    }
    std::cout << "samplers with recorded evaluations: " << runs << " runs equal to those without\n";
    EXPECT_GE(runs, 20);
}

TEST(Graphs, InputsStayWhereTheyAre) {
    for (const char* file :
         {"/weights/fashion-edm.safetensors", "/tests/golden/nets/edm_ddpmpp_cond.safetensors"}) {
        const auto inner = network(std::string(SCHEDBENCH_SOURCE_DIR) + file);
        const auto watch = std::make_shared<AddressWatch>(inner);
        const GraphedDenoiser recorded(watch, std::make_shared<RunAgain>());
        const Schedule schedule = schedule_for(*inner, 3);
        for (const char* spec : {"heun", "unipc", "ddpm", "pc"}) {
            const auto sampler = make_sampler(Spec::parse(spec));
            EXPECT_TRUE(at::equal(sampled(*sampler, recorded, schedule), sampled(*sampler, *inner, schedule)))
                << file << " " << spec;
        }
        EXPECT_EQ(watch->seen.size(), 1u) << file;
        EXPECT_GT(watch->calls, 10);
    }
}

TEST(Graphs, OneEachForBatchDtypeAndLabels) {
    const auto inner = network(std::string(SCHEDBENCH_SOURCE_DIR) + "/weights/fashion-edm.safetensors");
    const GraphedDenoiser recorded(inner, std::make_shared<RunAgain>());
    const LocatedLevel level = inner->process().locate(2);
    for (const int64_t batch : {1, 3, 1, 3})
        for (const auto dtype : {at::kDouble, at::kFloat}) {
            std::vector<int64_t> sizes = inner->shape();
            sizes.insert(sizes.begin(), batch);
            const at::Tensor x =
                at::linspace(-1, 1, batch * inner->shape()[0] * inner->shape()[1] * inner->shape()[2],
                             at::dtype(dtype))
                    .reshape(sizes);
            const at::Tensor first = denoise_at(recorded, x, level).x0, kept = first.clone();
            EXPECT_TRUE(at::equal(first, denoise_at(*inner, x, level).x0));
            denoise_at(recorded, -x, level);
            EXPECT_TRUE(at::equal(first, kept)) << "a later replay wrote over an output that was handed out";
        }
    EXPECT_EQ(recorded.graphs(), 4u);
}

/// A model whose evaluation the host has to wait for.
class Waits final : public WrappedDenoiser {
  public:
    using WrappedDenoiser::WrappedDenoiser;
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override {
        const double largest = x.abs().max().item<double>();
        return (*inner_)(largest > 1e9 ? at::zeros_like(x) : x, levels, model_time, labels);
    }
};

TEST(Graphs, FallsBackWithAReason) {
    const std::shared_ptr<const Denoiser> inner =
        on_device(make_exact(Spec::parse("exact:gaussian,c=0.5,dim=3")), fake_device::device());
    std::string reason = "old";
    const auto waits = std::make_shared<Waits>(inner);
    EXPECT_EQ(graphed(waits, std::make_shared<FakeGraphs>(), reason), waits);
    EXPECT_NE(reason.find("cannot be recorded"), std::string::npos) << reason;
    EXPECT_EQ(reason.find('\n'), std::string::npos) << reason;
    EXPECT_EQ(graphed(inner, nullptr, reason), inner);
    EXPECT_EQ(reason, "no CUDA plug-in");
    EXPECT_NE(graphed(inner, std::make_shared<FakeGraphs>(), reason), inner);
    EXPECT_EQ(reason, "");
    EXPECT_EQ(cuda_graphs(), nullptr);  // nothing has asked for a CUDA device
}

}  // namespace
}  // namespace schedbench
