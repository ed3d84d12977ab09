#include "store/fold.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "core/error.h"
#include "store/block_claims.h"

namespace schedbench {
namespace {

/// Where a sample comes from.
struct Source {
    int part = -1;
    int64_t row = 0;
};

struct Part {
    WorkFile file;
    std::vector<uint8_t> images;
    std::vector<float> features;
    std::vector<int64_t> labels;
};

template <class T>
std::span<const T> row_of(const std::vector<T>& values, int64_t row, int64_t size) {
    if (values.empty()) return {};
    return std::span<const T>(values).subspan(static_cast<size_t>(row * size), static_cast<size_t>(size));
}

template <class T>
bool same(std::span<const T> a, std::span<const T> b) {
    return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size_bytes()) == 0);
}

bool same_sample(const Part& a, int64_t row_a, const Part& b, int64_t row_b) {
    const WorkLayout& layout = a.file.layout();
    return same(row_of(a.images, row_a, layout.image_size()), row_of(b.images, row_b, layout.image_size())) &&
           same(row_of(a.features, row_a, layout.feature_dim),
                row_of(b.features, row_b, layout.feature_dim)) &&
           same(row_of(a.labels, row_a, 1), row_of(b.labels, row_b, 1));
}

void check_layout(const WorkLayout& layout, const std::string& identity, const WorkLayout& first,
                  const std::string& path) {
    if (layout.identity != identity) {
        throw Error("store",
                    "this part belongs to another cell (" + layout.identity + "), expected " + identity, path,
                    "fold only parts of one suite");
    }
    if (layout.image_shape != first.image_shape || layout.feature_dim != first.feature_dim ||
        layout.extractor != first.extractor || layout.labels != first.labels) {
        throw Error("store", "this part holds other things (images, features, labels) than the others", path,
                    "make all parts with the same suite");
    }
}

template <class T>
void append(std::vector<T>& to, std::span<const T> values) {
    to.insert(to.end(), values.begin(), values.end());
}

/// Parts that a process left between its commit and their removal.
void remove_stored_parts(const std::vector<std::string>& parts, int64_t stored) {
    for (const std::string& path : parts) {
        try {
            const WorkFile part = WorkFile::open(path);
            if (part.rows() == 0 || *std::max_element(part.ids().begin(), part.ids().end()) >= stored)
                continue;
        } catch (const Error&) {
            continue;  // not ours to judge: locked by a rank, or damaged
        }
        std::error_code ignored;
        std::filesystem::remove(path, ignored);
    }
}

std::vector<int64_t> ids_in(const std::vector<WorkFile>& parts) {
    std::set<int64_t> ids;
    for (const WorkFile& part : parts) ids.insert(part.ids().begin(), part.ids().end());
    return {ids.begin(), ids.end()};
}

}  // namespace

std::vector<std::string> find_parts(const std::vector<std::string>& folders, const std::string& cell) {
    std::set<std::string> found;  // a folder given twice counts once
    for (const std::string& folder : folders) {
        std::error_code failure;
        for (const auto& entry : std::filesystem::directory_iterator(folder, failure)) {
            const std::string name = entry.path().filename().string();
            if (name.size() <= cell.size() + 4 || !name.starts_with(cell + ".") || !name.ends_with(".h5"))
                continue;
            const std::string rank = name.substr(cell.size() + 1, name.size() - cell.size() - 4);
            if (rank.empty() || rank.find_first_not_of("0123456789") != std::string::npos) continue;
            found.insert(entry.path().lexically_normal().string());
        }
        if (failure && failure != std::errc::no_such_file_or_directory) {
            throw Error("store", "cannot list the folder: " + failure.message(), folder,
                        "check its permissions");
        }
    }
    return {found.begin(), found.end()};
}

std::vector<WorkFile> open_finished(const std::vector<std::string>& paths) {
    std::vector<WorkFile> parts;
    for (const std::string& path : paths) {
        try {
            parts.push_back(WorkFile::open(path));
        } catch (const Error& e) {
            // Passed over are only: a part that a rank is still writing (it folds later itself; a rank that
            // is gone has released its lock), and one that another rank has folded and removed just now.
            if (!is_locked(e) && std::filesystem::exists(path)) throw;
        }
    }
    return parts;
}

std::vector<int64_t> finished_ids(const std::vector<std::string>& parts) {
    return ids_in(open_finished(parts));
}

CellRecord gather(const CellRecord& cell, std::vector<WorkFile> files, int64_t n) {
    SCHEDBENCH_ASSERT(n > 0);
    CellRecord all = cell;
    const int64_t stored = cell.count();
    for (int64_t i = 0; i < stored; ++i) {
        if (cell.sample_ids[static_cast<size_t>(i)] != i) {
            throw Error("store", "its samples are not 0, 1, 2, ...", "cell " + cell.id,
                        "it cannot be added to");
        }
    }
    if (stored >= n) return all;

    std::vector<Part> parts;
    std::vector<Source> sources(static_cast<size_t>(n));
    for (WorkFile& file : files) {
        const std::string path = file.path();
        Part part{std::move(file), {}, {}, {}};
        const WorkLayout& layout = part.file.layout();
        check_layout(layout, cell.id, parts.empty() ? layout : parts[0].file.layout(), path);
        part.images = part.file.images();
        part.features = part.file.features();
        part.labels = part.file.labels();
        const auto number = static_cast<int>(parts.size());
        parts.push_back(std::move(part));
        const Part& added = parts.back();
        for (int64_t row = 0; row < added.file.rows(); ++row) {
            const int64_t id = added.file.ids()[static_cast<size_t>(row)];
            if (id < stored || id >= n) continue;  // stored already, or made for a larger n
            Source& source = sources[static_cast<size_t>(id)];
            if (source.part >= 0) {
                const Part& other = parts[static_cast<size_t>(source.part)];
                if (!same_sample(other, source.row, added, row)) {
                    throw Error(
                        "store",
                        "sample " + std::to_string(id) + " differs from the one in " + other.file.path(),
                        path, "the parts do not belong together; delete the one that is wrong");
                }
                continue;
            }
            source = {number, row};
        }
    }
    int64_t missing = 0, first_missing = -1;
    for (int64_t id = n - 1; id >= stored; --id) {
        if (sources[static_cast<size_t>(id)].part < 0) ++missing, first_missing = id;
    }
    if (missing > 0) {
        throw Error("store",
                    "of " + std::to_string(n) + " samples " + std::to_string(missing) +
                        " are missing, the first is " + std::to_string(first_missing),
                    "cell " + cell.id,
                    "run the sweep again for all ranks, or add the folders of the other machines");
    }

    const WorkLayout& layout = parts[0].file.layout();
    const bool images = !layout.image_shape.empty() && (stored == 0 || !cell.images.empty());
    const bool features = layout.feature_dim > 0;
    const bool mixed =
        stored > 0 && (cell.labels.empty() == layout.labels || cell.features.empty() == features ||
                       (features && cell.extractor != layout.extractor));
    if (mixed) {
        throw Error("store",
                    "the stored samples and the new ones do not hold the same (labels, features, extractor)",
                    "cell " + cell.id, "keep features in the run (--keep), or use a new run file");
    }
    if (images) all.image_shape = layout.image_shape;
    if (features) all.feature_dim = layout.feature_dim, all.extractor = layout.extractor;
    all.images.reserve(static_cast<size_t>(images ? n * layout.image_size() : 0));
    all.features.reserve(static_cast<size_t>(n * layout.feature_dim));
    for (int64_t id = stored; id < n; ++id) {
        const Source source = sources[static_cast<size_t>(id)];
        const Part& part = parts[static_cast<size_t>(source.part)];
        all.sample_ids.push_back(id);
        if (images) append(all.images, row_of(part.images, source.row, layout.image_size()));
        append(all.features, row_of(part.features, source.row, layout.feature_dim));
        append(all.labels, row_of(part.labels, source.row, 1));
    }

    // Blocks in the order of their first sample, whatever rank made them.
    struct Block {
        int64_t first_id, rank;
        WorkBlock block;
    };
    std::vector<Block> blocks;
    for (const Part& part : parts) {
        for (const WorkBlock& block : part.file.blocks()) {
            blocks.push_back(
                {part.file.ids()[static_cast<size_t>(block.first_row)], part.file.layout().rank, block});
        }
    }
    std::stable_sort(blocks.begin(), blocks.end(),
                     [](const Block& a, const Block& b) { return a.first_id < b.first_id; });
    for (const Block& b : blocks) {
        all.timing.first_id.push_back(b.first_id);
        all.timing.rows.push_back(b.block.rows);
        all.timing.rank.push_back(b.rank);
        all.timing.network_calls.push_back(b.block.network_calls);
        all.timing.seconds.push_back(b.block.seconds);
        all.timing.network_seconds.push_back(b.block.network_seconds);
    }
    return all;
}

FoldResult fold_cell(const RunLock& lock, const RunHeader& header, const CellRecord& cell,
                     const std::vector<std::string>& parts, int64_t n, const FinishCell& finish,
                     const PutRecords& records) {
    CellRecord skeleton = cell;
    FoldResult result;
    std::optional<RunFile> run;
    if (std::filesystem::exists(lock.run_path())) run = RunFile::open(lock.run_path());
    const int64_t stored = run ? run->cell_count(cell.id) : 0;
    if (stored >= n) {
        result.cell = run->cell(cell.id);
        remove_stored_parts(parts, stored);
        return result;
    }
    // Held until they are gathered: a rank that is started again meanwhile waits with opening its own.
    std::vector<WorkFile> finished = open_finished(parts);
    const bool with_features = !finished.empty() && finished[0].layout().feature_dim > 0;
    // A cell whose features were not kept cannot be added to: then the parts must hold all of it.
    if (stored > 0 && (run->cell(cell.id).feature_dim > 0 || !with_features)) {
        CellRecord old = run->cell(cell.id, CellParts::all);
        skeleton.sample_ids = std::move(old.sample_ids);
        skeleton.labels = std::move(old.labels);
        skeleton.images = std::move(old.images);
        skeleton.image_shape = old.image_shape;
        skeleton.features = std::move(old.features);
        skeleton.feature_dim = old.feature_dim;
        skeleton.extractor = old.extractor;
        skeleton.timing = std::move(old.timing);
    }
    run.reset();
    const std::vector<int64_t> ids = ids_in(finished);
    const int64_t from = skeleton.count();
    const auto begin = std::lower_bound(ids.begin(), ids.end(), from);
    result.missing = n - from - (std::lower_bound(begin, ids.end(), n) - begin);
    if (result.missing > 0) return result;

    result.cell = gather(skeleton, std::move(finished), n);
    if (finish) finish(result.cell);
    RunEdit edit(lock, header);
    if (records) records(edit);
    edit.put_cell(result.cell);
    edit.commit();
    std::error_code ignored;
    for (const std::string& path : parts) std::filesystem::remove(path, ignored);
    std::filesystem::remove(claims_path(lock.run_path(), cell.id), ignored);
    result.folded = true;
    return result;
}

}  // namespace schedbench
