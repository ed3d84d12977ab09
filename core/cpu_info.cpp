#include "core/cpu_info.h"

#include <fstream>

namespace schedbench {

std::string cpu_info(std::string_view name) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const size_t colon = line.find(':');
        if (!line.starts_with(name) || colon == std::string::npos) continue;
        const size_t start = line.find_first_not_of(' ', colon + 1);
        return start == std::string::npos ? "" : line.substr(start);
    }
    return "";
}

std::string cpu_flags() {
    const std::string flags = cpu_info("flags");
    return flags.empty() ? cpu_info("Features") : flags;
}

}  // namespace schedbench
