// --count-traffic: what each step of a block costs in copies, values read and operators.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <vector>

#include "core/device_traffic.h"
#include "samplers/sampler.h"

namespace schedbench {

class StepTraffic {
  public:
    /// To be given to Sampler::sample(), once; the device is the model's.
    StepObserver observer(at::Device device);
    /// One line a step on stderr.
    void print() const;
    nlohmann::json to_json() const;

  private:
    std::optional<TrafficCounter> counter_;
    DeviceTraffic before_;
    std::vector<DeviceTraffic> steps_;
};

}  // namespace schedbench
