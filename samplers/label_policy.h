// Which class each sample of a conditional model gets, by its id and the seed alone, so that samples of one
// seed stay paired and any block can be made by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>

#include "samplers/sampler.h"

namespace schedbench {

class LabelPolicy {
  public:
    /// random (by the noise policy and the seed), balanced (id modulo the number of classes) or fixed:CLASS.
    /// Error("option") at `where` for anything else.
    static LabelPolicy parse(const std::string& text, const std::string& where);

    /// In the identity of samples: "uniform" for random, else as it was written.
    std::string name() const;
    /// Error("option") at `where` for a class that the model does not have, or a choice where there is none.
    void check(int64_t classes, const std::string& where) const;
    /// [B] int64; undefined for a model without classes. `noise` is that of the same ids.
    at::Tensor labels(const BlockNoise& noise, std::span<const int64_t> ids, int64_t classes) const;

  private:
    enum class Kind { random, balanced, fixed };
    Kind kind_ = Kind::random;
    int64_t class_ = 0;
};

}  // namespace schedbench
