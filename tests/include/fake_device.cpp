#include "fake_device.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>

namespace schedbench::fake_device {

namespace {

constexpr auto kType = c10::DeviceType::PrivateUse1;
const c10::Device kDevice(kType, 0);

Traffic g_traffic;
std::string g_stalled;
std::mutex g_stalled_lock;

/// Operators of the work that is being recorded; null while none is.
std::vector<std::function<void()>>* g_recording = nullptr;

void recorded(std::function<void()> again) {
    if (g_recording) g_recording->push_back(std::move(again));
}

/// Blocks are finished in a thread of their own.
void more(int64_t& count) {
    std::atomic_ref<int64_t>(count).fetch_add(1, std::memory_order_relaxed);
}

void stall(int64_t& count, const std::string& name) {
    TORCH_CHECK(!g_recording, name, " cannot be recorded: the host waits for it");
    more(count);
    const std::lock_guard<std::mutex> guard(g_stalled_lock);
    g_stalled += (g_stalled.empty() ? "" : ", ") + name;
}

bool on_device(const at::Tensor& t) {
    return t.defined() && t.device().type() == kType;
}

/// The same memory as a tensor of the host, which keeps the other alive.
at::Tensor host_view(const at::Tensor& t) {
    return at::for_blob(const_cast<void*>(t.const_data_ptr()), t.sizes())
        .strides(t.strides())
        .deleter([t](void*) {})
        .target_device(at::kCPU)
        .options(t.options().device(at::kCPU))
        .make_tensor();
}

at::Tensor device_view(const at::Tensor& t) {
    more(g_traffic.allocations);
    return at::for_blob(const_cast<void*>(t.const_data_ptr()), t.sizes())
        .strides(t.strides())
        .deleter([t](void*) {})
        .target_device(kDevice)
        .options(t.options().device(kDevice))
        .make_tensor();
}

/// Operators whose output shape depends on values: a real device must be asked for it.
bool waits_for_values(const std::string& name) {
    static const std::set<std::string> names = {"aten::nonzero",  "aten::masked_select",
                                                "aten::_unique2", "aten::unique_dim",
                                                "aten::bincount", "aten::repeat_interleave"};
    return names.contains(name);
}

at::Tensor to_host_argument(const at::Tensor& t, const std::string& name) {
    if (!t.defined()) return t;
    if (on_device(t)) return host_view(t);
    TORCH_CHECK(t.dim() == 0, name, " mixes a tensor of the host with tensors of the device");
    return t;
}

c10::IValue host_argument(const c10::IValue& value, const std::string& name) {
    if (value.isTensor()) return to_host_argument(value.toTensor(), name);
    if (value.isTensorList()) {
        c10::List<at::Tensor> out;
        for (const at::Tensor& t : value.toTensorVector()) out.push_back(to_host_argument(t, name));
        return out;
    }
    if (value.isList() && value.toListRef().size() > 0 && value.toListRef()[0].isTensor()) {
        c10::List<std::optional<at::Tensor>> out;
        for (const c10::IValue& item : value.toListRef())
            out.push_back(item.isTensor() ? std::optional<at::Tensor>(to_host_argument(item.toTensor(), name))
                                          : std::nullopt);
        return out;
    }
    if (value.isDevice()) return c10::Device(at::kCPU);
    return value;
}

/// Into the memory that the recorded operator wrote.
void write_again(const c10::IValue& to, const c10::IValue& from) {
    if (to.isTensor() && to.toTensor().defined()) to.toTensor().copy_(from.toTensor());
    if (!to.isTensorList()) return;
    const auto targets = to.toTensorVector(), sources = from.toTensorVector();
    for (size_t i = 0; i < targets.size(); ++i) targets[i].copy_(sources[i]);
}

/// Any operator: the CPU's kernel on the same memory.
void run_on_host(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
    const c10::FunctionSchema& schema = op.schema();
    const std::string& name = schema.name();
    more(g_traffic.kernels);
    if (waits_for_values(name)) stall(g_traffic.reads, name);
    const size_t count = schema.arguments().size();
    const std::vector<c10::IValue> arguments(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
    torch::jit::drop(*stack, count);
    torch::jit::Stack host;
    std::map<std::string, at::Tensor> written;  // by the alias set of the schema
    std::map<std::string, at::Tensor> grown;    // outputs that the operator gives their shape
    for (size_t i = 0; i < count; ++i) {
        const auto* alias = schema.arguments()[i].alias_info();
        if (alias && alias->isWrite() && arguments[i].isTensor() && on_device(arguments[i].toTensor())) {
            const std::string set = alias->beforeSets().begin()->toUnqualString();
            const at::Tensor target = arguments[i].toTensor();
            written[set] = target;
            if (target.numel() == 0) {
                grown[set] = at::empty({0}, target.options().device(at::kCPU));
                host.emplace_back(grown[set]);
                continue;
            }
        }
        host.push_back(host_argument(arguments[i], name));
    }
    const torch::jit::Stack inputs = host;
    op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &host);
    if (g_recording)
        recorded([op, inputs, outputs = host] {
            torch::jit::Stack again = inputs;
            op.redispatchBoxed(c10::DispatchKeySet(c10::DispatchKey::CPU), &again);
            for (size_t i = 0; i < again.size(); ++i) write_again(outputs[i], again[i]);
        });
    for (auto& [set, value] : grown) {
        const at::Tensor made = device_view(value);
        written[set].unsafeGetTensorImpl()->set_storage_keep_dtype(made.storage());
        written[set].unsafeGetTensorImpl()->set_sizes_and_strides(made.sizes(), made.strides());
    }
    for (size_t i = 0; i < host.size(); ++i) {
        const auto* alias = schema.returns()[i].alias_info();
        const c10::IValue& value = host[i];
        if (alias && alias->isWrite() && written.contains(alias->beforeSets().begin()->toUnqualString())) {
            stack->emplace_back(written[alias->beforeSets().begin()->toUnqualString()]);
        } else if (value.isTensor()) {
            stack->emplace_back(value.toTensor().defined() ? device_view(value.toTensor()) : at::Tensor());
        } else if (value.isTensorList()) {
            c10::List<at::Tensor> out;
            for (const at::Tensor& t : value.toTensorVector()) out.push_back(device_view(t));
            stack->emplace_back(out);
        } else {
            stall(g_traffic.reads, name);
            stack->push_back(value);
        }
    }
}

at::Tensor empty(at::IntArrayRef size, std::optional<at::ScalarType> dtype, std::optional<at::Layout>,
                 std::optional<at::Device>, std::optional<bool>, std::optional<at::MemoryFormat> format) {
    more(g_traffic.allocations);
    return at::detail::empty_generic(size, c10::GetAllocator(kType),
                                     c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                     c10::dtype_or_default(dtype), format);
}

at::Tensor empty_strided(at::IntArrayRef size, at::IntArrayRef stride, std::optional<at::ScalarType> dtype,
                         std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>) {
    more(g_traffic.allocations);
    return at::detail::empty_strided_generic(size, stride, c10::GetAllocator(kType),
                                             c10::DispatchKeySet(c10::DispatchKey::PrivateUse1),
                                             c10::dtype_or_default(dtype));
}

at::Tensor copy_from(const at::Tensor& from, const at::Tensor& to, bool) {
    more(g_traffic.kernels);
    if (!on_device(from)) stall(g_traffic.to_device, "copy to the device");
    if (!on_device(to)) stall(g_traffic.to_host, "copy to the host");
    const at::Tensor target = on_device(to) ? host_view(to) : to,
                     source = on_device(from) ? host_view(from) : from;
    target.copy_(source);
    recorded([target, source] { target.copy_(source); });
    return to;
}

at::Scalar read(const at::Tensor& t) {
    stall(g_traffic.reads, "item");
    return host_view(t).item();
}

/// LibTorch asks a device for a convolution of its own.
at::Tensor convolution(const at::Tensor& input, const at::Tensor& weight,
                       const std::optional<at::Tensor>& bias, at::SymIntArrayRef stride,
                       at::SymIntArrayRef padding, at::SymIntArrayRef dilation, bool transposed,
                       at::SymIntArrayRef output_padding, at::SymInt groups) {
    more(g_traffic.kernels);
    std::optional<at::Tensor> host_bias;
    if (bias && bias->defined()) host_bias = to_host_argument(*bias, "aten::convolution");
    const at::Tensor x = to_host_argument(input, "aten::convolution"),
                     w = to_host_argument(weight, "aten::convolution");
    const auto convolved = [=, s = stride.vec(), p = padding.vec(), d = dilation.vec(),
                            o = output_padding.vec()] {
        return at::convolution_symint(x, w, host_bias, s, p, d, transposed, o, groups);
    };
    const at::Tensor out = convolved();
    recorded([=] { out.copy_(convolved()); });
    return device_view(out);
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight, at::SymIntArrayRef stride,
    at::SymIntArrayRef padding, at::SymIntArrayRef dilation, bool transposed,
    at::SymIntArrayRef output_padding, at::SymInt groups, std::array<bool, 3> wanted) {
    more(g_traffic.kernels);
    TORCH_CHECK(!g_recording, "gradients are not recorded");
    const char* const name = "aten::convolution_backward";
    const std::vector<c10::SymInt> bias{transposed ? weight.sym_size(1) * groups : weight.sym_size(0)};
    const auto [x, w, b] = at::convolution_backward_symint(
        to_host_argument(gradient, name), to_host_argument(input, name), to_host_argument(weight, name), bias,
        stride, padding, dilation, transposed, output_padding, groups, wanted);
    const auto back = [](const at::Tensor& t) { return t.defined() ? device_view(t) : t; };
    return {back(x), back(w), back(b)};
}

struct Memory final : c10::Allocator {
    c10::DataPtr allocate(size_t bytes) override {
        c10::DataPtr host = c10::GetCPUAllocator()->allocate(bytes);
        void* data = host.get();
        auto* owner = new c10::DataPtr(std::move(host));
        return {data, owner, [](void* p) { delete static_cast<c10::DataPtr*>(p); }, kDevice};
    }
    void copy_data(void* to, const void* from, size_t bytes) const override {
        default_copy_data(to, from, bytes);
    }
};

/// No memory is taken back before its tensors are gone.
void record_stream(at::Tensor&, c10::Stream) {}

using Moment = std::chrono::steady_clock::time_point;

struct Guard final : c10::impl::DeviceGuardImplInterface {
    c10::DeviceType type() const override { return kType; }
    c10::Device exchangeDevice(c10::Device) const override { return kDevice; }
    c10::Device getDevice() const override { return kDevice; }
    void setDevice(c10::Device) const override {}
    void uncheckedSetDevice(c10::Device) const noexcept override {}
    c10::Stream getStream(c10::Device) const override { return c10::Stream(c10::Stream::DEFAULT, kDevice); }
    c10::Stream exchangeStream(c10::Stream stream) const override { return stream; }
    c10::Stream getStreamFromGlobalPool(c10::Device, bool) const override {
        return c10::Stream(c10::Stream::UNSAFE, kDevice, 1);
    }
    // Everything is done when it is asked for, so an event is a moment.
    void record(void** event, const c10::Stream&, const c10::DeviceIndex,
                const c10::EventFlag) const override {
        if (!*event) *event = new Moment;
        *static_cast<Moment*>(*event) = std::chrono::steady_clock::now();
    }
    void block(void*, const c10::Stream&) const override {}
    bool queryEvent(void*) const override { return true; }
    void destroyEvent(void* event, const c10::DeviceIndex) const noexcept override {
        delete static_cast<Moment*>(event);
    }
    double elapsedTime(void* first, void* second, const c10::DeviceIndex) const override {
        return std::chrono::duration<double, std::milli>(*static_cast<Moment*>(second) -
                                                         *static_cast<Moment*>(first))
            .count();
    }
    c10::DeviceIndex deviceCount() const noexcept override { return 1; }
    void synchronizeStream(const c10::Stream&) const override { stall(g_traffic.waits, "wait for a stream"); }
    void synchronizeEvent(void*) const override { stall(g_traffic.waits, "wait for an event"); }
    void synchronizeDevice(const c10::DeviceIndex) const override {
        stall(g_traffic.waits, "wait for the device");
    }
};

struct Hooks final : at::PrivateUse1HooksInterface {
    bool isBuilt() const override { return true; }
    bool isAvailable() const override { return true; }
    bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
    c10::DeviceIndex deviceCount() const override { return 1; }
    at::Device getDeviceFromPtr(void*) const override { return kDevice; }
    c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
    const at::Generator& getDefaultGenerator(c10::DeviceIndex) const override {
        static const at::Generator generator = at::detail::createCPUGenerator();
        return generator;
    }
    at::Generator getNewGenerator(c10::DeviceIndex) const override {
        return at::detail::createCPUGenerator();
    }
};

}  // namespace

C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard)

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
    m.fallback(torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
    m.impl("empty.memory_format", TORCH_FN(empty));
    m.impl("empty_strided", TORCH_FN(empty_strided));
    m.impl("_copy_from", TORCH_FN(copy_from));
    m.impl("_local_scalar_dense", TORCH_FN(read));
    m.impl("record_stream", TORCH_FN(record_stream));
    m.impl("convolution_overrideable", TORCH_FN(convolution));
    m.impl("convolution_backward_overrideable", TORCH_FN(convolution_backward));
    // Composites for devices without a kernel of their own, where the CPU has one.
    for (const char* name :
         {"native_group_norm", "native_group_norm_backward", "pixel_shuffle", "pixel_unshuffle"})
        m.impl(name, torch::CppFunction::makeFromBoxedFunction<&run_on_host>());
    m.impl("as_strided", TORCH_FN(at::native::as_strided_tensorimpl));
    m.impl("view", TORCH_FN(at::native::view));
    m.impl("_reshape_alias", TORCH_FN(at::native::_reshape_alias));
    m.impl("unfold", TORCH_FN(at::native::unfold));
}

at::Device device() {
    static const bool once = [] {
        static Memory memory;
        static Hooks hooks;
        c10::register_privateuse1_backend("fake");
        c10::SetAllocator(kType, &memory);
        at::RegisterPrivateUse1HooksInterface(&hooks);
        return true;
    }();
    return once ? kDevice : kDevice;
}

const Traffic& traffic() {
    return g_traffic;
}

std::function<void()> record(const std::function<void()>& work) {
    struct Recording {
        std::vector<std::function<void()>> operators;
        Recording() { g_recording = &operators; }
        ~Recording() { g_recording = nullptr; }
    };
    std::vector<std::function<void()>> operators;
    {
        Recording recording;
        work();
        operators = std::move(recording.operators);
    }
    return [operators = std::move(operators)] {
        for (const auto& again : operators) again();
    };
}

void reset() {
    g_traffic = {};
    g_stalled.clear();
}

const std::string& stalled_in() {
    return g_stalled;
}

}  // namespace schedbench::fake_device
