// Any network as a Denoiser, out of a TorchScript file: forward(image, time) or forward(image, time, label),
// each with a batch axis, on float32.
// What it is told and what it may predict: models/program_denoiser.h.
//
// Such a file is a program: it is run with the rights of the user, as a script would be.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

const std::vector<SpecEntry>& torchscript_entries();

/// Error("spec") for keys that contradict each other, Error("file") for a file that is no program or takes
/// another number of inputs.
std::shared_ptr<const Denoiser> load_torchscript(const Spec& completed, const std::string& where);

}  // namespace schedbench
