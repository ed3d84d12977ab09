// Any feature network in a TorchScript file as an extractor: the input it wants is said in the spec. The file
// is a program that runs with the user's rights (core/torchscript.h).
#pragma once

#include <memory>
#include <string>

#include "eval/extractor.h"

namespace schedbench {

/// torchscript:file=F[,name=N][,size=S,resize=PIPELINE][,range=[LOW,HIGH]][,mean=[..],std=[..]][,flags=[..]]
const SpecEntry& torchscript_extractor_entry();

/// `spec`: completed. Error("file") for a file that cannot be read, Error("spec") for values out of range,
/// Error("model") where the network gives no features for a black image.
std::unique_ptr<Extractor> make_torchscript_extractor(const Spec& spec, const std::string& where,
                                                      at::Device device);

}  // namespace schedbench
