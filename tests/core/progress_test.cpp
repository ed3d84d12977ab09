#include "core/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>

namespace schedbench {
namespace {

// 90 of 100 were there before; 5 in two seconds leave two seconds for the other 5.
TEST(Progress, WhatWasThereBeforeTellsNothingAboutSpeed) {
    testing::internal::CaptureStderr();
    {
        Progress progress("train", 100, "steps");
        progress.found(90);
        std::this_thread::sleep_for(std::chrono::milliseconds(2010));
        progress.update(95, "loss 1");
    }
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("95/100 steps, 2."), std::string::npos) << text;
    EXPECT_NE(text.find("steps/s, 2s left, loss 1"), std::string::npos) << text;
}

TEST(Progress, AJobOfLessThanTwoSecondsSaysNothing) {
    testing::internal::CaptureStderr();
    Progress("quick", 10, "images").update(10);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace schedbench
