// The precision profile of a process, for the code that loads networks; set once at start-up by
// apply_runtime().
#pragma once

#include <string>

namespace schedbench {

struct Profile {
    bool fast = false;   ///< networks run in bfloat16 where a model's own key does not say otherwise
    bool on_cpu = true;  ///< whether networks run there
};

/// What was set last; reproducible on the CPU before.
const Profile& profile_in_force();
void set_profile(const Profile& profile);

/// Error("device") naming `where` if the CPU has no bfloat16 instructions (avx512_bf16, amx_bf16, or ARM's
/// bf16) or an environment variable keeps LibTorch from them. Without them bfloat16 is slower than float32,
/// not faster.
void require_bf16(const std::string& where, const std::string& hint = "leave precision at float32");

}  // namespace schedbench
