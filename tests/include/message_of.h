// What a call that must fail says: "message | hint", or "no error".
#pragma once

#include <functional>
#include <string>

#include "core/error.h"

namespace schedbench {

inline std::string message_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        return e.message() + " | " + e.hint();
    }
    return "no error";
}

}  // namespace schedbench
