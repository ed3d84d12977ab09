// Counts what a device and the host do to each other while it lives: for finding what stalls a sampling loop.
// One counter at a time; it costs time of its own, so it is for counting and not for timing.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace schedbench {

struct DeviceTraffic {
    int64_t operators = 0;  ///< of LibTorch that were called, those inside others among them
    int64_t to_device = 0;  ///< copies of tensors from the host
    int64_t to_host = 0;    ///< copies of tensors to the host
    int64_t reads =
        0;  ///< values that the host asked for: item() and operators whose shapes depend on values
    int64_t waits =
        0;  ///< times that LibTorch made the host wait for a CUDA device (with the plug-in; else 0)
    int64_t allocations = 0;  ///< tensors made; on a CUDA device LibTorch keeps their memory, see `segments`
    int64_t segments = 0;  ///< pieces of memory that LibTorch took from a CUDA device's driver; 0 elsewhere
    std::vector<std::string> stalls{};  ///< names of the copies and reads, in order

    /// Did the host stop the device, or the device the host?
    bool stalled() const { return to_device + to_host + reads + waits > 0; }
    DeviceTraffic operator-(const DeviceTraffic& earlier) const;
};

class TrafficCounter {
  public:
    explicit TrafficCounter(c10::Device device);
    ~TrafficCounter();
    TrafficCounter(const TrafficCounter&) = delete;
    TrafficCounter& operator=(const TrafficCounter&) = delete;
    /// Since it was made.
    DeviceTraffic now() const;

  private:
    int64_t segments() const;

    c10::Device device_;
    uint64_t handle_ = 0;
    int64_t segments_before_ = 0;
};

/// On one line: "412 operators, 380 tensors made, no stall".
std::string traffic_text(const DeviceTraffic& traffic);

}  // namespace schedbench
