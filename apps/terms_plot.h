// The terms of evidence bounds along their paths, as an SVG file: each step's bits/dim over the entry from
// which it starts, both axes logarithmic; the decoder's term is a hollow dot at the first entry.
#pragma once

#include <string>
#include <vector>

#include "harness/likelihood_job.h"

namespace schedbench {

/// One curve a row. Error("option") at `where` for more than 14 rows, Error("file") if it cannot be written.
void write_terms_plot(const std::string& path, const std::vector<LikelihoodRow>& rows,
                      const std::string& where);

}  // namespace schedbench
