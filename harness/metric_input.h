// What `schedbench metrics` compares: one text for any set of images, features or statistics.
//
//     FOLDER             PNG and JPEG files, each of its own size
//     FILE.npy           uint8 images, or float features [n, d]
//     FILE.npz           mu and sigma (with sFID's pair where there is one); our sums; or uint8 images
//     RUN.h5, RUN.h5:ID  all cells of a run, or one (any unambiguous beginning of its id)
//     DATA               a data spec (schedbench list data)
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/image_source.h"
#include "eval/extractor.h"
#include "eval/feature_pass.h"
#include "eval/features.h"
#include "eval/metric_set.h"

namespace schedbench {

struct MetricInput {
    std::string name;     ///< as given; of a cell RUN.h5:ID
    std::string details;  ///< for people: "5,000 images", "edm:rho=7, heun, 10 steps; 256 images"
    int64_t count = 0;    ///< samples; 0 where a statistics file does not say
    std::unique_ptr<ImageSource> images;     ///< null where there are none
    at::Tensor features{};                   ///< [n, d] of a feature file or a cell, or undefined
    std::map<std::string, Moments> moments;  ///< by role, of statistics files

    // Of cells: what made the features.
    std::string extractor_hash{};  ///< extractor_hash() of it
    std::string extractor_spec{};  ///< as stored in the run
    std::string frechet_name{};    ///< as its distances are called in the run; "" unknown
};

/// id, weights, pipeline and precision in short: what must be equal for features to be comparable.
std::string extractor_hash(const Extractor& extractor);
/// The same of one of its layers (FeatureLayer::id), as if it were alone.
std::string extractor_hash(const Extractor& extractor, const std::string& layer_id);

/// One input; several where a run has several cells. `limit` > 0 takes the first samples only. Error("file"),
/// Error("spec") and so on that name the text and `where`.
std::vector<MetricInput> open_metric_input(const std::string& text, const std::string& where, int64_t limit);

/// Features of the roles asked for: those the input holds where they are of this extractor, else from its
/// images. Files of features and statistics do not say what made them: they are taken as the extractor's
/// where the dimension agrees. `extractor` null: what the input holds, as role "features". Of a file that
/// holds statistics and images, as ADM's references do, the images are looked at only where a metric needs
/// samples. Error("option") for an input that cannot give what is needed.
MetricSide metric_side(const MetricInput& input, const Extractor* extractor,
                       const std::vector<std::string>& roles, const FeaturePassOptions& options,
                       bool need_samples);

}  // namespace schedbench
