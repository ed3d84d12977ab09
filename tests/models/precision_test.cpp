// precision=bf16 on every golden network: the same images to two digits, another identity, float32 outputs.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/error.h"
#include "core/profile.h"
#include "golden.h"
#include "models/native.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

std::shared_ptr<const Denoiser> load(const std::string& path, const std::string& keys) {
    const Spec spec = Spec::parse("native:file='" + path + "'" + keys);
    return load_native(complete(spec, native_entries().front(), ""), "");
}

TEST(Precision, Bf16IsTheSameNetworkToTwoDigits) {
    try {
        require_bf16("test");
    } catch (const Error& error) {
        GTEST_SKIP() << error.what();
    }
    golden::Tally tally("nets/x0 with precision=bf16 against float32");
    for (const auto& path : golden::files("nets", ".safetensors")) {
        const std::string name = path.string();
        if (name.find(".golden.") != std::string::npos) continue;
        const auto metadata = read_safetensors(name).metadata;
        const auto family = metadata.find("family");
        if (family == metadata.end() || family->second == "edm.blocks" || family->second == "schedbench.Mlp")
            continue;
        SCOPED_TRACE(name);
        const std::string process =
            family->second == "edm.precond" ? "" : ",process='linear:T=1000',rescale=false";
        const auto exact = load(name, process), fast = load(name, process + ",precision=bf16");
        EXPECT_EQ(exact->spec().find("precision"), std::string::npos);  // as it was before there was a choice
        EXPECT_NE(fast->spec().find("precision=bf16"), std::string::npos);
        std::vector<int64_t> shape = exact->shape();
        shape.insert(shape.begin(), 3);
        shape[2] = shape[3] = std::min<int64_t>(shape[2], 16);
        at::manual_seed(1);
        const at::Tensor labels = exact->classes() > 0 ? at::arange(3) : at::Tensor();
        {
            constexpr double sigma = 1;
            const at::Tensor x = at::randn(shape, at::kDouble) * std::sqrt(0.25 + sigma * sigma);
            const LocatedLevel level = exact->process().locate(sigma);
            const at::Tensor a = denoise_at(*exact, x, level, labels).x0,
                             b = denoise_at(*fast, x, level, labels).x0;
            EXPECT_EQ(a.scalar_type(), b.scalar_type());
            EXPECT_FALSE(at::equal(a, b));
            const double difference = ((a - b).square().mean() / a.square().mean()).sqrt().item<double>();
            tally.add(difference, 0.03, path.filename().string());
        }
    }
    tally.report();
}

}  // namespace
}  // namespace schedbench
