// Tables of bits/dim: one block for each model, decoder, first-step variance, clip rule and split, so that
// nothing is mixed; rows are reverse variance and stride, columns numbers of steps, and under a row what a
// paper printed.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "harness/likelihood_job.h"
#include "harness/text_block.h"

namespace schedbench {

/// `models`: a name for each model id; ids that are not in it are shown as they are.
std::string print_likelihood(const std::vector<LikelihoodRow>& rows, TableFormat format,
                             const std::map<std::string, std::string>& models = {});
nlohmann::json likelihood_json(const std::vector<LikelihoodRow>& rows);

}  // namespace schedbench
