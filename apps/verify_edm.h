// `verify` for networks of the family edm.precond: every section of a golden file.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "apps/tensor_row.h"
#include "models/safetensors.h"

namespace schedbench {

/// A golden file has sections (metadata `sections`: name -> the wrapper's constructor arguments), each with
/// x, sigma, c_noise, F, D, act.*, the same with class labels left out (nolabel.*) or with augmentation
/// labels (augment.*), and float64 values (*.f64). Rows of all of them; D is compared divided by max(1,
/// sigma). `precond` restricts it to one wrapper (edm, vp, ve, iddpm; "auto": all). `tolerance` maps a
/// tensor's own tolerance to the one to use.
std::vector<TensorRow> verify_edm(const SafetensorsFile& weights, const SafetensorsFile& golden,
                                  const std::string& precond, const std::function<double(double)>& tolerance);

}  // namespace schedbench
