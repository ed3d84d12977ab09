// Suite: what a sweep shall compute. A text file of `key = value` lines (Boost.Program_options configuration
// syntax); a key that holds a list is repeated. '#' starts a comment. Every key has an effective value, which
// is stored.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/spec.h"
#include "harness/published.h"
#include "samplers/label_policy.h"
#include "schedules/noise_process.h"

namespace schedbench {

struct SuiteKey {
    std::string name, fallback, help;
    bool list = false;
};
const std::vector<SuiteKey>& suite_keys();

/// Which cells a printed method stands beside: schedule and sampler as patterns, which fit a spec that has their
/// name and all of their parameters.
struct PublishedCells {
    std::string method;
    Spec schedule, sampler;
};

struct Suite {
    std::string path;  ///< of the file
    std::string text;  ///< as read
    std::string name, title;
    std::string preset;  ///< the published settings that schedules, samplers and steps came from, or ""

    std::vector<Spec> models;
    std::vector<Spec> schedules;  ///< handcrafted and learned
    std::vector<Spec> samplers;
    std::vector<int> budgets;  ///< network evaluations a sample
    std::vector<int> steps;    ///< step counts, beside the budgets
    int64_t images = 256;      ///< samples a cell
    int64_t batch = 64;        ///< samples a block; part of the identity
    uint64_t seed = 0;
    std::string noise = "philox";  ///< noise policy: philox or edm
    LabelPolicy labels;            ///< classes of conditional models
    bool clip = false;             ///< clip x0hat of every model to [-1, 1]
    bool allow_fewer = false;
    std::string quantise;  ///< rule from [-1, 1] to bytes
    TimeRule time_rule = TimeRule::nearest;

    Spec data;                ///< images that learned schedules and likelihoods look at
    Spec reference, heldout;  ///< for the Frechet distance; heldout may be empty (name "none")
    int64_t reference_images = 10000;
    Spec extractor;
    std::vector<Spec> metrics;  ///< completed; empty: the Frechet distance
    bool keep_images = false;

    std::vector<std::string> bpd_strides;  ///< even, even-kt, quadratic, dp
    std::vector<std::string> bpd_variances;    ///< or {"known"}: all that a model's statistics hold
    std::vector<std::string> bpd_first_steps;  ///< table, path, optimal
    std::vector<int> bpd_steps;                ///< 0: all levels of the model's table
    bool bpd_cells = false;                    ///< bits/dim of each cell's own path, as metric "bpd"
    std::vector<std::string> statistics;  ///< run files with statistics made before
    int64_t statistics_images = 64;       ///< images a split if they must be measured
    double minutes = 45;                  ///< the plan says how many images a split fit this time

    std::vector<PublishedRow> published;  ///< the rows of the suite's data set and models
    std::string published_dataset;
    std::vector<std::string> published_models;  ///< one for each model: the name that the paper has for it
    std::vector<PublishedCells> published_cells;

    std::vector<Spec> effective_metrics() const;
    nlohmann::json settings() const;  ///< effective: every key
    std::string id() const;           ///< hash of settings()
};

/// Error("file") / Error("spec") naming file, key and value.
Suite read_suite(const std::string& path);

}  // namespace schedbench
