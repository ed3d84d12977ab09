// Progress of a long job on stderr: a bar with rate and time left on a terminal, plain lines elsewhere;
// nothing for jobs that end within two seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace schedbench {

class Progress {
  public:
    /// `label` names the job; `total` is in units that the caller counts (images, probes, steps).
    Progress(std::string label, int64_t total, std::string unit);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// `done` so far; `note` is shown behind (loss, cell, ...). Cheap: prints a few times a second at most.
    void update(int64_t done, const std::string& note = {});
    /// So much of what is done was there before (a continued job): it tells nothing about speed and time
    /// left.
    void found(int64_t amount) { found_ = amount; }
    void finish();  ///< leaves a last line; called by the destructor too

    static void set_quiet(bool quiet);  ///< --quiet: nothing at all

  private:
    void print(bool last);
    using Clock = std::chrono::steady_clock;
    std::string label_, unit_, note_;
    int64_t total_, done_ = 0, found_ = 0;
    Clock::time_point start_, last_print_;
    bool terminal_, shown_ = false, finished_ = false;
};

/// 75 -> "1m15s"; 7322 -> "2h02m"; 3.2 -> "3s".
std::string format_duration(double seconds);

}  // namespace schedbench
