#include "data/pixel_array.h"

#include <algorithm>

#include "core/error.h"
#include "core/hdf5.h"
#include "data/npy.h"
#include "data/npz.h"
#include "data/npz_member.h"

namespace schedbench {

namespace {

std::string print_shape(const std::vector<int64_t>& shape) {
    std::string out = "[";
    for (int64_t extent : shape) out += (out.size() > 1 ? ", " : "") + std::to_string(extent);
    return out + "]";
}

void require_rank(const std::vector<int64_t>& shape, const std::string& origin) {
    if (shape.size() != 3 && shape.size() != 4)
        throw Error("shape",
                    "has shape " + print_shape(shape) + ", expected images [N,H,W], [N,C,H,W] or [N,H,W,C]",
                    origin);
}

bool is_channels(int64_t extent) {
    return extent == 1 || extent == 3;
}

void keep_first(Dataset& data, int64_t limit) {
    if (limit <= 0 || limit >= data.count) return;
    data.count = limit;
    data.pixels.resize(static_cast<size_t>(limit * data.image_size()));
    if (!data.labels.empty()) data.labels.resize(static_cast<size_t>(limit));
}

std::vector<int64_t> integers(const NpyArray& array) {
    if (const auto* bytes = std::get_if<std::vector<uint8_t>>(&array.values))
        return {bytes->begin(), bytes->end()};
    return array.as<int64_t>();
}

Dataset dataset_of_npy(NpyArray array, const std::string& layout) {
    array.as<uint8_t>();
    return dataset_of_array(std::get<std::vector<uint8_t>>(std::move(array.values)), array.shape, layout,
                            array.origin);
}

}  // namespace

Dataset dataset_of_array(std::vector<uint8_t> pixels, const std::vector<int64_t>& shape,
                         const std::string& layout, const std::string& origin) {
    require_rank(shape, origin);
    Dataset out;
    out.count = shape[0];
    bool channels_last = false;
    if (shape.size() == 3) {
        out.channels = 1;
        out.height = shape[1];
        out.width = shape[2];
    } else {
        const bool first = is_channels(shape[1]), last = is_channels(shape[3]);
        if (layout == "auto" && first && last)
            throw Error("shape",
                        "has shape " + print_shape(shape) +
                            ", in which the second or the last axis can be the channels",
                        origin, "say layout=nchw or layout=nhwc");
        channels_last = layout == "nhwc" || (layout == "auto" && last);
        if (!(channels_last ? last : first))
            throw Error("shape",
                        "has shape " + print_shape(shape) + ", expected 1 or 3 channels as the " +
                            (layout == "auto" ? "second or last"
                             : channels_last  ? "last"
                                              : "second") +
                            " axis",
                        origin);
        out.channels = channels_last ? shape[3] : shape[1];
        out.height = channels_last ? shape[1] : shape[2];
        out.width = channels_last ? shape[2] : shape[3];
    }
    SCHEDBENCH_ASSERT(static_cast<int64_t>(pixels.size()) == out.count * out.image_size());
    if (channels_last && out.channels > 1) {
        const int64_t plane = out.height * out.width;
        out.pixels.resize(pixels.size());
        for (int64_t i = 0; i < out.count; ++i)
            for (int64_t p = 0; p < plane; ++p)
                for (int64_t c = 0; c < out.channels; ++c)
                    out.pixels[static_cast<size_t>((i * out.channels + c) * plane + p)] =
                        pixels[static_cast<size_t>((i * plane + p) * out.channels + c)];
    } else {
        out.pixels = std::move(pixels);
    }
    return out;
}

void attach_labels(Dataset& data, std::vector<int64_t> labels, const std::vector<int64_t>& shape,
                   const std::string& origin) {
    if (shape != std::vector<int64_t>{data.count})
        throw Error("shape",
                    "labels of shape " + print_shape(shape) + ", expected [" + std::to_string(data.count) +
                        "], one for each image",
                    origin);
    for (size_t i = 0; i < labels.size(); ++i)
        if (labels[i] < 0)
            throw Error(
                "file",
                "label " + std::to_string(i) + " is " + std::to_string(labels[i]) + ", expected 0 or more",
                origin);
    data.classes = labels.empty() ? 0 : *std::max_element(labels.begin(), labels.end()) + 1;
    data.labels = std::move(labels);
}

Dataset read_npy_images(const std::string& file, const std::string& layout, const std::string& labels,
                        int64_t limit) {
    Dataset out = dataset_of_npy(read_npy(file), layout);
    if (labels != "none") {
        const NpyArray array = read_npy(labels);
        attach_labels(out, integers(array), array.shape, labels);
    }
    keep_first(out, limit);
    return out;
}

Dataset read_npz_images(const std::string& file, const std::string& array, const std::string& layout,
                        const std::string& labels, int64_t limit) {
    NpzMember member(file, array);
    const NpyLayout& header = member.layout();
    if (header.type != "uint8")
        throw Error("file", "holds " + header.type + ", expected uint8", member.origin(),
                    "save array.astype(\"uint8\") instead");
    std::vector<int64_t> shape = header.shape;
    require_rank(shape, member.origin());
    const int64_t all = shape[0];
    if (limit > 0) shape[0] = std::min(all, limit);
    uint64_t size = 1;
    for (int64_t extent : shape) size *= static_cast<uint64_t>(extent);
    std::vector<uint8_t> pixels(size);
    member.read(header.data_at, pixels);
    Dataset out = dataset_of_array(std::move(pixels), shape, layout, member.origin());
    if (labels != "none") {
        const NpyArray values = read_npz(file, labels);
        out.count = all;  // one for each image of the file
        attach_labels(out, integers(values), values.shape, values.origin);
        out.count = shape[0];
        out.labels.resize(static_cast<size_t>(shape[0]));
    }
    return out;
}

Dataset read_hdf5_images(const std::string& file, const std::string& object, const std::string& layout,
                         const std::string& labels, int64_t limit) try {
    const Hdf5File store = Hdf5File::open(file);
    const Hdf5Info info = store.info(object);
    if (info.type != Hdf5Type::uint8)
        throw Error("file", std::string("holds ") + hdf5_type_name(info.type) + ", expected uint8 pixels",
                    store.where(object), "name the images with object=");
    require_rank(info.shape, store.where(object));
    std::vector<int64_t> shape = info.shape;
    if (limit > 0) shape[0] = std::min(shape[0], limit);
    Dataset out =
        dataset_of_array(store.read_rows<uint8_t>(object, 0, shape[0]), shape, layout, store.where(object));
    if (labels != "none") {
        const Hdf5Info label_info = store.info(labels);
        std::vector<int64_t> values = store.read<int64_t>(labels), label_shape = label_info.shape;
        if (label_shape != std::vector<int64_t>{info.shape[0]})
            throw Error("shape",
                        "labels of shape " + print_shape(label_shape) + " for " +
                            std::to_string(info.shape[0]) + " images",
                        store.where(labels));
        values.resize(static_cast<size_t>(out.count));
        attach_labels(out, std::move(values), {out.count}, store.where(labels));
    }
    return out;
} catch (const Error& e) {
    // The store speaks of itself; here the same fault is a user's data file that cannot be read.
    if (e.kind() != "store") throw;
    throw Error("file", e.message(), e.where(), e.hint());
}

}  // namespace schedbench
