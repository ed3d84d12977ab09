// Bits/dim traces of the reference implementation, with its recorded noise: every term of the bound, for
// networks and the exact model, in both clip modes, all variances, respaced and not.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numbers>

#include "golden.h"
#include "likelihood/denoising_statistics.h"
#include "likelihood/image_terms.h"
#include "models/exact.h"
#include "models/native.h"
#include "models/safetensors.h"
#include "tanh_variance.h"

namespace schedbench {
namespace {

using nlohmann::json;

/// The network in float64 throughout.
class WideNetwork final : public Denoiser {
  public:
    explicit WideNetwork(std::shared_ptr<const NativeDenoiser> inner) : inner_(std::move(inner)) {
        for (const auto& [name, value] : inner_->parameters()) parameters_[name] = value.to(at::kDouble);
    }
    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& time,
                              const at::Tensor& labels) const override {
        const double sigma = levels[0].item<double>();
        const double rescale = inner_->description().rescale_timesteps ? 1000.0 / process().table_size() : 1;
        const at::Tensor raw = inner_->network().forward(parameters_, x / std::sqrt(1 + sigma * sigma),
                                                         time.to(at::kDouble) * rescale, labels);
        const int64_t channels = x.size(1);
        return {x - sigma * raw.narrow(1, 0, channels),
                has_variance() ? raw.narrow(1, channels, channels) : at::Tensor()};
    }
    const NoiseProcess& process() const override { return inner_->process(); }
    std::vector<int64_t> shape() const override { return inner_->shape(); }
    int64_t classes() const override { return inner_->classes(); }
    bool has_variance() const override { return inner_->has_variance(); }
    std::string spec() const override { return "float64"; }

  private:
    std::shared_ptr<const NativeDenoiser> inner_;
    Parameters parameters_;
};

std::shared_ptr<const NativeDenoiser> network(const std::filesystem::path& path, const std::string& process,
                                              bool rescale, int64_t size) {
    SafetensorsFile weights = read_safetensors(path.string());
    weights.metadata["process"] = process;
    weights.metadata["rescale_timesteps"] = rescale ? "true" : "false";
    weights.metadata["image_size"] = std::to_string(size);
    NetworkDescription description = NetworkDescription::from_metadata(weights.metadata, weights.path);
    Parameters parameters = checked_parameters(UNet(description.config), weights.tensors, weights.path);
    return std::make_shared<NativeDenoiser>(std::move(description), std::move(parameters), "network", "");
}

/// One image's statistics at the nodes of a path.
struct ImageTerms {
    std::vector<double> error, v_mean, v_var, v_min, v_max;  // [K], rising in t
    std::vector<LaplaceSums::Sums> at_lambda;
    double decoder = 0;
    LearnedVarianceStatistics learned;
};

class Trace {
  public:
    Trace(const SafetensorsFile& file, const SafetensorsFile& inputs, const std::filesystem::path& folder)
        : file_(file),
          folder_(folder),
          x0_(inputs.at("x_start").to(at::kDouble).contiguous()),
          noise_(inputs.at("noise").to(at::kDouble)),
          labels_(inputs.at("y")) {}

    void check(const std::string& name, const json& arguments, bool wide, golden::Tally& terms,
               golden::Tally& totals, golden::Tally& errors, golden::Tally& transforms) {
        const bool is_network = arguments["model"].is_string();
        const std::string kind = arguments["model_var_type"];
        const bool learned = kind == "LEARNED_RANGE", clip = arguments["clip_denoised"];
        const ElboVariance variance = learned                 ? ElboVariance::learned
                                      : kind == "FIXED_SMALL" ? ElboVariance::posterior
                                                              : ElboVariance::beta;
        const std::shared_ptr<const Denoiser> model = model_of(arguments, wide);
        const NoiseProcess& chain = model->process();
        const at::Tensor steps = file_.at(name + ".timesteps");
        std::vector<int> nodes;  // rising
        for (int64_t k = steps.size(0); k-- > 0;)
            nodes.push_back(static_cast<int>(steps[k].item<int64_t>()) + 1);
        // In float64 a network is slow: one image, where the path is short.
        const bool slow = wide && is_network;
        if (slow && nodes.size() > 10) return;
        const auto columns = static_cast<int64_t>(nodes.size()), images = slow ? 1 : x0_.size(0);
        std::vector<DenoisedLevel> levels;
        for (size_t k = 0; k < nodes.size(); ++k)
            levels.push_back(evaluated(
                *model, arguments["model"].dump() + arguments["noise_schedule"].dump() + (wide ? "wide" : ""),
                nodes[k], columns - 1 - static_cast<int64_t>(k), images));
        // float64 code agrees with the .f64 tensors to 1e-8; float32 with the others as the README says.
        const std::string suffix = wide || !is_network ? ".f64" : "";
        const auto tolerance = [&](double value, bool decoder) {
            return !suffix.empty() ? 1e-8 * (1 + std::abs(value))
                   : decoder       ? 3e-4
                                   : 5e-5 * (1 + std::abs(value));
        };
        for (int64_t i = 0; i < images; ++i) {
            const ImageTerms own = terms_of(levels, nodes, chain, i, clip, learned);
            const auto width = static_cast<size_t>(chain.table_size()) + 1;
            ElboStatistics s;
            s.error.assign(width, 0);
            s.decoder.assign(width, 0);
            for (size_t k = 0; k < nodes.size(); ++k) s.error[static_cast<size_t>(nodes[k])] = own.error[k];
            s.decoder[static_cast<size_t>(nodes[0])] = own.decoder;
            s.second_moment = x0_[i].square().mean().item<double>();
            if (learned) s.learned = own.learned;
            const ElboChain elbo(chain, s);
            for (size_t k = 0; k < nodes.size(); ++k) {
                const int64_t column = columns - 1 - static_cast<int64_t>(k);
                const auto value = [&](const char* what) {
                    return file_.at(name + what)[i][column].item<double>();
                };
                const double expected = value((".vb" + suffix).c_str());
                const double ours =
                    nats_to_bits(k == 0 ? own.decoder : elbo.edge(variance, nodes[k - 1], nodes[k]));
                terms.add(std::abs(ours - expected), tolerance(expected, k == 0), name);
                const double snr = chain.abar(nodes[k]) / chain.one_minus_abar(nodes[k]);
                errors.add(std::abs(own.error[k] - value(".xstart_mse")), 2e-4 * value(".xstart_mse") + 1e-6,
                           name);
                errors.add(std::abs(own.error[k] * snr - value(".mse")), 2e-4 * value(".mse") + 1e-6,
                           name + " mse");
                if (!learned || !file_.tensors.contains(name + ".v.mean")) continue;
                const double loose = wide ? 1e-9 : 1e-4;
                transforms.add(std::abs(own.v_mean[k] - value(".v.mean")), loose, name + " mean of v");
                transforms.add(std::abs(own.v_var[k] - value(".v.var")), loose, name + " variance of v");
                transforms.add(std::abs(own.v_min[k] - value(".v.min")), 5 * loose, name + " least v");
                transforms.add(std::abs(own.v_max[k] - value(".v.max")), 5 * loose, name + " largest v");
                const at::Tensor phi = file_.at(name + ".v.phi")[i][column],
                                 psi = file_.at(name + ".v.psi")[i][column];
                const double d = static_cast<double>(x0_[i].numel());
                for (int64_t j = 0; j < phi.size(0); ++j) {
                    const double p = phi[j].item<double>(), q = psi[j].item<double>();
                    const auto at = static_cast<size_t>(j);
                    transforms.add(std::abs(own.at_lambda[k].plain[at] / d - p), wide ? 1e-9 * p : 1e-3 * p,
                                   name + " phi");
                    transforms.add(std::abs(own.at_lambda[k].first[at] / d - q),
                                   wide ? 1e-8 * q : 1e-3 * q + 1e-6, name + " psi");
                }
            }
            const double prior = file_.at(name + ".prior_bpd" + suffix)[i].item<double>(),
                         total = file_.at(name + ".total_bpd" + suffix)[i].item<double>();
            totals.add(std::abs(nats_to_bits(elbo.prior(nodes.back())) - prior), suffix.empty() ? 1e-7 : 1e-8,
                       name + " prior");
            totals.add(std::abs(nats_to_bits(elbo.path_cost(variance, nodes)) - total),
                       tolerance(total, false), name);
        }
    }

  private:
    std::shared_ptr<const Denoiser> model_of(const json& arguments, bool wide) {
        const std::string process = arguments["noise_schedule"].get<std::string>() +
                                    ":T=" + std::to_string(arguments["diffusion_steps"].get<int>());
        const json& model = arguments["model"];
        auto& known = models_[model.dump() + process + (wide ? " wide" : "")];
        if (known) return known;
        if (model.is_string()) {
            const auto narrow = network(folder_ / model.get<std::string>(), process,
                                        arguments["rescale_timesteps"], x0_.size(2));
            known = wide ? std::shared_ptr<const Denoiser>(std::make_shared<WideNetwork>(narrow)) : narrow;
        } else {
            const auto sizes = x0_.sizes();
            known = make_exact(Spec::parse("exact:gaussian,c=" + format_number(model["c"]) + ",shape=[" +
                                           std::to_string(sizes[1]) + "," + std::to_string(sizes[2]) + "," +
                                           std::to_string(sizes[3]) + "],process={" + process + "}"));
            if (model["variance_channels"].is_string()) known = std::make_shared<TanhVariance>(known);
        }
        return known;
    }

    /// Evaluations do not depend on the clip rule, so cases share them.
    const DenoisedLevel& evaluated(const Denoiser& model, const std::string& what, int t, int64_t step,
                                   int64_t images) {
        auto& known = evaluations_[what + " " + std::to_string(t) + " " + std::to_string(step)];
        if (known.x0hat.defined()) return known;
        const at::Tensor x = (x0_ + model.process().sigma(t) * noise_[step]).narrow(0, 0, images);
        known = denoise_level(model, model.process(), t, x,
                              model.classes() > 0 ? labels_.narrow(0, 0, images) : at::Tensor());
        return known;
    }

    ImageTerms terms_of(const std::vector<DenoisedLevel>& levels, const std::vector<int>& nodes,
                        const NoiseProcess& chain, int64_t i, bool clip, bool learned) {
        ImageTerms out;
        const at::Tensor x0 = x0_[i].contiguous();
        const auto n = static_cast<size_t>(x0.numel());
        const double d = static_cast<double>(n);
        if (learned) {
            const auto width = static_cast<size_t>(chain.table_size()) + 1;
            LaplaceValues flat;
            flat.fill(1);
            out.learned = {std::vector<LaplaceValues>(width, flat),
                           std::vector<LaplaceValues>(width, LaplaceValues{}), std::vector<double>(width, 0)};
        }
        for (size_t k = 0; k < nodes.size(); ++k) {
            at::Tensor hat = levels[k].x0hat[i];
            if (clip) hat = hat.clamp(-1, 1);
            hat = hat.contiguous();
            const at::Tensor square = (x0 - hat).square().contiguous();
            out.error.push_back(
                squared_distance(x0.const_data_ptr<double>(), hat.const_data_ptr<double>(), n) / d);
            const double b = chain.one_minus_abar(nodes[k]);
            const double small = nodes.size() > 1 ? chain.posterior_variance(nodes[0], nodes[1]) : b;
            if (!learned) {
                if (k == 0)
                    out.decoder = decoder_cost(x0.unsqueeze(0), hat.unsqueeze(0), small, DecoderKind::tanh)
                                      .item<double>();
                continue;
            }
            const at::Tensor v = levels[k].v[i].contiguous();
            out.v_mean.push_back(v.mean().item<double>());
            out.v_var.push_back((v - v.mean()).square().mean().item<double>());
            out.v_min.push_back(v.min().item<double>());
            out.v_max.push_back(v.max().item<double>());
            const double *vs = v.const_data_ptr<double>(), *squares = square.const_data_ptr<double>();
            if (k == 0) {  // by the kernel of the statistics pass
                std::vector<double> inverse(n);
                const at::Tensor error = (x0 - hat).contiguous();
                learned_inverse_sd(vs, std::log(b), std::log(small), inverse.data(), n);
                out.decoder = tanh_decoder_sum(x0.const_data_ptr<double>(), error.const_data_ptr<double>(),
                                               inverse.data(), n) /
                              d;
            }
            const auto at = static_cast<size_t>(nodes[k]);
            const LaplaceSums::Sums sums = transform(laplace_nodes(chain, nodes[k]))(vs, squares, squares, n);
            for (size_t j = 0; j < kLaplaceNodes; ++j) {
                out.learned.phi[at][j] = sums.plain[j] / d;
                out.learned.psi[at][j] = sums.first[j] / d;
            }
            out.learned.mean_v[at] = sums.v / d;
            LaplaceValues lambda{};
            if (file_.tensors.contains("v.lambda")) {
                const at::Tensor listed = file_.at("v.lambda");
                for (int64_t j = 0; j < listed.size(0); ++j)
                    lambda[static_cast<size_t>(j)] = listed[j].item<double>();
            }
            out.at_lambda.push_back(transform(lambda)(vs, squares, squares, n));
        }
        return out;
    }

    const LaplaceSums& transform(const LaplaceValues& lambda) {
        return transforms_.try_emplace(lambda, lambda).first->second;
    }

    const SafetensorsFile& file_;
    std::filesystem::path folder_;
    at::Tensor x0_, noise_, labels_;
    std::map<std::string, std::shared_ptr<const Denoiser>> models_;
    std::map<std::string, DenoisedLevel> evaluations_;
    std::map<LaplaceValues, LaplaceSums> transforms_;
};

TEST(GoldenBitsPerDim, EveryTermOfTheReferenceImplementation) {
    golden::Tally terms("nets/improved_diffusion_bpd terms"), totals("nets/improved_diffusion_bpd totals"),
        errors("nets/improved_diffusion_bpd errors"), transforms("nets/improved_diffusion_bpd v statistics"),
        terms64("nets/improved_diffusion_bpd terms in float64"),
        totals64("nets/improved_diffusion_bpd totals in float64"),
        errors64("nets/improved_diffusion_bpd errors in float64"),
        transforms64("nets/improved_diffusion_bpd v statistics in float64");
    at::set_num_threads(1);  // small networks: threads would wait for one another most of the time
    int networks = 0, exact = 0;
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile file = read_safetensors(path.string());
        const auto kind = file.metadata.find("kind");
        if (kind == file.metadata.end() || kind->second != "improved_diffusion_bpd") continue;
        const SafetensorsFile inputs = read_safetensors((path.parent_path() / file.meta("inputs")).string());
        Trace trace(file, inputs, path.parent_path());
        const json cases = json::parse(file.meta("cases"));
        for (const auto& [name, arguments] : cases.items()) {
            ++(arguments["model"].is_string() ? networks : exact);
            trace.check(name, arguments, true, terms64, totals64, errors64, transforms64);
            if (arguments["model"].is_string())
                trace.check(name, arguments, false, terms, totals, errors, transforms);
        }
    }
    for (const golden::Tally* tally :
         {&terms64, &totals64, &errors64, &transforms64, &terms, &totals, &errors, &transforms})
        tally->report();
    std::printf("golden: nets/improved_diffusion_bpd: %d traces of networks, %d of the exact model\n",
                networks, exact);
    EXPECT_GT(networks, 0);
    EXPECT_GT(exact, 0);
}

}  // namespace
}  // namespace schedbench
