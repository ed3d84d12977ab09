// FileLock: a file that one process at a time holds (flock). The kernel gives it back when the process ends,
// however that ends. On NFS it needs a mount whose locks reach the server (the default of NFS 4; not
// `nolock` or `local_lock`), as HDF5's own locks do.
#pragma once

#include <string>

namespace schedbench {

/// Lockable, as the standard library says it: std::lock_guard, std::unique_lock.
class FileLock {
  public:
    /// Opens the file, or makes it, and its folder. Does not lock. Error("store") if that cannot be done.
    explicit FileLock(std::string path);
    ~FileLock();
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&&) = delete;

    void lock();      ///< waits
    bool try_lock();  ///< false: another process, or another FileLock of this one, has it
    void unlock();

    /// Is the file that was opened still the one at its path? A folder that was cleared has another or none.
    bool is_at_path() const;
    int descriptor() const { return descriptor_; }
    const std::string& path() const { return path_; }

  private:
    bool take(int operation);
    std::string path_;
    int descriptor_ = -1;
};

}  // namespace schedbench
