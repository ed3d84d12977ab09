// Bytes a second of blocks of samples through a work file, as a sweep writes them (values, checksum, flush, mark,
// flush), and of folding the file into a run. Goal for blocks: 200 MB/s.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "store/fold.h"
#include "store/work_file.h"

namespace schedbench {
namespace {

class Folder {
  public:
    Folder() {
        path_ = (std::filesystem::temp_directory_path() / ("schedbench_bench_" + std::to_string(::getpid()))).string();
        std::filesystem::create_directories(path_ + "/run.work");
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string run() const { return path_ + "/run.h5"; }
    std::string work() const { return WorkFile::path_of(run(), "cell", 0); }

  private:
    std::string path_;
};

WorkLayout layout_of(int64_t samples, int64_t channels, int64_t size, int64_t features) {
    WorkLayout layout;
    layout.identity = "cell";
    layout.capacity = samples;
    layout.block_rows = 64;
    layout.image_shape = {channels, size, size};
    layout.feature_dim = features;
    layout.extractor = features ? "extractor" : "";
    return layout;
}

/// All samples of the layout in blocks; returns the bytes of payload.
int64_t write(WorkFile& work, const WorkLayout& layout) {
    const auto rows = static_cast<size_t>(layout.block_rows);
    std::vector<int64_t> ids(rows);
    std::vector<uint8_t> images(rows * static_cast<size_t>(layout.image_size()));
    for (size_t i = 0; i < images.size(); ++i) images[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
    std::vector<float> features(rows * static_cast<size_t>(layout.feature_dim), 0.5f);
    int64_t bytes = 0;
    for (int64_t first = 0; first < layout.capacity; first += layout.block_rows) {
        for (size_t i = 0; i < rows; ++i) ids[i] = first + static_cast<int64_t>(i);
        work.append({ids, images, features, {}, 10, 1.0, 0.9});
        bytes += static_cast<int64_t>(images.size() + features.size() * sizeof(float) + ids.size() * sizeof(int64_t));
    }
    return bytes;
}

void write_blocks(benchmark::State& state) {
    const Folder folder;
    const WorkLayout layout = layout_of(64 * 64, state.range(0), 32, state.range(1));
    int64_t bytes = 0;
    for (auto _ : state) {
        state.PauseTiming();
        std::filesystem::remove(folder.work());
        WorkFile work = WorkFile::open_or_create(folder.work(), layout);
        state.ResumeTiming();
        bytes += write(work, layout);
        state.PauseTiming();
        work.close();
        state.ResumeTiming();
    }
    state.SetBytesProcessed(bytes);
}
BENCHMARK(write_blocks)->ArgNames({"channels", "features"})->Args({1, 0})->Args({3, 0})->Args({3, 2048})->UseRealTime()->Unit(benchmark::kMillisecond);

void fold_into_run(benchmark::State& state) {
    const Folder folder;
    const WorkLayout layout = layout_of(64 * 64, 3, 32, 128);
    int64_t bytes = 0;
    for (auto _ : state) {
        state.PauseTiming();
        std::filesystem::remove(folder.run());
        int64_t written = 0;
        {
            WorkFile work = WorkFile::open_or_create(folder.work(), layout);
            written = write(work, layout);
            work.close();
        }
        CellRecord cell;
        cell.id = "cell";
        cell.sampler = "heun";
        cell.extractor = "extractor";
        cell.steps = 5;
        cell.nfe = 9;
        state.ResumeTiming();
        const RunLock lock(folder.run());
        const FoldResult result = fold_cell(lock, {}, cell, {folder.work()}, layout.capacity, [](CellRecord&) {});
        if (!result.folded) state.SkipWithError("the cell was not folded");
        bytes += written;
    }
    state.SetBytesProcessed(bytes);
}
BENCHMARK(fold_into_run)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace schedbench
