#include "eval/metric_set.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "eval/fid_infinity.h"
#include "eval/inception_score.h"
#include "eval/kid.h"
#include "eval/neighbours.h"

namespace schedbench {

namespace {

using Type = SpecParam::Type;

const std::string kFeatures = "features", kLogits = "logits", kSpatial = "spatial";

SpecParam role_param() {
    return {"reference",
            Type::choice,
            "sampled",
            "sampled: error and bias of the reference count too; exact: it is the population",
            {"sampled", "exact"}};
}
SpecParam debias_param() {
    return {
        "debias",
        Type::choice,
        "fourth-moment",
        "how the bias is taken off: closed form with the features' fourth moments, or for Gaussian ones, or "
        "jackknife",
        {"fourth-moment", "gaussian", "jackknife"}};
}

FrechetOptions frechet_options(const Spec& spec, const std::string& name) {
    FrechetOptions out;
    out.name = name;
    out.reference = spec.text("reference") == "exact" ? ReferenceRole::exact : ReferenceRole::sampled;
    if (spec.find("debias") != nullptr && spec.text("debias") != "fourth-moment")
        out.debias = spec.text("debias") == "gaussian" ? DebiasMethod::gaussian : DebiasMethod::jackknife;
    return out;
}

/// Arguments that differ from the defaults, as they stand behind a name.
std::string arguments_of(const Spec& spec) {
    std::string out;
    for (const SpecParam& param : find_entry(metric_entries(), spec, "metrics", "metric").params) {
        const SpecValue* value = spec.find(param.key);
        if (value != nullptr && value->print() != param.fallback)
            out += (out.empty() ? ":" : ",") + param.key + "=" + value->print();
    }
    return out;
}

/// Statistics on the generated side: there are no samples whose influence could be known, but the distance is
/// symmetric.
FrechetResult of_statistics(const Moments& generated, const FrechetReference& reference,
                            const FrechetOptions& options) {
    FrechetResult out;
    if (reference.features.defined()) {
        out = frechet(reference.features, FrechetReference::of_moments(generated), options);
        out.at_n.method = "influence function, reference samples only (the generated side has no features)";
        out.influence_ref = std::move(out.influence);
        out.influence.clear();
    } else {
        out.parts = gaussian_transport(generated, reference.moments, TransportParts::distance);
        const double curvature = out.parts.harmonic_sum() + out.parts.root_trace / 2;
        const auto bias = [&](double trace, int64_t n) {
            return n > 0 ? (trace + curvature / 2) / static_cast<double>(n) : 0;
        };
        out.bias.generated = bias(out.parts.trace1, generated.n);
        if (options.reference == ReferenceRole::sampled)
            out.bias.reference = bias(out.parts.trace2, reference.moments.n);
        out.at_n.value = out.parts.distance();
        out.at_n.method = "no error: neither side has features";
        out.at_n.estimand = "Frechet distance at this n";
        out.debiased = out.at_n;
        out.debiased.value -= out.bias.total();
        out.debiased.estimand = "Frechet distance, bias removed";
        out.debiased.method += "; bias by Gaussian closed form";
    }
    out.at_n.name = out.debiased.name = options.name;
    out.at_n.n = out.debiased.n = generated.n;
    return out;
}

/// "EDM convention": three distances of a third of the samples each, the smallest counts.
NamedMetric edm_minimum(const at::Tensor& features, const FrechetReference& reference,
                        const std::string& name) {
    constexpr int64_t kSets = 3;
    const int64_t n = features.size(0) / kSets;
    if (n < 2)
        throw Error("option", "three sets of at least two samples are needed", name, "take more samples");
    std::array<FrechetResult, kSets> sets;
    size_t best = 0;
    double se = 0;
    for (size_t s = 0; s < sets.size(); ++s) {
        sets[s] = frechet(features.narrow(0, static_cast<int64_t>(s) * n, n), reference,
                          {name, ReferenceRole::exact});
        se += sets[s].at_n.se / static_cast<double>(kSets);
        if (sets[s].at_n.value < sets[best].at_n.value) best = s;
    }
    NamedMetric out{name, sets[best].at_n};
    // SD of the smallest of three standard normal values: sqrt((4 pi - 9 + 2 sqrt 3)/(4 pi)).
    const double pi = 3.14159265358979323846;
    out.estimate.se = se * std::sqrt((4 * pi - 9 + 2 * std::sqrt(3.0)) / (4 * pi));
    out.estimate.estimand = "smallest of three Frechet distances at this n (low by about 0.85 SD)";
    char text[160];
    std::snprintf(text, sizeof text, "SD of a minimum of three; the three: %.6g, %.6g, %.6g",
                  sets[0].at_n.value, sets[1].at_n.value, sets[2].at_n.value);
    out.estimate.method = text;
    return out;
}

/// The role itself, or the only one there is: `inception:...,layer=spatial` has distances of its own.
std::string resolve(const MetricSide& side, const std::string& role) {
    if (side.has(role) || role != kFeatures) return role;
    if (side.features.size() == 1 && side.moments.empty()) return side.features.begin()->first;
    return role;
}

int64_t dimension_of(const MetricSide& side, const std::string& role) {
    const auto found = side.features.find(role);
    return found != side.features.end() ? found->second.size(1) : side.moments.at(role).mean.size(0);
}

const at::Tensor& samples_of(const MetricSide& side, const std::string& role, const std::string& metric) {
    const auto found = side.features.find(role);
    if (found != side.features.end()) return found->second;
    throw Error("option", metric + " needs the features of every sample, and there are only statistics",
                side.name, "take the images or their features");
}

}  // namespace

const std::vector<SpecEntry>& metric_entries() {
    static const std::vector<SpecEntry> entries = {
        {"frechet",
         "Frechet distance at this n, and with its bias taken off; under the 2015 Inception network "
         "fid[PIPELINE]",
         "arXiv 1706.08500; Dowson and Landau 1982",
         {debias_param(), role_param()}},
        {"fid-infinity",
         "the distance at infinitely many generated samples, from a line through subsets",
         "arXiv 1911.07023",
         {{"points", Type::integer, "15", "sizes of subsets, equally spaced up to n"},
          {"smallest", Type::integer, "0", "smallest subset; 0: 5000, or n/10 where that is less"},
          {"seed", Type::integer, "0", "which rows form the subsets"},
          role_param()}},
        {"edm-minimum",
         "EDM's convention: the smallest of three distances, of a third of the samples each",
         "arXiv 2206.00364",
         {}},
        {"sfid",
         "sFID: Frechet distance of the first seven channels of mixed_6, 17 x 17 (Inception only)",
         "arXiv 2103.03841",
         {debias_param(), role_param()}},
        {"kid", "kernel distance, unbiased, over all samples of both sets", "arXiv 1801.01401", {}},
        {"kid-blocks",
         "kernel distance as the mean over disjoint blocks",
         "arXiv 1801.01401",
         {{"size", Type::integer, "1000", "samples a block"}}},
        {"kid-torch-fidelity",
         "kernel distance by torch-fidelity's convention: mean over random subsets that overlap; no error",
         "torch-fidelity 0.4",
         {{"subsets", Type::integer, "100", "how many"},
          {"size", Type::integer, "1000", "samples a subset"},
          {"seed", Type::integer, "2020", "of numpy's RandomState"}}},
        {"is",
         "Inception score, splits of consecutive samples (needs no reference; Inception only)",
         "arXiv 1606.03498",
         {{"splits", Type::integer, "10", "splits whose scores are averaged"}}},
        {"is-torch-fidelity",
         "Inception score by torch-fidelity's convention: splits of shuffled samples",
         "torch-fidelity 0.4",
         {{"splits", Type::integer, "10", "splits whose scores are averaged"},
          {"seed", Type::integer, "2020", "of numpy's RandomState"}}},
        {"prdc",
         "precision, recall, density and coverage: balls to the k-th neighbour",
         "arXiv 1904.06991, 2002.09797",
         {{"k", Type::integer, "3", "neighbour of precision and recall"},
          {"density-k", Type::integer, "5", "neighbour of density and coverage"}}},
    };
    return entries;
}

Spec complete_metric(const Spec& metric, const std::string& where) {
    const Spec out = complete(metric, find_entry(metric_entries(), metric, "metrics", where), where);
    for (const auto& [key, value] : out.args) {
        const auto number = parse_number(value.text);
        if (number && (*number < 0 || *number > 4294967295.0))
            throw Error("spec", key + "=" + value.print() + ", expected 0 to 4294967295", where);
    }
    return out;
}

const FrechetReference& MetricReference::frechet(const std::string& role) const {
    auto& entry = frechet_[role];
    if (!entry) {
        const auto found = side_.moments.find(role);
        entry = std::make_shared<const FrechetReference>(
            found != side_.moments.end() ? FrechetReference::of_moments(found->second)
                                         : FrechetReference::of_features(side_.features.at(role)));
    }
    return *entry;
}

std::string MetricNames::of(const std::string& kind) const {
    if (frechet_.starts_with("fid[") || frechet_.starts_with("fid-")) return kind + frechet_.substr(3);
    const std::string stem = kind.starts_with("kid") ? "kd" + kind.substr(3) : kind;  // no Inception in it
    return stem + "-" + (frechet_.starts_with("fd-") ? frechet_.substr(3) : frechet_);
}

std::string Metric::role() const {
    if (spec_.name == "sfid") return kSpatial;
    return spec_.name == "is" || spec_.name == "is-torch-fidelity" ? kLogits : kFeatures;
}

bool Metric::needs_reference() const {
    return role() != kLogits;
}

bool Metric::needs_samples() const {
    return spec_.name != "frechet" && spec_.name != "sfid";
}

std::vector<std::string> Metric::names(const MetricNames& names) const {
    const std::string end = arguments_of(spec_), &name = spec_.name;
    const std::string distance = name == "sfid" ? names.of("sfid") : names.frechet();
    if (name == "frechet" || name == "sfid") return {distance + end, distance + "-debiased" + end};
    if (name == "fid-infinity") return {distance + "-infinity" + end};
    if (name == "edm-minimum") return {distance + "-edm-minimum" + end};
    if (name == "prdc")
        return {names.of("precision") + end, names.of("recall") + end, names.of("density") + end,
                names.of("coverage") + end};
    for (const char* kind : {"kid", "is"})  // the convention stands behind the extractor: kid[tf1]-blocks
        if (name.starts_with(kind)) return {names.of(kind) + name.substr(std::string(kind).size()) + end};
    SCHEDBENCH_ASSERT(false);
    return {};
}

void Metric::check_count(int64_t n, const std::string& where) const {
    int64_t least = 2;
    const std::string& name = spec_.name;
    if (name == "kid-blocks") least = 2 * spec_.integer("size");
    if (name == "kid-torch-fidelity") least = spec_.integer("size");
    if (role() == kLogits) least = 2 * spec_.integer("splits");
    if (name == "prdc") least = std::max(spec_.integer("k"), spec_.integer("density-k")) + 2;
    if (name == "edm-minimum") least = 6;
    if (n < least)
        throw Error("option",
                    std::to_string(n) + " images are too few for the metric " + spec_.print() +
                        ", which needs " + std::to_string(least),
                    where);
}

std::vector<NamedMetric> Metric::compute(const MetricSide& generated, const MetricReference* reference,
                                         const MetricNames& labels) const {
    const std::vector<std::string> called = names(labels);
    const std::string& name = spec_.name;
    const std::string own = resolve(generated, role());
    const auto check = [&](const MetricSide& side, const std::string& role_there) {
        if (!side.has(role_there))
            throw Error("option", "has no " + role_there + ", which " + name + " looks at", side.name,
                        "take images, or the features of that layer");
        const auto found = side.features.find(role_there);
        if (found != side.features.end() && found->second.size(0) < 2)
            throw Error("number", "has 1 sample, a metric needs at least two", side.name);
    };
    check(generated, own);
    if (name == "is" || name == "is-torch-fidelity") {
        const at::Tensor& logits = samples_of(generated, own, name);
        const int64_t splits = spec_.integer("splits");
        InceptionScore score = name == "is"
                                   ? inception_score(logits, splits, called[0])
                                   : inception_score_torch_fidelity(
                                         logits,
                                         torch_fidelity_permutation(
                                             logits.size(0), static_cast<uint32_t>(spec_.integer("seed"))),
                                         splits, called[0]);
        return {{called[0], score.score, std::move(score.influence)}};
    }
    if (reference == nullptr)
        throw Error("option", name + " compares with a reference, and none is given", "--metric",
                    "name a second set");
    const MetricSide& other = reference->side();
    const std::string across = resolve(other, role());
    check(other, across);
    if (dimension_of(generated, own) != dimension_of(other, across))
        throw Error("shape",
                    "has " + std::to_string(dimension_of(other, across)) + " features a sample, " +
                        generated.name + " has " + std::to_string(dimension_of(generated, own)),
                    other.name, "compare features of one extractor");

    if (name == "frechet" || name == "sfid") {
        const auto options = frechet_options(spec_, called[0]);
        FrechetResult r =
            generated.moments.contains(own)
                ? of_statistics(generated.moments.at(own), reference->frechet(across), options)
                : schedbench::frechet(generated.features.at(own), reference->frechet(across), options);
        r.debiased.name = called[1];
        return {{called[0], r.at_n, std::move(r.influence), std::move(r.influence_ref)},
                {called[1], r.debiased}};
    }
    const at::Tensor& x = samples_of(generated, own, name);
    if (name == "fid-infinity") {
        FidInfinityOptions options;
        options.name = called[0];
        options.reference = frechet_options(spec_, called[0]).reference;
        options.points = spec_.integer("points"), options.smallest = spec_.integer("smallest");
        options.seed = static_cast<uint64_t>(spec_.integer("seed"));
        FidInfinityResult r = fid_infinity(x, reference->frechet(across), options);
        return {{called[0], r.intercept, std::move(r.influence), std::move(r.influence_ref)}};
    }
    if (name == "edm-minimum") return {edm_minimum(x, reference->frechet(across), called[0])};
    const at::Tensor& y = samples_of(other, across, name);
    if (name == "kid") {
        KidResult r = kid(x, y, called[0]);
        return {{called[0], r.unbiased, std::move(r.influence), std::move(r.influence_ref)}};
    }
    if (name == "kid-blocks") return {{called[0], kid_blocks(x, y, spec_.integer("size"), called[0]).mean}};
    if (name == "kid-torch-fidelity") {
        const at::Tensor subsets =
            torch_fidelity_subsets(x.size(0), y.size(0), spec_.integer("subsets"), spec_.integer("size"),
                                   static_cast<uint32_t>(spec_.integer("seed")));
        return {{called[0], kid_torch_fidelity(x, y, subsets, called[0]).mean}};
    }
    SCHEDBENCH_ASSERT(name == "prdc");
    NeighbourMetrics r = neighbour_metrics(x, y, {spec_.integer("k"), spec_.integer("density-k"), ""});
    std::vector<NamedMetric> out;
    NeighbourMetric* const parts[] = {&r.precision, &r.recall, &r.density, &r.coverage};
    for (size_t q = 0; q < called.size(); ++q) {
        parts[q]->estimate.name = called[q];
        out.push_back({called[q], parts[q]->estimate, std::move(parts[q]->influence),
                       std::move(parts[q]->influence_ref)});
    }
    return out;
}

Spec extractor_for(const Spec& extractor, const std::vector<Metric>& metrics) {
    Spec out = extractor;
    if (extractor.name != "inception" || extractor.find("layer") != nullptr) return out;
    std::vector<std::string> roles;
    for (const Metric& metric : metrics)
        if (std::find(roles.begin(), roles.end(), metric.role()) == roles.end())
            roles.push_back(metric.role());
    if (roles.empty() || (roles.size() == 1 && roles[0] == kFeatures)) return out;
    out.set("layer", SpecValue::of_text(roles.size() > 1 ? "all" : roles[0]));
    return out;
}

MetricNames names_of(const Extractor& extractor, const Spec& asked) {
    const std::string name = extractor.frechet_name();
    if (asked.name != "inception" || asked.find("layer") != nullptr) return MetricNames(name);
    // The first layer may be one of those that were chosen here; precision and pipeline stand behind its
    // kind.
    for (const char* kind : {"fd-inception-logits", "sfid"})
        if (name.starts_with(kind)) return MetricNames("fid" + name.substr(std::string(kind).size()));
    return MetricNames(name);
}

std::vector<std::string> roles_of(const std::vector<Metric>& metrics, const std::vector<std::string>& offered,
                                  const std::string& extractor) {
    std::vector<std::string> out;
    for (const Metric& metric : metrics) {
        std::string role = metric.role();
        if (role == kFeatures && offered.size() == 1) role = offered[0];
        if (std::find(offered.begin(), offered.end(), role) == offered.end())
            throw Error("option",
                        metric.spec().name + " looks at " + role + ", which the extractor " + extractor +
                            " does not give",
                        "--metric", "it needs extractor inception:file=...,pipeline=...");
        if (std::find(out.begin(), out.end(), role) == out.end()) out.push_back(role);
    }
    return out;
}

bool is_plain_frechet(const std::string& name) {
    if (!name.starts_with("fid[") && !name.starts_with("fid-") && !name.starts_with("fd-")) return false;
    for (const char* part : {":", "-debiased", "-infinity", "-edm-minimum"})
        if (name.find(part) != std::string::npos) return false;
    return true;
}

std::string influence_metric(const std::string& name) {
    const std::string mark = "-debiased";
    const size_t at = name.find(mark);
    return at == std::string::npos ? name : name.substr(0, at) + name.substr(at + mark.size());
}

bool interval_reliable(const Estimate& estimate) {
    return !estimate.warning.starts_with(kUnreliable);
}

}  // namespace schedbench
