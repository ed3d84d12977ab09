#include "core/device_traffic.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <c10/core/CachingDeviceAllocator.h>

#include <mutex>
#include <set>

#include "core/cuda_plugin.h"
#include "core/error.h"

namespace schedbench {

namespace {

std::mutex g_lock;
DeviceTraffic g_traffic;
bool g_counting = false;
bool g_on_cpu = false;  ///< then values of the CPU's tensors count

/// Counts LibTorch's warnings about waiting, and passes all others on.
struct WaitWarnings final : c10::WarningHandler {
    void process(const c10::Warning& warning) override {
        if (warning.msg().find("synchronizing CUDA operation") == std::string::npos)
            return c10::WarningHandler::process(warning);
        const std::lock_guard<std::mutex> guard(g_lock);
        ++g_traffic.waits;
        g_traffic.stalls.emplace_back("wait");
    }
};
WaitWarnings g_warnings;

/// Their outputs have shapes that depend on values, so that the host must wait for them.
bool waits_for_values(const std::string& name) {
    static const std::set<std::string> names = {"aten::nonzero",  "aten::masked_select",
                                                "aten::_unique2", "aten::bincount",
                                                "aten::equal",    "aten::_local_scalar_dense"};
    return names.contains(name);
}

const at::Tensor* tensor_at(c10::ArrayRef<const c10::IValue> values, size_t i) {
    return i < values.size() && values[i].isTensor() && values[i].toTensor().defined() ? &values[i].toTensor()
                                                                                       : nullptr;
}

std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction& function) {
    const std::string name = function.name();
    const std::lock_guard<std::mutex> guard(g_lock);
    ++g_traffic.operators;
    if (name == "aten::empty" || name == "aten::empty_strided") ++g_traffic.allocations;
    const auto inputs = function.inputs();
    if (name == "aten::copy_") {
        const at::Tensor *to = tensor_at(inputs, 0), *from = tensor_at(inputs, 1);
        if (!to || !from || to->device().is_cpu() == from->device().is_cpu()) return nullptr;
        ++(to->device().is_cpu() ? g_traffic.to_host : g_traffic.to_device);
        g_traffic.stalls.push_back(name);
    } else if (waits_for_values(name)) {
        const at::Tensor* read = tensor_at(inputs, 0);
        if (read && read->device().is_cpu() && !g_on_cpu) return nullptr;
        ++g_traffic.reads;
        g_traffic.stalls.push_back(name);
    }
    return nullptr;
}

}  // namespace

DeviceTraffic DeviceTraffic::operator-(const DeviceTraffic& earlier) const {
    DeviceTraffic out = *this;
    out.operators -= earlier.operators;
    out.to_device -= earlier.to_device;
    out.to_host -= earlier.to_host;
    out.reads -= earlier.reads;
    out.waits -= earlier.waits;
    out.allocations -= earlier.allocations;
    out.segments -= earlier.segments;
    out.stalls.erase(out.stalls.begin(),
                     out.stalls.begin() + static_cast<std::ptrdiff_t>(earlier.stalls.size()));
    return out;
}

TrafficCounter::TrafficCounter(c10::Device device) : device_(device), segments_before_(segments()) {
    SCHEDBENCH_ASSERT(!g_counting);
    g_counting = true;
    g_on_cpu = device_.is_cpu();
    g_traffic = {};
    at::RecordFunctionCallback callback(&enter);
    callback.scopes({at::RecordScope::FUNCTION}).needsInputs(true);
    handle_ = at::addGlobalCallback(callback);
    if (device_.is_cuda() && cuda_plugin()) {
        c10::WarningUtils::set_warning_handler(&g_warnings);
        cuda_plugin()->watch_synchronisation(1);
    }
}

TrafficCounter::~TrafficCounter() {
    if (device_.is_cuda() && cuda_plugin()) {
        cuda_plugin()->watch_synchronisation(0);
        c10::WarningUtils::set_warning_handler(nullptr);
    }
    at::removeCallback(handle_);
    g_counting = false;
}

int64_t TrafficCounter::segments() const {
    if (!device_.is_cuda() || !at::getDeviceAllocator(at::kCUDA)->initialized()) return 0;
    return at::getDeviceAllocator(at::kCUDA)->getDeviceStats(device_.index()).segment[0].allocated;
}

DeviceTraffic TrafficCounter::now() const {
    const std::lock_guard<std::mutex> guard(g_lock);
    DeviceTraffic out = g_traffic;
    out.segments = segments() - segments_before_;
    return out;
}

std::string traffic_text(const DeviceTraffic& t) {
    std::string out =
        std::to_string(t.operators) + " operators, " + std::to_string(t.allocations) + " tensors made";
    if (t.segments > 0) out += ", " + std::to_string(t.segments) + " pieces of device memory";
    if (!t.stalled()) return out + ", no stall";
    out += ", " + std::to_string(t.to_device) + " copies to the device, " + std::to_string(t.to_host) +
           " to the host, " + std::to_string(t.reads) + " values read, " + std::to_string(t.waits) +
           " waits (";
    constexpr size_t kMost = 4;
    for (size_t i = 0; i < std::min(kMost, t.stalls.size()); ++i) out += (i ? ", " : "") + t.stalls[i];
    return out + (t.stalls.size() > kMost ? ", ...)" : ")");
}

}  // namespace schedbench
