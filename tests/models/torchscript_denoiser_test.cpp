// TorchScript denoisers: programs of a Gaussian's exact prediction in every form against the closed form, and
// native golden networks traced into a file against themselves.
#include "models/torchscript_denoiser.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "fake_device.h"
#include "golden.h"
#include "message_of.h"
#include "models/aoti_denoiser.h"
#include "models/native.h"
#include "models/program_denoiser.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

class TorchScriptDenoisers : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("schedbench-torchscript-" + std::to_string(::getpid()));
        std::filesystem::create_directory(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    /// A file whose forward is `body`; `table`: a buffer of levels by index.
    std::string program(const std::string& body, const at::Tensor& table = at::zeros({1})) const {
        torch::jit::Module module("Program", std::make_shared<torch::jit::CompilationUnit>());
        module.register_buffer("table", table);
        module.define(body);
        const std::string path = (folder_ / ("program" + std::to_string(++files_) + ".pt")).string();
        module.save(path);
        return path;
    }

    std::filesystem::path folder_;
    mutable int files_ = 0;
};

std::shared_ptr<const Denoiser> load(const std::string& path, const std::string& keys) {
    const Spec spec = Spec::parse("torchscript:file='" + path + "'," + keys);
    return load_torchscript(complete(spec, find_entry(torchscript_entries(), spec, "models", ""), ""),
                            "test");
}

// x0 ~ N(0, c^2): x0hat = c^2/(c^2 + sigma^2) x, here with c = 0.5.
constexpr const char* kShrink = "    k = 0.25 / (0.25 + s * s)\n";

TEST_F(TorchScriptDenoisers, EveryPredictionOfAGaussian) {
    at::manual_seed(1);
    const NoiseProcess linear(Spec::parse("linear:T=1000"));
    at::Tensor table = at::empty({1000});
    for (int t = 1; t <= 1000; ++t) table[t - 1] = linear.sigma(t);
    const std::string on_table = std::string(
                                     "def forward(self, y, t):\n"
                                     "    s = self.table[t.long()].reshape(-1, 1, 1, 1)\n"
                                     "    a = 1 / torch.sqrt(1 + s * s)\n"
                                     "    x = y / a\n") +
                                 kShrink + "    x0 = k * x\n    eps = (x - x0) / s\n";
    const std::string on_range = std::string("def forward(self, x, t):\n    s = t.reshape(-1, 1, 1, 1)\n") +
                                 kShrink + "    x0 = k * x\n";
    const std::string continuous = "process='continuous:sigma-min=0.002,sigma-max=80'";
    const std::vector<std::pair<std::string, std::string>> cases = {
        {on_table + "    return x0\n", "prediction=x0"},
        {on_table + "    return eps\n", "prediction=eps"},
        {on_table + "    return a * eps - a * s * x0\n", "prediction=v"},
        {on_table + "    return -eps / (a * s)\n", "prediction=score"},
        {on_range + "    return x0\n", "prediction=x0," + continuous},
        {on_range + "    return (x - x0) / s\n", "prediction=eps," + continuous},
        {on_range + "    return (x0 - x) / (s * s)\n", "prediction=score," + continuous},
        // Images u = (x + 1)/2 with levels s: x0hat = k x has u0hat = (k (2 u - 1) + 1)/2 at sigma = 2 s.
        {std::string("def forward(self, u, t):\n    s = 2 * t.reshape(-1, 1, 1, 1)\n") + kShrink +
             "    return (k * (2 * u - 1) + 1) / 2\n",
         "prediction=x0,range=unit," + continuous},
        // c_skip x + c_out F = k x for sigma_data = c means F = 0; with sigma_data = 1 it is not.
        {std::string("def forward(self, u, t):\n    s = torch.exp(4 * t).reshape(-1, 1, 1, 1)\n") + kShrink +
             "    q = torch.sqrt(s * s + 1)\n    return (k - 1 / (s * s + 1)) * u * q * q / s\n",
         "prediction=edm,sigma-data=1," + continuous}};
    for (const auto& [body, keys] : cases) {
        SCOPED_TRACE(keys);
        const auto model = load(program(body, table), keys + ",channels=2,size=4");
        EXPECT_EQ(model->shape(), (std::vector<int64_t>{2, 4, 4}));
        EXPECT_FALSE(model->has_variance());
        for (const double wanted : {0.05, 1.0, 20.0}) {
            const LocatedLevel at = model->process().locate(wanted);
            const at::Tensor x = at::randn({3, 2, 4, 4}, at::kDouble) * std::sqrt(0.25 + at.level * at.level);
            const at::Tensor exact = 0.25 / (0.25 + at.level * at.level) * x;
            const at::Tensor have = denoise_at(*model, x, at).x0;
            EXPECT_EQ(have.scalar_type(), at::kDouble);
            const double scale = std::max(1.0, at.level);
            EXPECT_LT((have - exact).abs().max().item<double>() / scale, 2e-5) << at.level;

            const auto there = on_device(model, fake_device::device());
            const at::Tensor x_there = x.to(there->device());
            fake_device::reset();
            const at::Tensor have_there = denoise_at(*there, x_there, at).x0;
            EXPECT_EQ(have_there.device(), fake_device::device());
            EXPECT_FALSE(fake_device::traffic().stalls()) << fake_device::stalled_in();
            EXPECT_TRUE(at::equal(have_there.to(at::kCPU), have));
        }
    }
}

TEST(ProgramDenoisers, OfTheCpuAloneRefuseAnotherDevice) {
    const std::string text =
        "aoti:file=net.pt2,prediction=x0,process='continuous:sigma-min=0.002,sigma-max=80'";
    const Spec spec = Spec::parse(text);
    NetworkProgram program;
    program.call = [](const std::vector<at::Tensor>& inputs) { return inputs[0]; };
    program.channels = 1, program.size = 2;
    program.path = "net.pt2", program.hash = "0";
    const auto model = make_program_denoiser(
        complete(spec, find_entry(aoti_entries(), spec, "models", "test"), "test"), program, "test");
    EXPECT_EQ(message_of([&] { on_device(model, fake_device::device()); }),
              "runs on the CPU only, not on " + fake_device::device().str() + " | use --device cpu");
}

TEST_F(TorchScriptDenoisers, GradientsLabelsAndVariance) {
    const std::string body =
        "def forward(self, x, t, y):\n"
        "    k = (1 + y.to(x.dtype)).reshape(-1, 1, 1, 1)\n    return torch.cat([k * x * x, x], 1)\n";
    const auto model =
        load(program(body),
             "prediction=x0,process='continuous:sigma-min=0.002,sigma-max=80',channels=1,size=2,classes=3");
    EXPECT_TRUE(model->has_variance());
    EXPECT_EQ(model->classes(), 3);
    const at::Tensor x = at::randn({3, 1, 2, 2}).requires_grad_(true),
                     labels = at::tensor({0, 1, 2}, at::kLong);
    const at::Tensor level = at::ones({3}, at::kDouble);
    const DenoiserOutput out = (*model)(x, level, level, labels);
    out.x0.sum().backward();
    const at::Tensor k = (labels + 1).to(at::kFloat).reshape({-1, 1, 1, 1});
    EXPECT_TRUE(at::allclose(x.grad(), 2 * k * x.detach(), 0, 1e-6));
    EXPECT_TRUE(at::equal(out.variance.detach(), x.detach()));
    EXPECT_NE(message_of([&] { (*model)(x, level, level, {}); }).find("no labels"), std::string::npos);
    const std::string rows =
        "def forward(self, x, t, y):\n    return x * y.sum(1).reshape(-1, 1, 1, 1) * y.size(1)\n";
    const auto one_hot = load(program(rows),
                              "prediction=x0,process='continuous:sigma-min=0.1,sigma-max=8',channels=1,"
                              "size=2,classes=3,labels=one-hot");
    EXPECT_TRUE(at::equal((*one_hot)(x.detach(), level, level, labels).x0, 3 * x.detach()));
}

TEST_F(TorchScriptDenoisers, IdentityAndRefusals) {
    const std::string two = program("def forward(self, x, t):\n    return x\n");
    EXPECT_EQ(load(two, "size=4")->spec().find(folder_.string()), std::string::npos);
    EXPECT_NE(load(two, "size=4")->spec().find(load(two, "size=4")->weights_hash()), std::string::npos);
    const auto refused = [&](const std::string& path, const std::string& keys) {
        return message_of([&] { load(path, keys); });
    };
    const std::vector<std::pair<std::string, std::string>> cases = {
        {"prediction=edm", "the process is a table"},
        {"prediction=v,process='continuous:sigma-min=1,sigma-max=2'", "the process is a range"},
        {"range=unit", "half of a table's levels"},
        {"rescale=true,process='continuous:sigma-min=1,sigma-max=2'", "rescale=true is for a table"},
        {"channels=0", "must be positive"},
        {"classes=4", "forward() takes 2 inputs"}};
    for (const auto& [keys, part] : cases)
        EXPECT_NE(refused(two, keys).find(part), std::string::npos) << keys;
    EXPECT_NE(
        refused(program("def forward(self, x, t, y):\n    return x\n"), "size=4").find("takes 3 inputs, 3"),
        std::string::npos);
    EXPECT_NE(
        refused(program("def forward(self, x, t):\n    return x[:, :2]\n"), "size=4").find("another shape"),
        std::string::npos);
    EXPECT_NE(refused(program("def forward(self, x, t):\n    return x + torch.zeros(7)\n"), "size=4")
                  .find("failed in"),
              std::string::npos);
    EXPECT_NE(refused(folder_ / "nowhere.pt", "size=4").find("no such"), std::string::npos);
}

/// The network's forward, traced into a TorchScript file with its weights inside.
void export_network(const Network& net, const Parameters& parameters, const at::Tensor& x,
                    const at::Tensor& t, const at::Tensor& y, const std::string& path) {
    const c10::NoGradGuard no_grad;
    torch::jit::Stack inputs = {x, t};
    std::vector<std::string> names = {"x", "t"};
    if (y.defined()) inputs.emplace_back(y), names.emplace_back("y");
    const auto traced = torch::jit::tracer::trace(
        inputs,
        [&](torch::jit::Stack in) -> torch::jit::Stack {
            return {net.forward(parameters, in[0].toTensor(), in[1].toTensor(),
                                in.size() > 2 ? in[2].toTensor() : at::Tensor())};
        },
        [](const torch::autograd::Variable&) { return std::string(); }, true, false, nullptr, names);
    torch::jit::Module module("Traced", std::make_shared<torch::jit::CompilationUnit>());
    auto graph = traced.first->graph;
    graph->insertInput(0, "self")->setType(module._ivalue()->type());
    module.type()->addMethod(module._ivalue()->compilation_unit()->create_function(
        c10::QualifiedName(*module.type()->name(), "forward"), graph));
    module.save(path);
}

TEST_F(TorchScriptDenoisers, TracedNativeNetworksAgree) {
    golden::Tally tally("nets/x0 of a TorchScript export against the native network");
    golden::Tally evaluated("nets/the same, native by the kernels for evaluation, beside the largest value");
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile golden = read_safetensors(path.string());
        const auto family = golden.metadata.find("family");
        if (family == golden.metadata.end() || !golden.tensors.contains("out")) continue;
        const auto known = network_families();
        if (std::find(known.begin(), known.end(), family->second) == known.end()) continue;
        SCOPED_TRACE(path);
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        const Spec spec = Spec::parse("native:file='" + weights + "',process='linear:T=1000',rescale=false");
        const auto native = std::dynamic_pointer_cast<const NativeDenoiser>(
            load_native(complete(spec, find_entry(native_entries(), spec, "models", ""), ""), ""));
        ASSERT_NE(native, nullptr);
        // Tracing keeps the sizes that it saw, so one image at a time.
        const auto one = [&](const char* name) { return golden.at(name).narrow(0, 0, 1); };
        const at::Tensor labels = golden.tensors.contains("y") ? one("y") : at::Tensor();
        const std::string file = (folder_ / "traced.pt").string();
        export_network(native->network(), native->parameters(), one("x"), one("t"), labels, file);
        const auto wrapped = load(file, "size=" + std::to_string(golden.at("x").size(2)) +
                                            ",classes=" + std::to_string(native->classes()));
        EXPECT_EQ(wrapped->has_variance(), native->has_variance());
        at::manual_seed(2);
        const at::Tensor x = at::randn_like(one("x")) * 2;
        const LocatedLevel level = native->process().locate(1.5);
        const auto b = denoise_at(*wrapped, x, level, labels);
        const auto largest = [](const at::Tensor& t) { return t.abs().max().item<double>(); };
        // A gradient is asked for, so the native network runs LibTorch's operations, as the export does.
        const auto a = denoise_at(*native, x.clone().requires_grad_(true), level, labels);
        tally.add(largest(a.x0.detach() - b.x0), 1e-5, path.filename().string());
        const c10::NoGradGuard no_gradients;
        const auto c = denoise_at(*native, x, level, labels);
        evaluated.add(largest(c.x0 - b.x0) / largest(b.x0), 1e-5, path.filename().string());
    }
    tally.report();
    evaluated.report();
}

}  // namespace
}  // namespace schedbench
