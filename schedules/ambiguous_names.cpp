// Names that mean two schedules or more in the field: whoever types one is shown the choice.
#include "schedules/schedule.h"

namespace schedbench {

namespace {

using Choices = std::vector<AmbiguousName::Choice>;

struct Group {
    std::vector<std::string> names;  ///< spellings
    Choices choices;
};

/// Every spec builds on a table of 1000 entries.
const std::vector<Group>& groups() {
    static const std::vector<Group> list = {
        {{"quadratic", "quad"},
         {{"quadratic-kt", "round(T (k/N)^2) of a table, Watson et al. 2021"},
          {"ddim-quad", "squares up to 0.8 T of a table, Song et al. 2020"},
          {"quadratic-t", "uniform in the square root of VP time, Lu et al. 2022"},
          {"shifted-quadratic-t", "uniform in sqrt(t - t_min), Tong et al. 2024"},
          {"edm:rho=2", "uniform in sqrt(sigma)"}}},
        {{"uniform"},
         {{"edm:rho=1", "uniform in sigma"},
          {"uniform-t", "uniform in VP time"},
          {"even", "even strides of a table from 1 to T"},
          {"even-kt", "round(k T/N) of a table"},
          {"ddim-uniform", "strides of floor(T/N) of a table from 1"},
          {"normal", "even positions in a table, without rounding"}}},
        {{"linear"},
         {{"edm:rho=1", "uniform in sigma"},
          {"uniform-t", "uniform in VP time"},
          {"linspace", "even strides of a table; the linear table itself is the process linear:T=1000"},
          {"normal", "even positions in a table, without rounding"}}},
        {{"time-uniform", "time_uniform"},
         {{"uniform-t", "uniform in VP time, refitted to the range of sigma"},
          {"vp", "uniform in VP time, betas as published"},
          {"even-kt", "round(k T/N) of a table"}}},
        {{"time-quadratic", "time_quadratic"},
         {{"quadratic-t", "uniform in sqrt(t), Lu et al. 2022"},
          {"shifted-quadratic-t", "uniform in sqrt(t - t_min), Tong et al. 2024"}}},
        {{"logsnr", "logSNR", "log-snr"},
         {{"log-linear", "uniform in log SNR"},
          {"edm:rho=1", "what the appendix of Sabour et al. 2024 (AYS) calls LogSNR: uniform in sigma"}}},
        {{"beta"},
         {{"beta-sigma", "quantiles in sigma, diffusers"},
          {"beta-index", "quantiles in the index of a table, ComfyUI"}}},
        {{"kl-optimal", "kl_optimal"},
         {{"arctan:c=1", "as all ports have it"},
          {"arctan:c=0.5", "Sabour et al. 2024, theorem 3.1, with the c of data of standard deviation 0.5"}}},
        {{"align-your-steps", "align_your_steps"},
         {{"ays:end=replace", "the levels; the last is replaced by 0, as ComfyUI does"},
          {"ays:end=sigma-min", "the levels, without a 0"},
          {"ays-index", "the timesteps, as diffusers has them"}}},
        {{"ddim"},
         {{"ddim-uniform", "strides of floor(T/N), as published"},
          {"ddim-uniform-exact", "the same with N entries for every N"},
          {"ddim-quad", "squares up to 0.8 T"},
          {"leading", "diffusers: the same strides, N entries"}}},
        {{"ddim_uniform"},
         {{"ddim-uniform", "strides of floor(T/N) from index 1, Song et al. 2020"},
          {"leading:offset=1", "ComfyUI and latent diffusion: from index 2"}}},
        {{"ddpm"},
         {{"even", "Nichol and Dhariwal 2021"},
          {"leading", "diffusers"},
          {"uniform-t", "uniform in VP time"}}},
        {{"iddpm"},
         {{"even", "strides of the model's own table, Nichol and Dhariwal 2021"},
          {"respacing:sections=10", "the same as a respacing string"},
          {"edm-iddpm", "the discretisation of EDM's ablation, Karras et al. 2022"}}},
        {{"discrete"},
         {{"normal", "stable-diffusion.cpp and k-diffusion: even positions, without rounding"},
          {"linspace", "even strides, rounded"},
          {"simple", "strides of T/N from T down, rounded towards T"}}},
        {{"sgm"},
         {{"sgm-uniform", "ComfyUI: even positions without the last"},
          {"edm", "EDMDiscretization of generative-models"}}},
        {{"turbo"},
         {{"trailing", "strides of T/N from T"},
          {"lcm:origin-steps=10", "N of the ten entries that the model was distilled on"}}},
        {{"flow", "shift", "flow-match"},
         {{"flow-shift", "sigma/(1-sigma) of flow time, shifted by a constant"},
          {"flow-exp", "exponential shift"},
          {"flux", "shift by the number of tokens"}}},
        {{"squaredcos_cap_v2"},
         {{"cosine", "uniform in the time of the cosine law"},
          {"cosine-tangent", "the same, not normalised"},
          {"linspace", "strides of a table; the table of this name is the process cosine:T=1000"}}},
        {{"scaled_linear", "scaled-linear"},
         {{"linspace", "strides of a table; the table of this name is the process scaled-linear:T=1000"},
          {"trailing", "strides from T"},
          {"normal", "even positions, without rounding"}}},
    };
    return list;
}

}  // namespace

const std::vector<AmbiguousName>& ambiguous_schedules() {
    static const std::vector<AmbiguousName> list = [] {
        std::vector<AmbiguousName> names;
        for (const Group& group : groups())
            for (const std::string& name : group.names) names.push_back({name, group.choices});
        return names;
    }();
    return list;
}

}  // namespace schedbench
