// Any network as a Denoiser, out of an AOTInductor package (core/aoti_package.h): machine code, compiled for
// one kind of processor by PyTorch. What it is told and what it may predict: models/program_denoiser.h. It
// gives no derivatives.
//
// Such a file is a program: it is run with the rights of the user.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

const std::vector<SpecEntry>& aoti_entries();

/// Error("spec") for keys that contradict each other, Error("file") for a package that is not for this
/// program and machine.
std::shared_ptr<const Denoiser> load_aoti(const Spec& completed, const std::string& where);

}  // namespace schedbench
