// A device for tests on a machine without one: LibTorch's backend PrivateUse1, whose memory is the host's and
// whose kernels are the CPU's. What a real device punishes it refuses or counts: an operator that mixes
// tensors of the device with tensors of the host (numbers aside), copies between the two, values that the
// host reads, waiting.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>

namespace schedbench::fake_device {

struct Traffic {
    int64_t to_device = 0, to_host = 0;  ///< copies of tensors
    int64_t reads = 0;                   ///< values that the host reads: item(), equal(), nonzero(), ...
    int64_t waits = 0;                   ///< synchronisations of a stream, an event or the device
    int64_t kernels = 0;                 ///< operators run
    int64_t allocations = 0;             ///< tensors made

    bool stalls() const { return to_device + to_host + reads + waits > 0; }
};

/// Makes the device known to LibTorch, once.
at::Device device();

/// Since the last reset().
const Traffic& traffic();
void reset();

/// What `work` does on the device, to be done again on the same memory, as a graph of kernels would: the work
/// runs once here, and its operators, with the memory of their inputs and outputs, are kept. c10::Error where
/// the work reads a value, waits, or copies between host and device.
std::function<void()> record(const std::function<void()>& work);

/// Operators that the host had to wait for since the last reset(), in order, for messages.
const std::string& stalled_in();

}  // namespace schedbench::fake_device
