// Which class each sample gets: random as the noise policy draws it, balanced and fixed by the id alone.
#include "samplers/label_policy.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "core/error.h"

namespace schedbench {
namespace {

std::vector<int64_t> labels_of(const std::string& policy, const std::string& noise, std::vector<int64_t> ids,
                               int64_t classes = 10) {
    const auto block = make_block_noise(noise, 3, ids, {1, 4, 4}, classes, "test");
    const at::Tensor out = LabelPolicy::parse(policy, "test").labels(*block, ids, classes);
    return {out.const_data_ptr<int64_t>(), out.const_data_ptr<int64_t>() + out.numel()};
}

TEST(LabelPolicy, RandomIsTheNoisePolicysOwn) {
    const std::vector<int64_t> ids = {4, 5, 6, 7};
    const at::Tensor drawn = block_labels(3, ids, 10);
    EXPECT_EQ(labels_of("random", "philox", ids),
              std::vector<int64_t>(drawn.const_data_ptr<int64_t>(), drawn.const_data_ptr<int64_t>() + 4));
    EXPECT_EQ(labels_of("random", "philox", {6}).front(), labels_of("random", "philox", ids)[2]);
}

// torch.Generator().manual_seed(3 + id); randn of a 1x4x4 latent, then randint(10): what PyTorch's CPU
// prints.
TEST(LabelPolicy, EdmsOwnDrawFollowsTheLatent) {
    std::vector<int64_t> expected;
    for (const uint64_t id : {0, 1, 2, 3, 4, 5, 6, 7}) {
        at::Generator generator = at::detail::createCPUGenerator(3 + id);
        at::randn({1, 4, 4}, generator);
        expected.push_back(at::randint(10, {1}, generator).item<int64_t>());
    }
    EXPECT_EQ(labels_of("random", "edm", {0, 1, 2, 3, 4, 5, 6, 7}), expected);
}

TEST(LabelPolicy, BalancedAndFixed) {
    std::vector<int64_t> ids(30), counts(10);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = 7 + static_cast<int64_t>(i);
    for (const char* noise : {"philox", "edm"}) {
        std::fill(counts.begin(), counts.end(), 0);
        for (const int64_t label : labels_of("balanced", noise, ids)) ++counts[static_cast<size_t>(label)];
        EXPECT_EQ(counts, std::vector<int64_t>(10, 3));
        EXPECT_EQ(labels_of("balanced", noise, {12}).front(), 2);
        EXPECT_EQ(labels_of("fixed:7", noise, {0, 5}), (std::vector<int64_t>{7, 7}));
    }
    // Latents do not move when classes are chosen otherwise: the draw is made all the same.
    EXPECT_EQ(LabelPolicy::parse("random", "").name(), "uniform");
    EXPECT_EQ(LabelPolicy::parse("balanced", "").name(), "balanced");
    EXPECT_EQ(LabelPolicy::parse("fixed:3", "").name(), "fixed:3");
}

TEST(LabelPolicy, WhatCannotBeIsRefused) {
    for (const char* text : {"", "fixed", "fixed:", "fixed:-1", "fixed:1.5", "even", "fixed:1e12"})
        EXPECT_THROW(LabelPolicy::parse(text, "test"), Error) << text;
    EXPECT_THROW(LabelPolicy::parse("fixed:10", "").check(10, "test"), Error);
    EXPECT_THROW(LabelPolicy::parse("balanced", "").check(0, "test"), Error);
    EXPECT_NO_THROW(LabelPolicy::parse("fixed:9", "").check(10, "test"));
    EXPECT_NO_THROW(LabelPolicy::parse("random", "").check(0, "test"));
}

}  // namespace
}  // namespace schedbench
