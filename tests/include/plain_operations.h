#pragma once

#include <ATen/TracerMode.h>

namespace schedbench {

/// While it lives, networks on the CPU use LibTorch's operations alone, as they do on a device: what is being
/// traced must not meet kernels of our own (models/evaluation.h). Nothing is traced.
struct PlainOperations {
    PlainOperations() { at::tracer::impl::set_dispatch_enabled(true); }
    ~PlainOperations() { at::tracer::impl::set_dispatch_enabled(false); }
};

}  // namespace schedbench
