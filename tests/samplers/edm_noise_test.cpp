// The noise policy that replays the seeds of EDM's generate.py.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "samplers/sampler.h"

namespace schedbench {
namespace {

// What torch.manual_seed(0); torch.randn(16) prints in every PyTorch on a CPU.
TEST(EdmNoise, TheLatentIsPyTorchsOwnStream) {
    const EdmNoise noise(0, {0}, {1, 4, 4}, 0);
    const at::Tensor expected =
        at::tensor({-1.1258, -1.1524, -0.2506, -0.4339, 0.8487, 0.6920, -0.3160, -2.1152, 0.3223, -1.2633,
                    0.3500, 0.3081, 0.1198, 1.2377, 1.1168, -0.2473},
                   at::kDouble);
    EXPECT_LT((noise.latent().flatten() - expected).abs().max().item<double>(), 6e-5);
    EXPECT_FALSE(noise.labels(0).defined());
}

TEST(EdmNoise, ASampleDoesNotDependOnItsCompanions) {
    const EdmNoise block(7, {3, 4, 5}, {3, 8, 8}, 10), alone(7, {4}, {3, 8, 8}, 10),
        shifted(11, {0}, {3, 8, 8}, 10);
    EXPECT_TRUE(at::equal(block.latent()[1], alone.latent()[0]));
    EXPECT_TRUE(at::equal(shifted.latent()[0], alone.latent()[0]));  // seed + id is what counts
    EXPECT_EQ(block.labels(10)[1].item<int64_t>(), alone.labels(10)[0].item<int64_t>());
    for (uint32_t draw : {0u, 1u, 4u})
        EXPECT_TRUE(at::equal(block.step(draw)[1], alone.step(draw)[0])) << draw;
}

TEST(EdmNoise, StepsThatAreSkippedAreDrawnAllTheSame) {
    const EdmNoise every(1, {0}, {1, 8, 8}, 0), some(1, {0}, {1, 8, 8}, 0);
    for (uint32_t draw = 0; draw < 5; ++draw) every.step(draw);
    EXPECT_TRUE(at::equal(every.step(4), some.step(4)));
    EXPECT_TRUE(at::equal(some.step(4), some.step(4)));
    const EdmNoise conditional(1, {0}, {1, 8, 8}, 10);  // the label takes a number from the stream
    EXPECT_TRUE(at::equal(conditional.latent(), some.latent()));
    EXPECT_FALSE(at::equal(conditional.step(0), EdmNoise(1, {0}, {1, 8, 8}, 0).step(0)));
}

}  // namespace
}  // namespace schedbench
