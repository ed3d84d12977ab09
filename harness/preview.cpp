#include "harness/preview.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>

#include "core/hdf5.h"

namespace schedbench {

namespace {

constexpr int64_t kImages = 16, kColumns = 8;

}  // namespace

std::string preview_path(const std::string& folder, const std::string& cell) {
    return folder + "/preview-" + cell + ".h5";
}

void save_preview(const std::string& folder, const std::string& cell, const at::Tensor& pixels) {
    const at::Tensor head = pixels.narrow(0, 0, std::min(kImages, pixels.size(0))).contiguous();
    const std::string path = preview_path(folder, cell);
    Hdf5File file = Hdf5File::create(path + ".part", true);
    file.write<uint8_t>("/images", head.sizes().vec(),
                        {head.const_data_ptr<uint8_t>(), static_cast<size_t>(head.numel())});
    file.close();
    std::filesystem::rename(path + ".part", path);
}

void attach_preview(CellRecord& cell, const std::vector<std::string>& folders,
                    const std::optional<CellRecord>& stored) {
    std::vector<uint8_t> pixels;
    std::vector<int64_t> shape;
    for (const std::string& folder : folders) {
        const std::string path = preview_path(folder, cell.id);
        if (!pixels.empty() || !std::filesystem::exists(path)) continue;
        const Hdf5File file = Hdf5File::open(path);
        pixels = file.read<uint8_t>("/images");
        shape = file.info("/images").shape;
    }
    if (pixels.empty() && !cell.images.empty()) {
        shape = cell.image_shape;
        shape.insert(shape.begin(), std::min(kImages, cell.count()));
        pixels.assign(cell.images.begin(), cell.images.begin() + shape[0] * shape[1] * shape[2] * shape[3]);
    }
    if (pixels.empty()) {  // a cell that grows keeps the preview it has
        if (stored) cell.preview = stored->preview, cell.preview_shape = stored->preview_shape;
        return;
    }
    // [n, C, H, W] -> one grid [rows H, columns W, C].
    const int64_t n = shape[0], rows = (n + kColumns - 1) / kColumns;
    at::Tensor grid = at::zeros({rows * kColumns, shape[1], shape[2], shape[3]}, at::kByte);
    grid.narrow(0, 0, n).copy_(at::tensor(at::ArrayRef<uint8_t>(pixels), at::kByte).reshape(shape));
    grid = grid.reshape({rows, kColumns, shape[1], shape[2], shape[3]}).permute({0, 3, 1, 4, 2}).contiguous();
    cell.preview_shape = {rows * shape[2], kColumns * shape[3], shape[1]};
    cell.preview.assign(grid.const_data_ptr<uint8_t>(), grid.const_data_ptr<uint8_t>() + grid.numel());
}

}  // namespace schedbench
