// What Linux says of the CPU.
#pragma once

#include <string>
#include <string_view>

namespace schedbench {

/// The value of the first entry of /proc/cpuinfo whose name begins with `name`; "" without one.
std::string cpu_info(std::string_view name);

/// Names of its instruction sets with spaces between ("flags" on x86-64, "Features" on ARM).
std::string cpu_flags();

}  // namespace schedbench
