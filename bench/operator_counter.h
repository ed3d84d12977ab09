// Counts the calls of tensor operators by name while it lives: a deterministic measure of what an evaluation does.
#pragma once

#include <ATen/record_function.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace schedbench::bench {

class OperatorCounter {
  public:
    OperatorCounter() {
        at::RecordFunctionCallback callback(&count);
        callback.scopes({at::RecordScope::FUNCTION}).needsInputs(true);
        counts().clear();
        handle_ = at::addGlobalCallback(callback);
    }
    ~OperatorCounter() { at::removeCallback(handle_); }
    OperatorCounter(const OperatorCounter&) = delete;
    OperatorCounter& operator=(const OperatorCounter&) = delete;

    /// Calls of an operator ("aten::copy_"), those made inside other operators among them.
    int64_t calls(const std::string& name) const {
        const std::lock_guard<std::mutex> lock(mutex());
        const auto it = counts().find(name);
        return it == counts().end() ? 0 : it->second;
    }
    /// Convolutions whose input is not in channels-last memory, so that the library has to reorder it.
    int64_t reordered_convolutions() const { return calls(kReordered); }

  private:
    static constexpr const char* kReordered = "reordered";
    static std::unique_ptr<at::ObserverContext> count(const at::RecordFunction& function) {
        const std::lock_guard<std::mutex> lock(mutex());
        const std::string name = function.name();
        ++counts()[name];
        if (name == "aten::convolution" && !function.inputs()[0].toTensor().is_contiguous(at::MemoryFormat::ChannelsLast))
            ++counts()[kReordered];
        return nullptr;
    }
    static std::mutex& mutex() {
        static std::mutex instance;
        return instance;
    }
    static std::map<std::string, int64_t>& counts() {
        static std::map<std::string, int64_t> instance;
        return instance;
    }
    at::CallbackHandle handle_ = 0;
};

}  // namespace schedbench::bench
