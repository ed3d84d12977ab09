#include "eval/feature_blocks.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

namespace schedbench {

at::Tensor features_in_blocks(const at::Tensor& prepared, int64_t block, int64_t dim,
                              const std::function<at::Tensor(const at::Tensor& images)>& rows) {
    c10::NoGradGuard no_gradients;
    const at::Tensor out = at::empty({prepared.dim() > 0 ? prepared.size(0) : 0, dim}, at::kFloat);
    for (int64_t start = 0; start < out.size(0); start += block) {
        const int64_t count = std::min(block, out.size(0) - start);
        at::Tensor images = prepared.narrow(0, start, count);
        if (count < block) {
            auto shape = images.sizes().vec();
            shape[0] = block - count;
            images = at::cat({images, at::zeros(shape, images.options())});
        }
        out.narrow(0, start, count).copy_(rows(images).narrow(0, 0, count));
    }
    return out;
}

}  // namespace schedbench
