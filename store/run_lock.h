// RunLock: one process at a time changes a run. flock on RUN.lock: it ends with the process, however that
// ends.
#pragma once

#include <string>

#include "store/file_lock.h"

namespace schedbench {

/// The run "dir/name.h5" has the work folder "dir/name.work" and the lock file "dir/name.lock".
std::string work_folder(const std::string& run_path);
std::string lock_path(const std::string& run_path);

class RunLock {
  public:
    explicit RunLock(
        const std::string& run_path);  ///< waits until no other process has it; Error("store") if it cannot
    ~RunLock();
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;
    const std::string& run_path() const { return run_path_; }

  private:
    std::string run_path_;
    FileLock lock_;
};

}  // namespace schedbench
