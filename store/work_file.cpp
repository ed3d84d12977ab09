#include "store/work_file.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <unordered_set>

#include "core/error.h"
#include "core/hash.h"
#include "store/run_lock.h"
#include "store/schema.h"

namespace schedbench {
namespace {

/// Work files live for one cell; their layout counts on its own, apart from that of run files.
constexpr const char* kWorkVersion = "1.0";

std::string bytes_hash(const auto& values) {
    return sha256({reinterpret_cast<const char*>(values.data()), values.size_bytes()});
}

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text;
    for (const int64_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
    return text.empty() ? "none" : text;
}

/// Room for `rows` rows that can be filled without a change of metadata.
template <Hdf5Number T>
void allocate(Hdf5File& file, const std::string& name, const std::vector<int64_t>& row_shape, int64_t rows,
              int64_t chunk_rows, const std::string& units, const std::string& axes) {
    file.create_rows<T>(name, row_shape, std::min(chunk_rows, std::max<int64_t>(rows, 1)), rows, true);
    describe_dataset(file, name, units, axes);
}

template <class T>
void write_one(Hdf5File& file, const std::string& dataset, int64_t row, T value) {
    file.write_rows<T>(dataset, row, std::span<const T>(&value, 1));
}

/// A rank that looks whether a cell is complete holds the files of the others for a moment: they wait for it.
Hdf5File open_when_free(const std::string& path) {
    constexpr int kTries = 600;
    for (int i = 0;; ++i) {
        try {
            return Hdf5File::open_for_writing(path);
        } catch (const Error& e) {
            if (!is_locked(e) || i == kTries) throw;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
    }
}

}  // namespace

bool is_locked(const Error& e) {
    return e.hint().find("HDF5_USE_FILE_LOCKING") != std::string::npos;
}

int64_t WorkLayout::image_size() const {
    int64_t size = image_shape.empty() ? 0 : 1;
    for (const int64_t extent : image_shape) size *= extent;
    return size;
}

std::string WorkFile::path_of(const std::string& run_path, const std::string& cell, int64_t rank) {
    check_id(cell, "cell");
    return work_folder(run_path) + "/" + cell + "." + std::to_string(rank) + ".h5";
}

void WorkFile::make(const std::string& path, const WorkLayout& layout) {
    Hdf5File file = Hdf5File::create(path, true);
    const int64_t rows = layout.capacity, chunk = layout.block_rows;
    file.set_attribute("/", "encoding_type", "work");
    file.set_attribute("/", "encoding_version", kWorkVersion);
    file.set_attribute("/", "description", "samples of one rank for an unfinished cell");
    file.set_attribute("/", "schema", std::string(kSchemaName) + "-work");
    file.set_attribute("/", "schema_version", kWorkVersion);
    file.set_attribute("/", "identity", layout.identity);
    file.set_attribute("/", "extractor", layout.extractor);
    file.set_attribute("/", "rank", layout.rank);
    file.set_attribute("/", "world_size", layout.world_size);
    file.set_attribute("/", "block_rows", layout.block_rows);
    allocate<int64_t>(file, "/sample_ids", {}, rows, 4096, "1", "row");
    allocate<uint8_t>(file, "/done", {}, rows, 4096, "1", "row");
    if (layout.labels) allocate<int64_t>(file, "/labels", {}, rows, 4096, "class", "row");
    if (!layout.image_shape.empty()) {
        allocate<uint8_t>(file, "/images", layout.image_shape, rows, chunk, "pixel value",
                          "row,channel,height,width");
    }
    if (layout.feature_dim > 0) {
        allocate<float>(file, "/features", {layout.feature_dim}, rows, chunk, "feature", "row,feature");
    }
    file.create_group("/blocks");
    for (const char* name : {"first_row", "rows", "network_calls", "checksum"}) {
        allocate<int64_t>(file, std::string("/blocks/") + name, {}, rows, 4096, "1", "block");
    }
    for (const char* name : {"seconds", "network_seconds"}) {
        allocate<double>(file, std::string("/blocks/") + name, {}, rows, 4096, "s", "block");
    }
    file.sync();
    file.close();
}

WorkFile WorkFile::open_or_create(const std::string& path, const WorkLayout& layout) {
    SCHEDBENCH_ASSERT(!layout.identity.empty() && layout.capacity > 0 && layout.block_rows > 0);
    std::error_code failure;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failure);
    const std::string part = path + ".part";
    if (!std::filesystem::exists(path)) {
        make(part, layout);
        replace_file(part, path);
    }
    WorkFile work(open_when_free(path));
    work.read_layout();
    const WorkLayout& found = work.layout_;
    const auto refuse = [&](const std::string& what, const std::string& has, const std::string& expected) {
        throw Error("store", "it holds samples of another " + what + " (" + has + "), expected " + expected,
                    path, "move it away, or use another run name; it is not reused");
    };
    if (found.identity != layout.identity) refuse("identity", found.identity, layout.identity);
    if (found.rank != layout.rank) refuse("rank", std::to_string(found.rank), std::to_string(layout.rank));
    if (found.image_shape != layout.image_shape) {
        refuse("image shape", shape_text(found.image_shape), shape_text(layout.image_shape));
    }
    if (found.extractor != layout.extractor || found.feature_dim != layout.feature_dim) {
        refuse("extractor", found.extractor + " with " + std::to_string(found.feature_dim) + " features",
               layout.extractor + " with " + std::to_string(layout.feature_dim));
    }
    if (found.labels != layout.labels) {
        refuse("kind", found.labels ? "with labels" : "without labels", layout.labels ? "labels" : "none");
    }
    work.read_rows(false);
    if (found.capacity < layout.capacity) work.grow(layout.capacity);
    return work;
}

// The rows are copied to a larger file that takes the place of this one, so a kill meanwhile does no harm.
void WorkFile::grow(int64_t capacity) {
    const std::string target = path(), part = target + ".part";
    WorkLayout larger = layout_;
    larger.capacity = capacity;
    make(part, larger);
    WorkFile copy(Hdf5File::open_for_writing(part));
    copy.layout_ = larger;
    const std::vector<uint8_t> all_images = images();
    const std::vector<float> all_features = features();
    const std::vector<int64_t> all_labels = labels();
    for (const WorkBlock& block : blocks_) {
        const auto rows_of = [&]<class T>(const std::vector<T>& all, int64_t size) {
            if (all.empty()) return std::span<const T>();
            return std::span<const T>(all).subspan(static_cast<size_t>(block.first_row * size),
                                                   static_cast<size_t>(block.rows * size));
        };
        copy.append({rows_of(ids_, 1), rows_of(all_images, layout_.image_size()),
                     rows_of(all_features, layout_.feature_dim), rows_of(all_labels, 1), block.network_calls,
                     block.seconds, block.network_seconds});
    }
    copy.close();
    file_.close();
    replace_file(part, target);
    file_ = open_when_free(target);
    layout_.capacity = capacity;
}

WorkFile WorkFile::open(const std::string& path) {
    WorkFile work(Hdf5File::open(path));
    work.read_layout();
    work.read_rows(true);
    return work;
}

void WorkFile::read_layout() {
    if (!file_.has_attribute("/", "schema") ||
        file_.text_attribute("/", "schema") != std::string(kSchemaName) + "-work") {
        throw Error("store", "it is not a work file of schedbench", path(), "move it out of the work folder");
    }
    if (file_.text_attribute("/", "schema_version") != kWorkVersion) {
        throw Error("store",
                    "it has version " + file_.text_attribute("/", "schema_version") + ", expected " +
                        kWorkVersion,
                    path(), "finish the cell with the program that began it, or delete the work folder");
    }
    layout_.identity = file_.text_attribute("/", "identity");
    layout_.extractor = file_.text_attribute("/", "extractor");
    layout_.rank = file_.integer_attribute("/", "rank");
    layout_.world_size = file_.integer_attribute("/", "world_size");
    layout_.block_rows = file_.integer_attribute("/", "block_rows");
    layout_.capacity = file_.info("/done").rows();
    layout_.labels = file_.exists("/labels");
    const auto check_axes = [&](const std::string& dataset, size_t axes) {
        const std::vector<int64_t> shape = file_.info(dataset).shape;
        if (shape.size() != axes || shape[0] != layout_.capacity) {
            throw Error("store",
                        "its shape is not that of " + std::to_string(layout_.capacity) + " rows with " +
                            std::to_string(axes) + " axes",
                        file_.where(dataset), "delete the work file; its samples are made again");
        }
        return shape;
    };
    check_axes("/sample_ids", 1);
    for (const std::string& name : file_.list("/blocks")) check_axes("/blocks/" + name, 1);
    if (layout_.labels) check_axes("/labels", 1);
    if (file_.exists("/images")) {
        const std::vector<int64_t> shape = check_axes("/images", 4);
        layout_.image_shape.assign(shape.begin() + 1, shape.end());
    }
    if (file_.exists("/features")) layout_.feature_dim = check_axes("/features", 2)[1];
}

void WorkFile::read_rows(bool strict) {
    const std::vector<uint8_t> done = file_.read<uint8_t>("/done");
    const std::vector<int64_t> all_ids = file_.read<int64_t>("/sample_ids");
    const auto first_row = file_.read<int64_t>("/blocks/first_row"),
               block_rows = file_.read<int64_t>("/blocks/rows"),
               calls = file_.read<int64_t>("/blocks/network_calls"),
               sums = file_.read<int64_t>("/blocks/checksum");
    const auto seconds = file_.read<double>("/blocks/seconds"),
               network = file_.read<double>("/blocks/network_seconds");
    const int64_t flagged = std::count(done.begin(), done.end(), uint8_t{1});
    int64_t row = 0;
    for (size_t b = 0; b < first_row.size(); ++b) {
        const int64_t count = block_rows[b];
        if (first_row[b] != row || count <= 0 || count > layout_.capacity - row) break;
        const auto begin = done.begin() + row;
        if (std::find(begin, begin + count, uint8_t{0}) != begin + count) break;
        const auto images = layout_.image_shape.empty() ? std::vector<uint8_t>()
                                                        : file_.read_rows<uint8_t>("/images", row, count);
        const auto features =
            layout_.feature_dim == 0 ? std::vector<float>() : file_.read_rows<float>("/features", row, count);
        const auto labels =
            layout_.labels ? file_.read_rows<int64_t>("/labels", row, count) : std::vector<int64_t>();
        const auto ids =
            std::span<const int64_t>(all_ids).subspan(static_cast<size_t>(row), static_cast<size_t>(count));
        if (checksum({ids, images, features, labels}) != sums[b]) break;
        ids_.insert(ids_.end(), ids.begin(), ids.end());
        blocks_.push_back({row, count, calls[b], seconds[b], network[b]});
        row += count;
    }
    const std::unordered_set<int64_t> distinct(ids_.begin(), ids_.end());
    if (strict && flagged != row) {
        throw Error("store",
                    "of " + std::to_string(flagged) + " finished samples only the first " +
                        std::to_string(row) + " are intact",
                    path(), "run the sweep again: it makes the others anew");
    }
    if (distinct.size() != ids_.size()) {
        throw Error("store", "it holds a sample id twice", path(), "delete it; its samples are made again");
    }
    dropped_ = strict ? 0 : std::max<int64_t>(flagged - row, 0);
    if (dropped_ > 0) {  // the next blocks go over these rows
        const std::vector<uint8_t> zeros(static_cast<size_t>(layout_.capacity - row), 0);
        file_.write_rows<uint8_t>("/done", row, zeros);
        file_.flush();
    }
}

int64_t WorkFile::checksum(const SampleBlock& block) const {
    const std::string digest = sha256(bytes_hash(block.ids) + bytes_hash(block.images) +
                                      bytes_hash(block.features) + bytes_hash(block.labels));
    return static_cast<int64_t>(std::stoull(digest.substr(0, 16), nullptr, 16));
}

void WorkFile::append(const SampleBlock& block) {
    const auto count = static_cast<int64_t>(block.ids.size());
    const int64_t row = rows(), index = static_cast<int64_t>(blocks_.size());
    SCHEDBENCH_ASSERT(count > 0);
    // A file that another number of ranks began may hold samples beside those that this rank has to make.
    if (row + count > layout_.capacity) grow(std::max(row + count, layout_.capacity + layout_.capacity / 2));
    SCHEDBENCH_ASSERT(static_cast<int64_t>(block.images.size()) == count * layout_.image_size());
    SCHEDBENCH_ASSERT(static_cast<int64_t>(block.features.size()) == count * layout_.feature_dim);
    SCHEDBENCH_ASSERT(static_cast<int64_t>(block.labels.size()) == (layout_.labels ? count : 0));
    file_.write_rows<int64_t>("/sample_ids", row, block.ids);
    if (!block.images.empty()) file_.write_rows<uint8_t>("/images", row, block.images);
    if (!block.features.empty()) file_.write_rows<float>("/features", row, block.features);
    if (!block.labels.empty()) file_.write_rows<int64_t>("/labels", row, block.labels);
    write_one(file_, "/blocks/first_row", index, row);
    write_one(file_, "/blocks/rows", index, count);
    write_one(file_, "/blocks/network_calls", index, block.network_calls);
    write_one(file_, "/blocks/checksum", index, checksum(block));
    write_one(file_, "/blocks/seconds", index, block.seconds);
    write_one(file_, "/blocks/network_seconds", index, block.network_seconds);
    file_.flush();
    const std::vector<uint8_t> ones(static_cast<size_t>(count), 1);
    file_.write_rows<uint8_t>("/done", row, ones);
    file_.flush();
    ids_.insert(ids_.end(), block.ids.begin(), block.ids.end());
    blocks_.push_back({row, count, block.network_calls, block.seconds, block.network_seconds});
}

std::vector<uint8_t> WorkFile::images() const {
    return layout_.image_shape.empty() ? std::vector<uint8_t>()
                                       : file_.read_rows<uint8_t>("/images", 0, rows());
}

std::vector<float> WorkFile::features() const {
    return layout_.feature_dim == 0 ? std::vector<float>() : file_.read_rows<float>("/features", 0, rows());
}

std::vector<int64_t> WorkFile::labels() const {
    return layout_.labels ? file_.read_rows<int64_t>("/labels", 0, rows()) : std::vector<int64_t>();
}

}  // namespace schedbench
