// RankLock: a rank holds RUN.work/rank-<r>.lock for as long as it works on a run. So that one number is not
// at work twice, and the others see which ranks are gone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "store/file_lock.h"

namespace schedbench {

class RankLock {
  public:
    /// Error("store") naming host and process if another process works as this rank for more than 30 s.
    RankLock(const std::string& run_path, int64_t rank);

    /// Takes the place of a rank that is not at work, which cannot start while this is held; nullopt if it is
    /// at work.
    static std::optional<RankLock> of_absent(const std::string& run_path, int64_t rank);

  private:
    explicit RankLock(FileLock lock) : lock_(std::move(lock)) {}
    FileLock lock_;
};

/// Does a rank other than this one work on the run?
bool others_at_work(const std::string& run_path, int64_t rank);

/// "host 4711": this process, as messages and lists of claims name it; two words.
std::string process_name();

}  // namespace schedbench
