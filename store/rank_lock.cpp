#include "store/rank_lock.h"

#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/error.h"
#include "store/run_lock.h"

namespace schedbench {
namespace {

constexpr const char *kPrefix = "rank-", *kSuffix = ".lock";

std::string path_of(const std::string& run_path, int64_t rank) {
    return work_folder(run_path) + "/" + kPrefix + std::to_string(rank) + kSuffix;
}

std::string first_line(int descriptor) {
    char text[256];
    const ssize_t size = ::pread(descriptor, text, sizeof text, 0);
    const std::string line(text, size > 0 ? static_cast<size_t>(size) : 0);
    return line.substr(0, line.find('\n'));
}

FileLock take(const std::string& path, int64_t rank) {
    constexpr int kTries = 600;
    for (int i = 0;; ++i) {
        FileLock lock(path);
        // Not at its path: the run was completed and its work folder cleared between opening and locking.
        if (lock.try_lock() && lock.is_at_path()) return lock;
        if (i == kTries)
            throw Error(
                "store",
                "another process works on this run as rank " + std::to_string(rank) + " (" +
                    first_line(lock.descriptor()) + ")",
                path,
                "give each process a --rank of its own and all the same --world-size, or another --output");
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

}  // namespace

std::string process_name() {
    char host[256] = "";
    if (::gethostname(host, sizeof host - 1) != 0 || host[0] == '\0') host[0] = '-', host[1] = '\0';
    return std::string(host) + " " + std::to_string(::getpid());
}

RankLock::RankLock(const std::string& run_path, int64_t rank) : lock_(take(path_of(run_path, rank), rank)) {
    const std::string line = process_name() + "\n";
    // Only for the message above; a lock without a name holds as well.
    [[maybe_unused]] const bool named =
        ::ftruncate(lock_.descriptor(), 0) == 0 && ::write(lock_.descriptor(), line.data(), line.size()) > 0;
}

std::optional<RankLock> RankLock::of_absent(const std::string& run_path, int64_t rank) {
    FileLock lock(path_of(run_path, rank));
    if (!lock.try_lock()) return std::nullopt;
    return RankLock(std::move(lock));
}

bool others_at_work(const std::string& run_path, int64_t rank) {
    std::error_code failure;
    for (const auto& entry : std::filesystem::directory_iterator(work_folder(run_path), failure)) {
        const std::string name = entry.path().filename().string();
        const bool own = name == kPrefix + std::to_string(rank) + kSuffix;
        if (own || !name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
        if (!FileLock(entry.path().string()).try_lock()) return true;
    }
    return false;
}

}  // namespace schedbench
