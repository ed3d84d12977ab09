// WorkFile: the samples that one rank has made for one cell so far, RUN.work/<cell>.<rank>.h5.
//
// A block is written in two steps: values and a checksum, flush; `done` of its rows, flush. All space is
// allocated when the file is made (under another name, then renamed), so that writing a block changes no
// metadata: a kill at any time loses the block in flight and nothing else. Rows without `done`, or whose
// checksum does not hold (power loss), are dropped when the file is opened again.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/hdf5.h"

namespace schedbench {

/// An error that says that another process has the file.
bool is_locked(const Error& e);

/// What a work file holds. Two layouts agree if all but `capacity` and `block_rows` are equal.
struct WorkLayout {
    std::string identity;  ///< samples identity of the cell: its id
    int64_t rank = 0, world_size = 1;
    int64_t capacity = 0;                ///< samples that this rank is to make for the cell; grows if it must
    int64_t block_rows = 64;             ///< samples a block; the chunk of the data sets
    std::vector<int64_t> image_shape{};  ///< {C, H, W}; empty: no images are kept
    int64_t feature_dim = 0;             ///< 0: no features
    std::string extractor{};             ///< id of the extractor of the features
    bool labels = false;
    int64_t image_size() const;  ///< bytes an image; 0 without images
};

/// One block of samples. Spans that the layout leaves out are empty.
struct SampleBlock {
    std::span<const int64_t> ids;       ///< [b] none stored yet
    std::span<const uint8_t> images{};  ///< [b, C, H, W]
    std::span<const float> features{};  ///< [b, feature_dim]
    std::span<const int64_t> labels{};  ///< [b]
    int64_t network_calls = 0;          ///< batched network calls for this block
    double seconds = 0, network_seconds = 0;
};

/// One stored block, as timing tables show it.
struct WorkBlock {
    int64_t first_row = 0, rows = 0, network_calls = 0;
    double seconds = 0, network_seconds = 0;
};

class WorkFile {
  public:
    static std::string path_of(const std::string& run_path, const std::string& cell, int64_t rank);

    /// Opens the rank's file to go on with it, or makes it. Error("store") if it belongs to another identity,
    /// or holds other things than the layout says; if another process has it for more than 30 s. A larger
    /// capacity is made room for.
    static WorkFile open_or_create(const std::string& path, const WorkLayout& layout);
    /// Read only, for folding. Error("store") if a flagged block is damaged, or a rank is still writing.
    static WorkFile open(const std::string& path);

    const std::string& path() const { return file_.path(); }
    const WorkLayout& layout() const { return layout_; }
    const std::vector<int64_t>& ids() const {
        return ids_;
    }  ///< of the rows that are done, in order of writing
    const std::vector<WorkBlock>& blocks() const { return blocks_; }  ///< those that are done
    int64_t rows() const { return static_cast<int64_t>(ids_.size()); }
    int64_t dropped() const { return dropped_; }  ///< rows that open_or_create found unfinished or damaged

    void append(const SampleBlock& block);
    void close() { file_.close(); }

    // Rows that are done.
    std::vector<uint8_t> images() const;  ///< [rows, C, H, W]
    std::vector<float> features() const;  ///< [rows, feature_dim]
    std::vector<int64_t> labels() const;  ///< [rows]

  private:
    explicit WorkFile(Hdf5File file) : file_(std::move(file)) {}
    static void make(const std::string& path, const WorkLayout& layout);
    void grow(int64_t capacity);
    void read_layout();
    void read_rows(bool strict);
    int64_t checksum(const SampleBlock& block) const;

    Hdf5File file_;
    WorkLayout layout_;
    std::vector<int64_t> ids_;
    std::vector<WorkBlock> blocks_;
    int64_t dropped_ = 0;
};

}  // namespace schedbench
