// Counts the calls of tensor operators while it lives, a deterministic measure of what an evaluation or a sampler does:
// by name, or (PassCounter) those that go once through all elements of a tensor of a given size.
#pragma once

#include <ATen/record_function.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

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

/// Passes over memory: operators with an output of exactly `elements` elements, those that only look at memory in
/// another way left out. Of operators inside one another the innermost counts. One thread, one counter at a time.
class PassCounter {
  public:
    explicit PassCounter(int64_t elements) {
        state() = State{elements, 0, 0, {}};
        at::RecordFunctionCallback callback(&enter, &leave);
        callback.scopes({at::RecordScope::FUNCTION}).needsOutputs(true);
        handle_ = at::addGlobalCallback(callback);
    }
    ~PassCounter() { at::removeCallback(handle_); }
    PassCounter(const PassCounter&) = delete;
    PassCounter& operator=(const PassCounter&) = delete;
    int64_t passes() const { return state().passes; }

    /// While it lives nothing is counted.
    struct Pause {
        Pause() { ++state().paused; }
        ~Pause() { --state().paused; }
    };

  private:
    struct State {
        int64_t elements = 0, passes = 0;
        int paused = 0;
        std::vector<bool> counted_inside;  ///< of the operators that are running
    };
    static State& state() {
        static thread_local State instance;
        return instance;
    }
    static std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction&) {
        state().counted_inside.push_back(false);
        return nullptr;
    }
    static void leave(const at::RecordFunction& function, at::ObserverContext*) {
        static const std::set<std::string> without_pass = {
            "aten::to",      "aten::_to_copy",    "aten::empty",  "aten::empty_like", "aten::empty_strided",
            "aten::view",    "aten::reshape",     "aten::select", "aten::slice",      "aten::detach",
            "aten::alias",   "aten::contiguous",  "aten::expand", "aten::as_strided", "aten::unsqueeze",
            "aten::squeeze", "aten::flatten",     "aten::t",      "aten::transpose",  "aten::permute",
            "aten::resize_", "aten::_unsafe_view"};
        State& now = state();
        if (now.counted_inside.empty()) return;  // began before the counter
        bool counts = now.counted_inside.back();
        now.counted_inside.pop_back();
        if (!counts && now.paused == 0 && !without_pass.contains(function.name()))
            for (const c10::IValue& output : function.outputs())
                if (output.isTensor() && output.toTensor().defined() && output.toTensor().numel() == now.elements)
                    counts = true, ++now.passes;
        if (counts && !now.counted_inside.empty()) now.counted_inside.back() = true;
    }
    at::CallbackHandle handle_ = 0;
};

}  // namespace schedbench::bench
