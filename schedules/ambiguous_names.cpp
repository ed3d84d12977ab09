// Names that mean two schedules or more in the field: whoever types one is shown the choice.
#include "schedules/schedule.h"

namespace schedbench {

const std::vector<AmbiguousName>& ambiguous_schedules() {
    static const std::vector<AmbiguousName> list = {
        {"quadratic",
         {{"quadratic-kt", "round(T (k/N)^2) of a table, Watson et al. 2021"},
          {"ddim-quad", "squares up to 0.8 T, Song et al. 2020"},
          {"quadratic-t", "uniform in the square root of VP time, Lu et al. 2022"},
          {"shifted-quadratic-t", "uniform in sqrt(t - t_min), Tong et al. 2024"},
          {"edm:rho=2", "uniform in sqrt(sigma)"}}},
        {"uniform",
         {{"edm:rho=1", "uniform in sigma"},
          {"uniform-t", "uniform in VP time"},
          {"even", "even strides of a table from 1 to T"},
          {"even-kt", "round(k T/N) of a table"},
          {"ddim-uniform", "strides of floor(T/N) from 1"}}},
    };
    return list;
}

}  // namespace schedbench
