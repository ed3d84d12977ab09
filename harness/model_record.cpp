#include "harness/model_record.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "harness/registry.h"
#include "models/float64_distance.h"

namespace schedbench {

namespace {

constexpr const char* kKey = "float64_distance";

}  // namespace

ModelRecord model_record(const PlannedModel& model, const RuntimeSettings& runtime) {
    nlohmann::json details = {{"suite_spec", model.spec.print()}};
    // Read again, so that no sweep carries the weights of the file beside those in use.
    if (const auto exact = make_float64_model(model.spec)) {
        const Float64Distance distance = distance_from_float64(*model.raw, *exact);
        details[kKey] = {{"profile", runtime.profile},
                         {"largest", distance.largest},
                         {"rms", distance.rms},
                         {"inputs", distance.inputs}};
    }
    const Denoiser& denoiser = *model.denoiser;
    return {model.id,         denoiser.spec(), denoiser.weights_hash(), denoiser.process().spec().print(),
            denoiser.shape(), details.dump()};
}

std::string distance_text(const ModelRecord& record) {
    const auto details = nlohmann::json::parse(record.details, nullptr, false);
    if (!details.is_object() || !details.contains(kKey)) return "";
    const nlohmann::json& distance = details[kKey];
    char numbers[80];
    std::snprintf(numbers, sizeof numbers, "%.2g (rms), %.2g at most", distance.value("rms", 0.0),
                  distance.value("largest", 0.0));
    return "profile " + distance.value("profile", "") + ": x0hat / max(1, sigma) differs from float64's by " +
           numbers;
}

}  // namespace schedbench
