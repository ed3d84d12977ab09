// DINOv2 as an extractor: images to 224 x 224 pixels by one of two resizers, class token as features.
#pragma once

#include <memory>
#include <string>

#include "eval/extractor.h"

namespace schedbench {

/// dinov2:file=F,pipeline=edm2|dgm-eval
const SpecEntry& dinov2_extractor_entry();

/// `spec`: completed. Error("file") for weights that cannot be read.
std::unique_ptr<Extractor> make_dinov2_extractor(const Spec& spec, at::Device device);

}  // namespace schedbench
