// The most memory that was in use at a time.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace schedbench {

/// Bytes: on a device with an allocator of its own what was allocated there, on the CPU what this process had
/// in memory (everything, libraries among it).
int64_t peak_memory_bytes(const c10::Device& device);

}  // namespace schedbench
