#include "core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>

namespace schedbench {

namespace {
std::atomic<bool> g_quiet{false};
constexpr double kSilentSeconds = 2.0;      // jobs shorter than this show nothing
constexpr double kTerminalInterval = 0.25;  // seconds between redraws
constexpr double kLineInterval = 15.0;      // seconds between plain lines
}  // namespace

std::string format_duration(double seconds) {
    const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
    char text[48];
    if (whole < 60)
        std::snprintf(text, sizeof text, "%llds", whole);
    else if (whole < 3600)
        std::snprintf(text, sizeof text, "%lldm%02llds", whole / 60, whole % 60);
    else
        std::snprintf(text, sizeof text, "%lldh%02lldm", whole / 3600, whole % 3600 / 60);
    return text;
}

void Progress::set_quiet(bool quiet) {
    g_quiet = quiet;
}

Progress::Progress(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      last_print_(start_),
      terminal_(isatty(2) != 0) {}

Progress::~Progress() {
    finish();
}

void Progress::update(int64_t done, const std::string& note) {
    done_ = done;
    note_ = note;
    const auto now = Clock::now();
    const double since_start = std::chrono::duration<double>(now - start_).count();
    const double since_print = std::chrono::duration<double>(now - last_print_).count();
    if (g_quiet || since_start < kSilentSeconds) return;
    if (!shown_ || since_print > (terminal_ ? kTerminalInterval : kLineInterval)) print(false);
}

void Progress::finish() {
    if (finished_) return;
    finished_ = true;
    if (shown_) print(true);
}

void Progress::print(bool last) {
    last_print_ = Clock::now();
    shown_ = true;
    const double elapsed = std::chrono::duration<double>(last_print_ - start_).count();
    const double rate = static_cast<double>(done_ - found_) / std::max(elapsed, 1e-9);
    const double left = rate > 0 ? static_cast<double>(total_ - done_) / rate : 0;
    const double share = total_ > 0 ? static_cast<double>(done_) / static_cast<double>(total_) : 1;
    std::string bar;
    if (terminal_) {
        const int width = 24, filled = static_cast<int>(std::clamp(share, 0.0, 1.0) * width);
        bar = "[" + std::string(static_cast<size_t>(filled), '#') +
              std::string(static_cast<size_t>(width - filled), '.') + "] ";
    }
    const std::string time = last ? format_duration(elapsed) + " in all" : format_duration(left) + " left";
    std::fprintf(stderr, "%s%s: %s%3.0f%% %lld/%lld %s, %.3g %s/s, %s%s%s%s", terminal_ ? "\r\033[K" : "",
                 label_.c_str(), bar.c_str(), 100 * share, static_cast<long long>(done_),
                 static_cast<long long>(total_), unit_.c_str(), rate, unit_.c_str(), time.c_str(),
                 note_.empty() ? "" : ", ", note_.c_str(), terminal_ && !last ? "" : "\n");
    std::fflush(stderr);
}

}  // namespace schedbench
