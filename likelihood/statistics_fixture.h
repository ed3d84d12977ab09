// Denoising statistics from a JSON file, without a network: curves that were read off a paper, or measured
// elsewhere.
//
//     {"format": "schedbench denoising statistics", "version": 1, "name": "..", "process": "linear:T=1000",
//      "clip": true, "decoder": "density",
//      "error": {"t": [1, 10, 1000], "value": [..]},
//      "second_moment": 0.25, "published": {"dataset": "CIFAR-10", "models": ["LS"]}}
//
// error: M_t at every entry (an array of T numbers), or at some, with ln M linear in ln t between them; the
// first must be 1 and the last T. decoder: density has N_t from M_t with the table variance; tanh and erf
// need decoder_nats, an array of T. gamma (an array of T), images, model, weights, data may be given as well.
// published: the rows of published tables that belong beside these.
#pragma once

#include <string>
#include <vector>

#include "likelihood/denoising_statistics.h"

namespace schedbench {

struct StatisticsFixture {
    DenoisingStatistics statistics;
    std::string published_dataset;              ///< "" if not said
    std::vector<std::string> published_models;  ///< parts of names
};

/// Error("file") names the file and the key that is missing, has another length, or holds what cannot be: a
/// number that is not finite, or a negative error.
StatisticsFixture read_statistics_fixture(const std::string& path);

}  // namespace schedbench
