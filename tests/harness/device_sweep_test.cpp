// A whole sweep on a device (a fake one, tests/include/fake_device.h): samples, features, metrics, learned
// schedules and bits/dim of the CPU, with one copy of each network's weights.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "data/npy.h"
#include "fake_device.h"
#include "harness/model_record.h"
#include "harness/plan.h"
#include "harness/registry.h"
#include "harness/sweep.h"
#include "models/native.h"
#include "plain_operations.h"
#include "store/run_file.h"

namespace schedbench {
namespace {

const bool one_thread = (at::set_num_threads(1), true);

constexpr const char* kNetwork = SCHEDBENCH_SOURCE_DIR "/weights/fashion-hybrid.safetensors";

class DeviceSweep : public ::testing::Test {
  protected:
    DeviceSweep() {
        folder_ =
            std::filesystem::temp_directory_path() / ("schedbench-device-sweep-" + std::to_string(getpid()));
        std::filesystem::create_directories(folder_);
        NpyArray images{{24, 32, 32}, std::vector<uint8_t>(size_t{24} * 32 * 32)};
        auto& pixels = std::get<std::vector<uint8_t>>(images.values);
        for (size_t i = 0; i < pixels.size(); ++i)
            pixels[i] = static_cast<uint8_t>((i * i / 97 + i / 1024 * 31) % 251);
        write_npy(folder_ / "images.npy", images);
    }
    ~DeviceSweep() override { std::filesystem::remove_all(folder_); }

    Suite suite(const std::string& lines) const {
        const std::string path = folder_ / "device.suite";
        std::ofstream(path) << "name = device\nimages = 6\nbatch = 4\n" << lines;
        return read_suite(path);
    }
    static RuntimeSettings runtime(const at::Device& device) {
        RuntimeSettings out;
        out.device = device.str();
        out.threads = 1;
        return out;
    }
    RunFile run(const Suite& suite, const at::Device& device, const std::string& name) const {
        SweepOptions options;
        options.output = folder_ / name;
        const PlainOperations plain;
        const SweepResult result = run_sweep(suite, options, runtime(device));
        EXPECT_EQ(result.failures, std::vector<std::string>{});
        EXPECT_EQ(result.waiting, 0);
        return RunFile::open(options.output);
    }

    std::filesystem::path folder_;
};

TEST_F(DeviceSweep, GivesTheNumbersOfTheCpu) {
    const std::string data = "npy:file='" + (folder_ / "images.npy").string() + "'";
    const Suite wanted =
        suite("model = native:file='" + std::string(kNetwork) +
              "',process='linear:T=25',rescale=false\n"
              "clip = true\nkeep-images = true\n"
              "schedule = edm\nschedule = score-optimal:probes=4,spacing=2\n"
              "schedule = dp-elbo:images=1\nsampler = ddim:eta=0.5\nsampler = heun\nbudget = 3\n"
              "data = " +
              data + "\nreference = " + data + "\nreference-images = 24\nheldout = " + data +
              "\nmetric = frechet\nmetric = kid\n"
              "extractor = classifier:file='" SCHEDBENCH_SOURCE_DIR
              "/weights/fashion32.safetensors'\n"
              "bpd-stride = even\nbpd-steps = 3\nbpd-cells = true\nstatistics-images = 1\n");
    const RunFile cpu = run(wanted, at::kCPU, "cpu.h5"),
                  device = run(wanted, fake_device::device(), "device.h5");
    EXPECT_EQ(device.header().status, "complete");

    const auto key = [](const RunFile& file, const CellRecord& cell) {
        return cell.sampler == "held-out"
                   ? cell.sampler
                   : cell.sampler + " on " + file.schedule(cell.schedule).schedule.spec;
    };
    std::map<std::string, CellRecord> cells;
    for (const std::string& id : cpu.ids("cells")) {
        const CellRecord cell = cpu.cell(id, CellParts::all);
        cells[key(cpu, cell)] = cell;
    }
    EXPECT_EQ(cells.size(), 7u);
    int64_t metrics = 0;
    for (const std::string& id : device.ids("cells")) {
        const CellRecord got = device.cell(id, CellParts::all);
        const std::string name = key(device, got);
        ASSERT_TRUE(cells.contains(name)) << name;
        const CellRecord& want = cells.at(name);
        EXPECT_EQ(got.schedule, want.schedule) << name;
        EXPECT_EQ(got.nfe, want.nfe) << name;
        EXPECT_EQ(got.images, want.images) << name;
        EXPECT_EQ(got.features, want.features) << name;
        EXPECT_EQ(got.preview, want.preview) << name;
        ASSERT_EQ(got.metrics.size(), want.metrics.size()) << name;
        for (const auto& [metric, value] : want.metrics) {
            EXPECT_EQ(got.metrics.at(metric).estimate.value, value.estimate.value) << name << " " << metric;
            ++metrics;
        }
    }
    EXPECT_EQ(device.ids("cells").size(), cells.size());
    for (const std::string& id : cpu.ids("models"))
        EXPECT_EQ(distance_text(device.model(id)), distance_text(cpu.model(id)));
    EXPECT_EQ(device.ids("likelihood"), cpu.ids("likelihood"));
    for (const std::string& id : cpu.ids("likelihood")) {
        const LikelihoodRecord want = cpu.likelihood(id), got = device.likelihood(id);
        EXPECT_EQ(got.columns, want.columns) << id;
    }
    std::cout << "sweep on the device: " << cells.size() << " cells, " << metrics << " metrics, "
              << cpu.ids("likelihood").size() << " tables of bits/dim equal to the CPU's\n";
}

TEST_F(DeviceSweep, HoldsTheWeightsOnce) {
    const Suite wanted = suite("model = native:file='" + std::string(kNetwork) +
                               "'\nschedule = edm\nsampler = heun\nbudget = 5\n");
    const auto network = std::dynamic_pointer_cast<const NativeDenoiser>(make_model(wanted.models[0]));
    const at::Device device = fake_device::device();
    fake_device::reset();
    const Plan plan = make_plan(wanted, runtime(device));
    EXPECT_EQ(fake_device::traffic().to_device, static_cast<int64_t>(network->parameters().size()));
    EXPECT_EQ(plan.models[0].denoiser->device(), device);
    EXPECT_EQ(plan.models[0].raw->device(), at::Device(at::kCPU));  // asked there
}

TEST_F(DeviceSweep, WrappedNetworksHaveADistanceFromFloat64) {
    const std::string file = "native:file='" + std::string(kNetwork) + "'";
    const Suite wanted = suite("model = " + file + "\nmodel = clip:inner={" + file +
                               "}\nmodel = exact:cantor\n" + "schedule = edm\nsampler = heun\nbudget = 5\n");
    const Plan plan = make_plan(wanted, runtime(at::kCPU));
    EXPECT_NE(distance_text(model_record(plan.models[0], runtime(at::kCPU))), "");
    EXPECT_NE(distance_text(model_record(plan.models[1], runtime(at::kCPU))), "");
    EXPECT_EQ(distance_text(model_record(plan.models[2], runtime(at::kCPU))), "");
}

TEST(GraphsDeclined, HasAReason) {
    const auto reason = [](const char* device, const char* profile) {
        RuntimeSettings settings;
        settings.device = device, settings.profile = profile;
        return graphs_declined(settings);
    };
    unsetenv("SCHEDBENCH_GRAPHS");
    EXPECT_EQ(reason("cpu", "fast"), "device cpu");
    EXPECT_EQ(reason("cuda:1", "reproducible"), "profile reproducible");
    EXPECT_EQ(reason("cuda:1", "fast"), "");
    setenv("SCHEDBENCH_GRAPHS", "off", 1);
    EXPECT_EQ(reason("cuda:1", "fast"), "SCHEDBENCH_GRAPHS is off");
    setenv("SCHEDBENCH_GRAPHS", "0", 1);
    EXPECT_THROW(reason("cuda:1", "fast"), Error);
    unsetenv("SCHEDBENCH_GRAPHS");
}

}  // namespace
}  // namespace schedbench
