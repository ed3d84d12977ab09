// The cache of features: what a network made of a set of images, kept under a hash of everything that decides
// it. It is also how a pass over many images continues after it was killed: blocks are written as they are
// made.
//
// One file an entry: a header of kFeatureHeader bytes (one line of JSON that says what the entry is, and the
// line's SHA-256), then slots of equal size, one a block: rows x d float32, little-endian, and the SHA-256
// (hex) of header line, block number and rows. A slot counts only if its hash holds, so a kill at any time
// leaves a sound entry; zeros are a block that was not made yet, anything else is damage, which is told and
// made again, never used.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace schedbench {

/// Which cache, and how much it may keep.
struct CacheSettings {
    std::string folder{};            ///< "" = no cache
    bool is_default = true;          ///< not named by the user: where it cannot be written, say so and go on
    int64_t limit = 20'000'000'000;  ///< bytes; what was used least recently goes first
};

struct FeatureKey {
    std::string data;                               ///< ImageSource::hash()
    std::string extractor, weights;                 ///< id, SHA-256
    std::string pipeline, precision;                ///< see Extractor
    int64_t images = 0, dim = 0, block_rows = 128;  ///< n, d, images a block

    std::string line() const;       ///< JSON
    std::string file_name() const;  ///< "inception-tf1-<16 hex digits>.features"
};

inline constexpr int64_t kFeatureHeader = 4096;

/// One entry, locked for this process as long as it is open: others that want it wait, and then find it
/// filled.
class FeatureEntry {
  public:
    /// Messages for people: damaged blocks, waiting for another process.
    using Note = std::function<void(const std::string&)>;

    /// Opens or makes the entry in `folder` (made if need be) and checks what it holds. Error("file") where
    /// the folder or the file cannot be written.
    FeatureEntry(const std::string& folder, const FeatureKey& key, const Note& note);
    ~FeatureEntry();
    FeatureEntry(const FeatureEntry&) = delete;
    FeatureEntry& operator=(const FeatureEntry&) = delete;

    int64_t blocks() const { return static_cast<int64_t>(done_.size()); }
    bool has(int64_t block) const { return done_[static_cast<size_t>(block)]; }
    /// rows: float32 [rows of this block, d].
    void put(int64_t block, const at::Tensor& rows);
    /// [n, d]; all blocks must be there (an assertion). Shares memory with the entry.
    at::Tensor features() const;
    const std::string& path() const { return path_; }

  private:
    void lock(const Note& note);
    void write_header();
    void read_blocks(const Note& note);
    int64_t rows_of(int64_t block) const;
    int64_t slot(int64_t block) const;
    std::string seal(int64_t block) const;  ///< hash of what features_ holds of the block

    FeatureKey key_;
    std::string line_, path_;
    int file_ = -1;
    std::vector<bool> done_;
    at::Tensor features_;  ///< [n, d], zeros where a block is missing
};

struct CacheSize {
    int64_t entries = 0, bytes = 0;
};
/// Of all entries in a folder, which need not exist.
CacheSize feature_cache_size(const std::string& folder);

/// Removes entries, those that were opened least recently first, until the others have at most `limit` bytes.
/// One that a process has open is never removed. Returns what was removed.
CacheSize trim_feature_cache(const std::string& folder, int64_t limit);

/// SCHEDBENCH_CACHE's default: $XDG_CACHE_HOME/schedbench/features, or ~/.cache/schedbench/features; "" where
/// neither variable is set.
std::string default_feature_cache();

}  // namespace schedbench
