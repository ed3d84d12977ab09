#include "core/peak_memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

namespace schedbench {

int64_t peak_memory_bytes(const c10::Device& device) {
    if (!device.is_cpu())
        return c10::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes[0].peak;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return int64_t{1024} * usage.ru_maxrss;
}

}  // namespace schedbench
