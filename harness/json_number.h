// Numbers in JSON, which has neither NaN nor infinity.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace schedbench {

inline nlohmann::json json_number(double value) {
    return std::isfinite(value) ? nlohmann::json(value) : nlohmann::json(nullptr);
}

}  // namespace schedbench
