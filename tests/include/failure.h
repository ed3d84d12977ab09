// The user error that a piece of work ends in.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "core/error.h"

namespace schedbench {

/// Fails the test where there is none, or where its text has more than one line.
inline Error failure(const std::function<void()>& work) {
    try {
        work();
    } catch (const Error& e) {
        EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
        return e;
    }
    ADD_FAILURE() << "no error";
    return Error("none", "none");
}

}  // namespace schedbench
