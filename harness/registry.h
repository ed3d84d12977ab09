// The explicit list of everything a spec can name, and what makes it. A new schedule, sampler, model,
// extractor or data set is one line in its own folder's list, which this one gathers.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/spec.h"
#include "core/spec_schema.h"
#include "models/denoiser.h"

namespace schedbench {

/// What one must know of an entry beside its parameters: {"order", "2"}, {"fits", "any model"}.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct RegistryKind {
    std::string name;  ///< plural noun: "schedules"
    std::vector<SpecEntry> entries;
    std::vector<Facts> facts{};  ///< one an entry, or none at all
};
const std::vector<RegistryKind>& registry();

/// exact:..., native:file=..., clip:inner={...}.
std::shared_ptr<const Denoiser> make_model(const Spec& spec, const std::string& where = "--model");

/// The same model on the CPU with the weights of its file in float64, to measure others by; null for models
/// that are no networks of this program (and in what wraps them).
std::shared_ptr<const Denoiser> make_float64_model(const Spec& spec, const std::string& where = "--model");

/// Why networks are not evaluated by CUDA graphs; "" where they may be: on a CUDA device in profile fast,
/// unless SCHEDBENCH_GRAPHS=off, which is for timing (the bits are the same). Error("option") for another
/// value of it.
std::string graphs_declined(const RuntimeSettings& runtime);

/// The model on the device of `runtime`, to sample from; on a CUDA device in profile fast with graphs of its
/// evaluation, or with the reason why not in the provenance.
std::shared_ptr<const Denoiser> placed(std::shared_ptr<const Denoiser> model, const RuntimeSettings& runtime);
/// For learners and likelihoods, which ask in host memory: the network on the device, an exact target on the
/// CPU.
std::shared_ptr<const Denoiser> placed_for_host(std::shared_ptr<const Denoiser> model,
                                                const RuntimeSettings& runtime);

}  // namespace schedbench
