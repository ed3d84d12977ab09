#include "models/program_denoiser.h"

#include <ATen/ATen.h>

#include <cmath>

#include "core/error.h"

namespace schedbench {

namespace {

enum class Prediction { x0, eps, v, score, edm };

Prediction prediction_of(const std::string& name) {
    if (name == "x0") return Prediction::x0;
    if (name == "eps") return Prediction::eps;
    if (name == "v") return Prediction::v;
    return name == "score" ? Prediction::score : Prediction::edm;
}

struct Settings {
    Prediction prediction;
    double sigma_data;
    bool rescale, unit_range, one_hot;
};

void require(bool ok, const std::string& message, const std::string& where, const std::string& hint) {
    if (!ok) throw Error("spec", message, where, hint);
}

class ProgramDenoiser final : public Denoiser {
  public:
    ProgramDenoiser(NetworkProgram program, Settings settings, NoiseProcess process, std::string spec)
        : program_(std::move(program)),
          settings_(settings),
          process_(std::move(process)),
          spec_(std::move(spec)) {}

    DenoiserOutput operator()(const at::Tensor& x, const at::Tensor& levels, const at::Tensor& model_time,
                              const at::Tensor& labels) const override;
    const NoiseProcess& process() const override { return process_; }
    std::vector<int64_t> shape() const override { return {program_.channels, program_.size, program_.size}; }
    int64_t classes() const override { return program_.classes; }
    bool has_variance() const override { return has_variance_; }
    bool differentiable() const override { return program_.differentiable; }
    std::string spec() const override { return spec_; }
    std::string weights_hash() const override { return program_.hash; }
    at::Device device() const override { return program_.device; }
    std::shared_ptr<const Denoiser> moved_to(at::Device device) const override {
        if (!program_.moved) return Denoiser::moved_to(device);
        auto out = std::make_shared<ProgramDenoiser>(*this);
        out->program_ = program_.moved(device);
        return out;
    }

    /// One call with an image of zeros: says whether there are variance channels; Error("model") for an
    /// output of another shape.
    void probe();

  private:
    at::Tensor call(const at::Tensor& image, const at::Tensor& time, const at::Tensor& labels) const;

    NetworkProgram program_;
    Settings settings_;
    NoiseProcess process_;
    std::string spec_;
    bool has_variance_ = false;
};

at::Tensor ProgramDenoiser::call(const at::Tensor& image, const at::Tensor& time,
                                 const at::Tensor& labels) const {
    std::vector<at::Tensor> inputs = {image.to(at::kFloat), time.to(at::kFloat)};
    if (program_.classes > 0) {
        if (!labels.defined())
            throw Error("model", "is class-conditional, and no labels were given", program_.path);
        inputs.push_back(settings_.one_hot ? at::one_hot(labels, program_.classes).to(at::kFloat) : labels);
    }
    at::Tensor out = program_.call(inputs);
    std::vector<int64_t> wanted = image.sizes().vec();
    const bool variance = out.dim() == 4 && out.size(1) == 2 * program_.channels;
    if (variance) wanted[1] *= 2;
    if (out.sizes() != at::IntArrayRef(wanted) || !out.is_floating_point())
        throw Error("model",
                    "forward() returns another shape than that of its images, or twice as many channels",
                    program_.path,
                    "channels= and size= say " + std::to_string(program_.channels) + " and " +
                        std::to_string(program_.size));
    return out;
}

void ProgramDenoiser::probe() {
    const at::Tensor labels = program_.classes > 0 ? at::zeros({1}, at::kLong) : at::Tensor();
    const double time = process_.discrete() ? 0 : process_.sigma_max();
    has_variance_ =
        call(at::zeros({1, program_.channels, program_.size, program_.size}), at::full({1}, time), labels)
            .size(1) == 2 * program_.channels;
}

DenoiserOutput ProgramDenoiser::operator()(const at::Tensor& x, const at::Tensor& levels,
                                           const at::Tensor& model_time, const at::Tensor& labels) const {
    const auto dtype = x.scalar_type();
    // Images in [0, 1] are (x + 1)/2, and their levels half as high.
    const double scale = settings_.unit_range ? 0.5 : 1;
    const at::Tensor image = settings_.unit_range ? (x + 1) * 0.5 : x;
    const at::Tensor sigma = levels.to(at::kDouble).mul(scale).reshape({-1, 1, 1, 1});
    const at::Tensor total = sigma.square() + 1;
    const auto times = [&](const at::Tensor& factor, const at::Tensor& value) {
        return factor.to(dtype) * value.to(dtype);
    };
    const int64_t channels = program_.channels;
    at::Tensor raw, x0;
    if (settings_.prediction == Prediction::edm) {
        const double sd = settings_.sigma_data;
        const at::Tensor sum = sigma.square() + sd * sd;
        raw = call(times(sum.rsqrt(), image), sigma.flatten().log() / 4, labels);
        x0 = times(sd * sd / sum, image) + times(sigma * sd * sum.rsqrt(), raw.narrow(1, 0, channels));
    } else if (process_.discrete()) {
        const at::Tensor y = times(total.rsqrt(), image);
        const double rescale = settings_.rescale ? 1000.0 / process_.table_size() : 1;
        raw = call(y, model_time * rescale, labels);
        const at::Tensor n = raw.narrow(1, 0, channels);
        if (settings_.prediction == Prediction::x0)
            x0 = n.to(dtype);
        else if (settings_.prediction == Prediction::eps)
            x0 = image - times(sigma, n);
        else if (settings_.prediction == Prediction::v)
            x0 = times(total.rsqrt(), y) - times(sigma * total.rsqrt(), n);
        else
            x0 = image + times(sigma.square() * total.rsqrt(), n);  // (y + s^2 N) / alpha
    } else {
        raw = call(image, sigma.flatten(), labels);
        const at::Tensor n = raw.narrow(1, 0, channels);
        if (settings_.prediction == Prediction::x0)
            x0 = n.to(dtype);
        else if (settings_.prediction == Prediction::eps)
            x0 = image - times(sigma, n);
        else
            x0 = image + times(sigma.square(), n);
    }
    DenoiserOutput out;
    out.x0 = settings_.unit_range ? x0 * 2 - 1 : x0;
    if (has_variance_) out.variance = raw.narrow(1, channels, channels);
    return out;
}

}  // namespace

std::vector<SpecParam> program_params() {
    using Type = SpecParam::Type;
    return {
        {"prediction", Type::choice, "eps", "what the network predicts", {"eps", "x0", "v", "score", "edm"}},
        {"process", Type::text, "linear:T=1000",
         "noise process: a table (the network is told y and t) or continuous:... (x and sigma)"},
        {"range", Type::choice, "symmetric", "range of its images: [-1, 1] or [0, 1]", {"symmetric", "unit"}},
        {"labels",
         Type::choice,
         "index",
         "how labels are given: index or one-hot rows",
         {"index", "one-hot"}},
        {"rescale", Type::flag, "false", "tell t*1000/T instead of t (tables)"},
        {"sigma-data", Type::number, "0.5", "of prediction=edm"}};
}

std::shared_ptr<const Denoiser> make_program_denoiser(const Spec& completed, NetworkProgram program,
                                                      const std::string& where) {
    NoiseProcess process(Spec::parse(completed.text("process"), where), where);
    Settings s{};
    s.prediction = prediction_of(completed.text("prediction"));
    s.sigma_data = completed.number("sigma-data");
    s.rescale = completed.flag("rescale");
    s.unit_range = completed.text("range") == "unit";
    s.one_hot = completed.text("labels") == "one-hot";
    require(program.channels > 0 && program.size > 0 && program.classes >= 0 && s.sigma_data > 0,
            "channels, size and sigma-data must be positive, classes not negative", where, "");
    require(s.prediction != Prediction::edm || !process.discrete(),
            "prediction=edm is for a range of levels, and the process is a table", where,
            "give process='continuous:sigma-min=0.002,sigma-max=80'");
    require(s.prediction != Prediction::v || process.discrete(),
            "prediction=v is for a table of levels, and the process is a range", where,
            "give process=linear:T=1000 or the like");
    require(!s.unit_range || !process.discrete(),
            "range=unit is for a range of levels: half of a table's levels are not in the table", where,
            "let the exported program take images in [-1, 1]");
    require(!s.rescale || process.discrete(), "rescale=true is for a table of levels", where,
            "leave rescale out");
    Spec identity = completed;
    identity.set("file", SpecValue::of_text("sha256-" + program.hash));
    identity.set("process", SpecValue::of_text(process.spec().print()));
    auto out = std::make_shared<ProgramDenoiser>(std::move(program), s, std::move(process), identity.print());
    out->probe();
    return out;
}

}  // namespace schedbench
