// One pass of an extractor over images: block by block, from a source that need not fit into memory, through
// the cache where one is wanted. Images of several sizes share a block: each is brought to the network's size
// by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/image_source.h"
#include "eval/extractor.h"
#include "eval/feature_cache.h"

namespace schedbench {

struct FeaturePassOptions {
    CacheSettings cache{};
    int64_t batch = 128;             ///< images a block; an extractor's own block() goes before a larger one
    std::string label = "features";  ///< of the progress bar
    std::function<void(const std::string&)> note{};  ///< messages for people; default: a line on stderr
};

/// Features by role (FeatureLayer), each float32 [n, d], of the layers whose roles are asked for. Blocks that
/// the cache has are not made again; only what it lacks is shown as progress. The cache is brought below its
/// limit at the end, without the entries of this pass. Equal to extract_features() of
/// the same images. Error("shape") where the extractor cannot take an image or sizes differ and it cannot
/// bring them to one, Error("number") where features are NaN or infinite; both name the image.
std::map<std::string, at::Tensor> run_feature_pass(const Extractor& extractor, const ImageSource& images,
                                                   const std::vector<std::string>& roles,
                                                   const FeaturePassOptions& options = {});

}  // namespace schedbench
