#include "eval/feature_cache.h"

#include <ATen/ATen.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>

#include "core/error.h"
#include "core/hash.h"

namespace schedbench {

namespace {

constexpr int64_t kSealSize = 64;  // hex digits of a SHA-256
constexpr const char* kHint =
    "say --cache DIR (or SCHEDBENCH_CACHE) for another folder, --cache none for no cache";

[[noreturn]] void fail(const std::string& what, const std::string& path) {
    throw Error("file", what + ": " + std::strerror(errno), path, kHint);
}

void write_at(int file, const char* data, int64_t size, int64_t offset, const std::string& path) {
    while (size > 0) {
        const ssize_t done = ::pwrite(file, data, static_cast<size_t>(size), offset);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) fail("the feature cache cannot be written", path);
        data += done, offset += done, size -= done;
    }
}

/// Fewer bytes than asked for only at the end of the file.
int64_t read_at(int file, char* data, int64_t size, int64_t offset, const std::string& path) {
    int64_t total = 0;
    while (total < size) {
        const ssize_t done = ::pread(file, data + total, static_cast<size_t>(size - total), offset + total);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) fail("the feature cache cannot be read", path);
        if (done == 0) break;
        total += done;
    }
    return total;
}

std::string header_of(const std::string& line) {
    std::string text = line + "\n" + sha256(line) + "\n";
    SCHEDBENCH_ASSERT(static_cast<int64_t>(text.size()) <= kFeatureHeader);
    text.resize(static_cast<size_t>(kFeatureHeader), '\0');
    return text;
}

}  // namespace

std::string FeatureKey::line() const {
    return nlohmann::json{{"format", "schedbench features 1"},
                          {"data", data},
                          {"extractor", extractor},
                          {"weights", weights},
                          {"pipeline", pipeline},
                          {"precision", precision},
                          {"images", images},
                          {"dim", dim},
                          {"block_rows", block_rows}}
        .dump();
}

std::string FeatureKey::file_name() const {
    std::string out;
    for (const char c : extractor + "-" + pipeline)
        out += std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' ? c : '_';
    return out + "-" + short_hash(line()) + ".features";
}

FeatureEntry::FeatureEntry(const std::string& folder, const FeatureKey& key, const Note& note)
    : key_(key), line_(key.line()), path_(folder + "/" + key.file_name()) {
    SCHEDBENCH_ASSERT(key.images > 0 && key.dim > 0 && key.block_rows > 0);
    std::error_code fault;
    std::filesystem::create_directories(folder, fault);
    if (fault) throw Error("file", "the cache folder cannot be made: " + fault.message(), folder, kHint);
    while (true) {
        file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file_ < 0) fail("the feature cache cannot be opened", path_);
        lock(note);
        // Another process may have removed it, to make room, after it was opened here and before it was
        // locked.
        struct stat ours {
        }, there{};
        if (::fstat(file_, &ours) == 0 && ::stat(path_.c_str(), &there) == 0 && ours.st_ino == there.st_ino)
            break;
        ::close(file_);
    }
    ::futimens(file_, nullptr);  // used now
    try {
        done_.assign(static_cast<size_t>((key.images + key.block_rows - 1) / key.block_rows), false);
        features_ = at::zeros({key.images, key.dim}, at::kFloat);
        const std::string header = header_of(line_);
        std::string found(header.size(), '\0');
        const int64_t size = read_at(file_, found.data(), kFeatureHeader, 0, path_);
        if (size == kFeatureHeader && found == header) {
            read_blocks(note);
        } else {
            if (size > 0) note(path_ + ": the header is damaged or foreign; its features are made again");
            write_header();
        }
    } catch (...) {
        ::close(file_);
        throw;
    }
}

FeatureEntry::~FeatureEntry() {
    ::close(file_);
}

void FeatureEntry::lock(const Note& note) {
    if (::flock(file_, LOCK_EX | LOCK_NB) == 0) return;
    if (errno == EWOULDBLOCK)
        note("waiting for another process that makes the same features (" + path_ + ")");
    while (::flock(file_, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        const int fault = errno;
        ::close(file_);
        errno = fault;
        fail("the feature cache cannot be locked", path_);
    }
}

void FeatureEntry::write_header() {
    if (::ftruncate(file_, 0) != 0 || ::ftruncate(file_, slot(blocks())) != 0)
        fail("the feature cache cannot be written", path_);
    const std::string header = header_of(line_);
    write_at(file_, header.data(), kFeatureHeader, 0, path_);
}

int64_t FeatureEntry::rows_of(int64_t block) const {
    return std::min(key_.block_rows, key_.images - block * key_.block_rows);
}

int64_t FeatureEntry::slot(int64_t block) const {
    return kFeatureHeader +
           block * (key_.block_rows * key_.dim * static_cast<int64_t>(sizeof(float)) + kSealSize);
}

std::string FeatureEntry::seal(int64_t block) const {
    const float* first = features_.const_data_ptr<float>() + block * key_.block_rows * key_.dim;
    const size_t size = static_cast<size_t>(rows_of(block) * key_.dim) * sizeof(float);
    return sha256(line_ + "\n" + std::to_string(block) + "\n" +
                  sha256({reinterpret_cast<const char*>(first), size}));
}

void FeatureEntry::read_blocks(const Note& note) {
    int64_t damaged = 0, first_damaged = 0;
    for (int64_t b = 0; b < blocks(); ++b) {
        const at::Tensor rows = features_.narrow(0, b * key_.block_rows, rows_of(b));
        const int64_t size = rows.numel() * static_cast<int64_t>(sizeof(float));
        std::string found(static_cast<size_t>(kSealSize), '\0');
        const int64_t read =
            read_at(file_, reinterpret_cast<char*>(rows.data_ptr<float>()), size, slot(b), path_);
        const int64_t sealed = read_at(file_, found.data(), kSealSize, slot(b + 1) - kSealSize, path_);
        if (read == size && sealed == kSealSize && found == seal(b)) {
            done_[static_cast<size_t>(b)] = true;
            continue;
        }
        rows.zero_();
        // A block that was being written when its process ended has no hash yet.
        if (found == std::string(static_cast<size_t>(kSealSize), '\0') && sealed == kSealSize) continue;
        if (damaged++ == 0) first_damaged = b;
    }
    if (damaged == 0) return;
    const int64_t first = first_damaged * key_.block_rows;
    note(path_ + ": " + std::to_string(damaged) + (damaged == 1 ? " block is" : " blocks are") +
         " damaged (checksum), the first with the features of images " + std::to_string(first) + " to " +
         std::to_string(first + rows_of(first_damaged) - 1) + "; made again");
    if (::ftruncate(file_, slot(blocks())) != 0) fail("the feature cache cannot be written", path_);
}

void FeatureEntry::put(int64_t block, const at::Tensor& rows) {
    SCHEDBENCH_ASSERT(block >= 0 && block < blocks() && rows.dim() == 2 && rows.size(0) == rows_of(block) &&
                      rows.size(1) == key_.dim);
    const at::Tensor own = features_.narrow(0, block * key_.block_rows, rows_of(block));
    own.copy_(rows);
    const int64_t size = own.numel() * static_cast<int64_t>(sizeof(float));
    const std::string hash = seal(block);
    write_at(file_, reinterpret_cast<const char*>(own.const_data_ptr<float>()), size, slot(block), path_);
    write_at(file_, hash.data(), kSealSize, slot(block + 1) - kSealSize, path_);
    done_[static_cast<size_t>(block)] = true;
}

at::Tensor FeatureEntry::features() const {
    for (const bool done : done_) SCHEDBENCH_ASSERT(done);
    return features_;
}

namespace {

struct CacheFile {
    std::filesystem::file_time_type used;
    std::string path;
    int64_t bytes = 0;
};

/// Least recently used first. Files that vanish meanwhile are left out.
std::vector<CacheFile> entries_of(const std::string& folder) {
    std::vector<CacheFile> out;
    std::error_code fault;
    for (const auto& file : std::filesystem::directory_iterator(folder, fault)) {
        if (file.path().extension() != ".features") continue;
        std::error_code gone;
        const auto used = file.last_write_time(gone);
        const auto bytes = gone ? 0 : file.file_size(gone);
        if (!gone) out.push_back({used, file.path().string(), static_cast<int64_t>(bytes)});
    }
    std::sort(out.begin(), out.end(), [](const CacheFile& a, const CacheFile& b) {
        return std::tie(a.used, a.path) < std::tie(b.used, b.path);
    });
    return out;
}

/// false where a process has it open.
bool remove_unused(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (file < 0) return false;
    const bool removed = ::flock(file, LOCK_EX | LOCK_NB) == 0 && ::unlink(path.c_str()) == 0;
    ::close(file);
    return removed;
}

}  // namespace

CacheSize feature_cache_size(const std::string& folder) {
    CacheSize out;
    for (const CacheFile& file : entries_of(folder)) ++out.entries, out.bytes += file.bytes;
    return out;
}

CacheSize trim_feature_cache(const std::string& folder, int64_t limit) {
    const std::vector<CacheFile> files = entries_of(folder);
    int64_t bytes = 0;
    for (const CacheFile& file : files) bytes += file.bytes;
    CacheSize removed;
    for (const CacheFile& file : files) {
        if (bytes - removed.bytes <= limit) break;
        if (remove_unused(file.path)) ++removed.entries, removed.bytes += file.bytes;
    }
    return removed;
}

std::string default_feature_cache() {
    if (const char* folder = std::getenv("XDG_CACHE_HOME"); folder != nullptr && *folder != '\0')
        return std::string(folder) + "/schedbench/features";
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
        return std::string(home) + "/.cache/schedbench/features";
    return "";
}

}  // namespace schedbench
