#include "core/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace schedbench {
namespace {

// 90 of 100 were there before; the other 5 take as long as the 5 that were made now, however late this
// process wakes.
TEST(Progress, WhatWasThereBeforeTellsNothingAboutSpeed) {
    testing::internal::CaptureStderr();
    {
        Progress progress("train", 100, "steps");
        progress.found(90);
        std::this_thread::sleep_for(std::chrono::milliseconds(2010));
        progress.update(95, "loss 1");
    }
    const std::string text = testing::internal::GetCapturedStderr();
    double rate = 0, left = 0;
    ASSERT_EQ(
        std::sscanf(text.c_str(), "train: 95%% 95/100 steps, %lf steps/s, %lfs left, loss 1", &rate, &left),
        2)
        << text;
    EXPECT_LE(rate, 2.49);  // 5 / 2.01, as printed
    EXPECT_NEAR(left, 5 / rate, 0.51);
}

TEST(Progress, AJobOfLessThanTwoSecondsSaysNothing) {
    testing::internal::CaptureStderr();
    Progress("quick", 10, "images").update(10);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace schedbench
