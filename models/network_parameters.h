// The parameters of a loaded network: as its file has them, as they are in use, and what evaluation makes of
// those.
#pragma once

#include <utility>

#include "models/evaluation.h"
#include "models/parameters.h"

namespace schedbench {

class NetworkParameters {
  public:
    explicit NetworkParameters(Parameters of_file) : in_use_(std::move(of_file)) {}

    /// Convolutions and attention in bfloat16; before the first evaluation.
    void use_bf16() {
        of_file_ = in_use_;
        in_use_ = with_bf16_trunk(std::move(in_use_));
    }
    /// Of a copy that has not been evaluated.
    void move_to(at::Device device) { in_use_ = on_device(std::move(in_use_), device); }

    const Parameters& in_use() const { return in_use_; }
    /// As they were before use_bf16().
    const Parameters& of_file() const { return of_file_.empty() ? in_use_ : of_file_; }
    const Parameters& for_evaluation() const { return evaluation_.of(in_use_); }

  private:
    Parameters in_use_, of_file_;  ///< of_file_: empty while it is what is in use
    EvaluationParameters evaluation_;
};

}  // namespace schedbench
