// A library with the name and the few functions of NVIDIA's driver, for a machine without one: two devices,
// which nothing can compute on.
#include <cstring>

extern "C" {
int cuInit(unsigned) {
    return 0;
}
int cuDriverGetVersion(int* version) {
    return *version = 13010, 0;
}
int cuDeviceGetCount(int* count) {
    return *count = 2, 0;
}
int cuDeviceGet(int* device, int index) {
    return *device = index, 0;
}
int cuDeviceGetName(char* name, int size, int device) {
    std::strncpy(name, device == 0 ? "Paper Tiger 100" : "Paper Tiger 200", static_cast<size_t>(size));
    return 0;
}
int cuGetErrorString(int, const char** text) {
    return *text = "no such thing", 0;
}
}
