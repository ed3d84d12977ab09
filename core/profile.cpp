#include "core/profile.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "core/cpu_info.h"
#include "core/error.h"

namespace schedbench {

namespace {

Profile& current() {
    static Profile profile;
    return profile;
}

/// The variable that forbids what the CPU can, or "".
std::string forbidding_variable() {
    const char* const torch = std::getenv("ATEN_CPU_CAPABILITY");
    if (torch && std::string_view(torch) != "avx512") return "ATEN_CPU_CAPABILITY";
    const char* const onednn = std::getenv("ONEDNN_MAX_CPU_ISA");
    constexpr std::array<std::string_view, 6> below = {"SSE41",     "AVX",         "AVX2",
                                                       "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"};
    if (onednn && std::find(below.begin(), below.end(), onednn) != below.end()) return "ONEDNN_MAX_CPU_ISA";
    return "";
}

}  // namespace

const Profile& profile_in_force() {
    return current();
}

void set_profile(const Profile& profile) {
    current() = profile;
}

void require_bf16(const std::string& where, const std::string& hint) {
    if (const std::string variable = forbidding_variable(); !variable.empty())
        throw Error("device", variable + " keeps bf16 instructions from being used", where, hint);
    std::istringstream words(cpu_flags());
    for (std::string word; words >> word;)
        if (word == "avx512_bf16" || word == "amx_bf16" || word == "bf16") return;
    throw Error("device", "this CPU has no bf16 instructions (avx512_bf16, amx_bf16)", where, hint);
}

}  // namespace schedbench
