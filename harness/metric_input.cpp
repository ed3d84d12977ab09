#include "harness/metric_input.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "data/npy.h"
#include "data/npz.h"
#include "eval/statistics_file.h"
#include "harness/table.h"
#include "store/run_file.h"

namespace schedbench {

namespace {

namespace fs = std::filesystem;

const std::string kFeatures = "features", kSpatial = "spatial";

std::string counted(int64_t n, const char* what) {
    std::string out;
    const std::string digits = std::to_string(n);
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    out += ' ';
    out += what;
    return out;
}

int64_t kept(int64_t n, int64_t limit) {
    return limit > 0 ? std::min(n, limit) : n;
}

MetricInput of_images(const std::string& name, std::unique_ptr<ImageSource> images) {
    MetricInput out;
    out.name = name;
    out.count = images->count();
    out.details = counted(out.count, "images");
    out.images = std::move(images);
    return out;
}

MetricInput of_features(const std::string& name, const at::Tensor& features, int64_t limit) {
    MetricInput out;
    out.name = name;
    out.features = features.narrow(0, 0, kept(features.size(0), limit));
    out.count = out.features.size(0);
    out.details = counted(out.count, "rows of ") + counted(features.size(1), "features");
    return out;
}

MetricInput of_npz(const std::string& path, int64_t limit) {
    const std::vector<std::string> names = npz_names(path);
    const auto has = [&](const char* name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    MetricInput out;
    out.name = path;
    if (has("mu") || has("sigma")) {
        const FeatureStatistics statistics = read_statistics(path);
        out.moments[kFeatures] = statistics.moments;
        if (statistics.spatial) out.moments[kSpatial] = *statistics.spatial;
    } else if (has("outer")) {
        out.moments[kFeatures] = read_feature_sums(path).moments();
    } else {
        return of_images(path, open_npz_images(path, names.size() == 1 ? names[0] : "arr_0", "auto", limit));
    }
    if (limit > 0)
        throw Error("option", "statistics cannot be cut to fewer samples", path,
                    "leave --images or --reference-images out");
    out.count = out.moments[kFeatures].n;
    out.details = "mean and covariance of " +
                  (out.count > 0 ? counted(out.count, "samples") : std::string("samples of unknown number")) +
                  ", " + counted(out.moments[kFeatures].mean.size(0), "features");
    if (has("arr_0")) {
        out.images = open_npz_images(path, "arr_0");
        out.details += ", and " + counted(out.images->count(), "images");
    }
    return out;
}

MetricInput of_cell(const RunFile& run, const std::string& id, int64_t limit) {
    const CellRecord cell = run.cell(id, CellParts::all);
    MetricInput out;
    out.name = run.path() + ":" + id;
    out.count = kept(cell.count(), limit);
    out.details = (cell.schedule.empty()
                       ? std::string("real images, held out")
                       : short_spec(run.schedule(cell.schedule).schedule.spec) + ", " +
                             short_spec(cell.sampler) + ", " + std::to_string(cell.steps) + " steps") +
                  "; " + counted(out.count, "images");
    if (!cell.images.empty()) {
        Dataset data;
        data.spec = out.name;
        data.count = out.count;
        data.channels = cell.image_shape.at(0), data.height = cell.image_shape.at(1);
        data.width = cell.image_shape.at(2);
        data.pixels.assign(cell.images.begin(), cell.images.begin() + data.count * data.image_size());
        data.hash = sha256("cell images " + std::to_string(data.count) + " " + std::to_string(data.channels) +
                           " " + std::to_string(data.height) + " " + std::to_string(data.width) + "\n" +
                           sha256({reinterpret_cast<const char*>(data.pixels.data()), data.pixels.size()}));
        out.images = images_of(std::move(data));
    }
    if (!cell.features.empty()) {
        out.features = at::tensor(cell.features, at::kFloat)
                           .reshape({cell.count(), cell.feature_dim})
                           .narrow(0, 0, out.count);
        out.extractor_hash = cell.extractor;
        if (run.has("extractors", cell.extractor)) out.extractor_spec = run.extractor(cell.extractor).spec;
        for (const auto& [name, metric] : cell.metrics)
            if (is_plain_frechet(name) && (out.frechet_name.empty() || metric.extractor == cell.extractor))
                out.frechet_name = name;
    }
    return out;
}

std::vector<MetricInput> of_run(const std::string& path, const std::string& cell, int64_t limit) {
    const RunFile run = RunFile::open(path);
    std::vector<std::string> matches;
    std::string known;
    for (const std::string& id : run.ids("cells")) {
        if (id.starts_with(cell)) matches.push_back(id);
        known += (known.empty() ? "" : ", ") + id;
    }
    if (matches.empty())
        throw Error("run", cell.empty() ? "has no cells" : "has no cell \"" + cell + "\"", path,
                    known.empty() ? "wait until the first cell is finished" : "it has " + known);
    if (!cell.empty() && matches.size() > 1)
        throw Error("run",
                    "\"" + cell + "\" is the beginning of " + std::to_string(matches.size()) + " cells", path,
                    "give more of the id");
    std::vector<MetricInput> out;
    for (const std::string& id : matches) out.push_back(of_cell(run, id, limit));
    return out;
}

bool is_hdf5_name(const std::string& path) {
    return path.ends_with(".h5") || path.ends_with(".hdf5");
}

MetricInput of_npy(const std::string& path, int64_t limit) {
    const NpyLayout layout = read_npy_layout(path);
    if (layout.type == "uint8") return of_images(path, open_npy_images(path, "auto", limit));
    return of_features(path, read_features(path), limit);
}

/// Where features of a file belong in an extractor: by their dimension.
std::string role_of(const MetricInput& input, const Extractor& extractor) {
    std::string known;
    for (const FeatureLayer& layer : extractor.layers()) {
        if (layer.dim == input.features.size(1)) return layer.role;
        known += (known.empty() ? "" : ", ") + std::to_string(layer.dim) + " (" + layer.id + ")";
    }
    throw Error("shape",
                "has " + std::to_string(input.features.size(1)) + " features a sample, expected " + known,
                input.name, "take the file that was made with the same extractor");
}

}  // namespace

std::string extractor_hash(const Extractor& extractor, const std::string& layer_id) {
    const std::string precision = extractor.precision() == "float32" ? "" : "|" + extractor.precision();
    return short_hash(layer_id + "|" + extractor.weights_hash() + "|" + extractor.pipeline() + precision);
}

std::string extractor_hash(const Extractor& extractor) {
    return extractor_hash(extractor, extractor.id());
}

std::vector<MetricInput> open_metric_input(const std::string& text, const std::string& where, int64_t limit) {
    std::vector<MetricInput> out;
    if (fs::is_directory(text)) {
        out.push_back(of_images(text, open_image_folder(text, limit)));
        return out;
    }
    const bool file = fs::exists(text);
    if (file && is_hdf5_name(text)) return of_run(text, "", limit);
    if (file && text.ends_with(".npy")) {
        out.push_back(of_npy(text, limit));
        return out;
    }
    if (file && text.ends_with(".npz")) {
        out.push_back(of_npz(text, limit));
        return out;
    }
    const size_t colon = text.rfind(':');
    if (colon != std::string::npos && is_hdf5_name(text.substr(0, colon)))
        return of_run(text.substr(0, colon), text.substr(colon + 1), limit);
    if (file)
        throw Error("file", "is of no known kind", text,
                    "expected a folder, .npy, .npz, a run .h5, or a data spec (schedbench list data)");
    if (text.find('/') != std::string::npos && text.find(':') == std::string::npos)
        throw Error("file", "there is no such file or folder", text);
    for (const char* ending : {".npy", ".npz", ".h5", ".hdf5"})
        if (text.ends_with(ending) && text.find(':') == std::string::npos)
            throw Error("file", "there is no such file", text);
    const Spec given = Spec::parse(text, where),
               spec = complete(given, find_entry(dataset_entries(), given, "data sets", where), where);
    const bool streamed = (spec.name == "npy" || spec.name == "npz") && spec.text("labels") == "none";
    if (streamed && spec.name == "npy")
        out.push_back(of_images(text, open_npy_images(spec.text("file"), spec.text("layout"), limit)));
    else if (streamed)
        out.push_back(of_images(
            text, open_npz_images(spec.text("file"), spec.text("array"), spec.text("layout"), limit)));
    else
        out.push_back(of_images(text, images_of(load_dataset(spec, where, limit))));
    return out;
}

MetricSide metric_side(const MetricInput& input, const Extractor* extractor,
                       const std::vector<std::string>& roles, const FeaturePassOptions& options,
                       bool need_samples) {
    MetricSide out;
    out.name = input.name;
    out.moments = input.moments;
    if (!out.moments.empty()) {
        if (extractor != nullptr)
            for (const FeatureLayer& layer : extractor->layers())
                if (const auto found = out.moments.find(layer.role);
                    found != out.moments.end() && found->second.mean.size(0) != layer.dim)
                    throw Error("shape",
                                "has " + std::to_string(found->second.mean.size(0)) + " features, expected " +
                                    std::to_string(layer.dim) + " of " + layer.id,
                                input.name, "take the file that was made with the same extractor");
        if (need_samples && extractor != nullptr && input.images)
            out.features = run_feature_pass(*extractor, *input.images, roles, options);
        return out;
    }
    if (extractor == nullptr) {
        if (!input.features.defined())
            throw Error("option", "is needed to make features of the images of " + input.name, "--extractor",
                        "for example inception:file=FILE.safetensors,pipeline=tf1 (schedbench list "
                        "extractors)");
        out.features[kFeatures] = input.features;
        return out;
    }
    const bool own = input.features.defined() &&
                     (input.extractor_hash.empty() || input.extractor_hash == extractor_hash(*extractor));
    if (own && input.extractor_hash.empty()) {
        out.features[role_of(input, *extractor)] = input.features;
    } else if (own) {
        for (const FeatureLayer& layer : extractor->layers())
            out.features[layer.role] = input.features.narrow(1, layer.begin, layer.dim);
    } else if (input.images) {
        out.features = run_feature_pass(*extractor, *input.images, roles, options);
    } else {
        throw Error("run", "keeps neither images nor features of the extractor " + extractor->id(),
                    input.name,
                    "its features are those of " + input.extractor_spec +
                        "; sweep with keep-images = true to compare under others");
    }
    return out;
}

}  // namespace schedbench
