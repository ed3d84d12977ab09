#include "apps/step_traffic.h"

#include <iostream>
#include <nlohmann/json.hpp>

namespace schedbench {

StepObserver StepTraffic::observer(at::Device device) {
    counter_.emplace(device);
    return [this](int knot, const at::Tensor&) {
        const DeviceTraffic now = counter_->now();
        if (knot > 0) steps_.push_back(now - before_);
        before_ = now;
    };
}

void StepTraffic::print() const {
    for (size_t i = 0; i < steps_.size(); ++i)
        std::cerr << "step " << i + 1 << " of " << steps_.size() << ": " << traffic_text(steps_[i]) << "\n";
}

nlohmann::json StepTraffic::to_json() const {
    nlohmann::json out = nlohmann::json::array();
    for (const DeviceTraffic& step : steps_)
        out.push_back({{"operators", step.operators},
                       {"allocations", step.allocations},
                       {"device_segments", step.segments},
                       {"copies_to_device", step.to_device},
                       {"copies_to_host", step.to_host},
                       {"values_read", step.reads},
                       {"waits", step.waits}});
    return out;
}

}  // namespace schedbench
