// Ranges of the keys of a completed spec, refused by name.
#pragma once

#include <string>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

/// The integer `key`, low..high; Error("spec") at `where`.
inline int integer_within(const Spec& spec, const std::string& key, int low, int high,
                          const std::string& where) {
    const long long value = spec.integer(key);
    if (value < low || value > high)
        throw Error("spec",
                    "key \"" + key + "\" of " + spec.name + " must be from " + std::to_string(low) + " to " +
                        std::to_string(high) + ", not " + std::to_string(value),
                    where);
    return static_cast<int>(value);
}

/// The number `key` in [low, high], or in (low, high) if `open`; Error("spec") at `where`, also for NaN.
inline double number_within(const Spec& spec, const std::string& key, double low, double high, bool open,
                            const std::string& where) {
    const double value = spec.number(key);
    if (open ? !(value > low && value < high) : !(value >= low && value <= high))
        throw Error("spec",
                    "key \"" + key + "\" of " + spec.name + (open ? " must lie between " : " must be from ") +
                        format_number(low) + (open ? " and " : " to ") + format_number(high) +
                        (open ? " (both excluded), not " : ", not ") + format_number(value),
                    where);
    return value;
}

}  // namespace schedbench
