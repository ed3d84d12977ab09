// EDM's networks in their wrappers against every golden file of the family, section by section.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "golden.h"
#include "models/edm_denoiser.h"
#include "models/native.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

double max_abs(const at::Tensor& a, const at::Tensor& b) {
    return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

/// Largest |a - b| / max(1, sigma), sigma one a batch item.
double max_scaled(const at::Tensor& a, const at::Tensor& b, const at::Tensor& sigma) {
    const at::Tensor scale = sigma.to(at::kDouble).clamp_min(1).reshape({-1, 1, 1, 1});
    return ((a.to(at::kDouble) - b.to(at::kDouble)) / scale).abs().max().item<double>();
}

struct Section {
    std::string name, weights;
    nlohmann::json config;
    const SafetensorsFile& golden;
    const SafetensorsFile& file;

    bool is(const char* cls) const { return config.at("class") == cls; }
    at::Tensor tensor(const std::string& suffix) const { return golden.at(name + "." + suffix); }
    bool has(const std::string& suffix) const { return golden.tensors.contains(name + "." + suffix); }
    at::Tensor shared(const char* key) const {
        return golden.tensors.contains(key) ? golden.at(key) : at::Tensor();
    }
    // Float32 phases: c_noise of VPPrecond is rounded, the Fourier embedding turns through hundreds of
    // radians.
    double f_tolerance() const {
        if (is("VPPrecond")) return 1e-3;
        return is("VEPrecond") && config.value("embedding_type", "") == "fourier" ? 2e-4 : 1e-4;
    }
    double d_tolerance() const { return is("VPPrecond") ? 2e-4 : 1e-4; }
};

template <class Check>
void for_each_section(const Check& check) {
    for (const auto& path : golden::files("nets", ".golden.safetensors")) {
        const SafetensorsFile golden = read_safetensors(path.string());
        const auto family = golden.metadata.find("family");
        if (family == golden.metadata.end() || family->second != "edm.precond") continue;
        std::string weights = path.string();
        weights.replace(weights.find(".golden"), 7, "");
        const SafetensorsFile file = read_safetensors(weights);
        const auto sections = nlohmann::json::parse(golden.meta("sections"));
        for (const auto& [name, config] : sections.items())
            check(Section{name, weights, config, golden, file});
    }
}

TEST(GoldenEdm, EverySectionOfEveryNetwork) {
    golden::Tally raw("nets/edm F float32"), denoised("nets/edm D / max(1, sigma) float32"),
        noise("nets/edm c_noise"), acts("nets/edm activations"), exact("nets/edm F, D, c_noise float64");
    for_each_section([&](const Section& s) {
        SCOPED_TRACE(s.weights + " " + s.name);
        EdmModel model = EdmModel::from_json(s.config, s.weights);
        const Parameters parameters = model.load(s.file.tensors, s.weights);
        Parameters doubles = parameters;
        for (auto& [name, value] : doubles) value = value.to(at::kDouble);
        const at::Tensor sigma = s.tensor("sigma");
        const std::string what = s.weights.substr(s.weights.rfind('/') + 1) + " " + s.name;

        size_t seen = 2;  // x and sigma
        for (const std::string variant : {"", "nolabel.", "augment."}) {
            if (!s.has(variant + "D")) continue;
            const at::Tensor classes = variant == "nolabel." ? at::Tensor() : s.shared("class_labels");
            const at::Tensor augment = variant == "augment." ? s.shared("augment_labels") : at::Tensor();
            std::map<std::string, at::Tensor> taps;
            const auto out =
                model(parameters, s.tensor("x"), sigma, classes, augment,
                      [&](const std::string& name, const at::Tensor& value) { taps[name] = value; });
            raw.add(max_abs(out.raw, s.tensor(variant + "F")), s.f_tolerance(), what + " " + variant + "F");
            denoised.add(max_scaled(out.denoised, s.tensor(variant + "D"), sigma), s.d_tolerance(),
                         what + " " + variant + "D");
            seen += 2;
            const auto out64 = model(doubles, s.tensor("x"), sigma, classes, augment);
            for (const auto& [suffix, value] :
                 {std::pair{"F.f64", out64.raw}, std::pair{"D.f64", out64.denoised}})
                if (s.has(variant + suffix)) {
                    exact.add(max_scaled(value, s.tensor(variant + suffix), sigma), 1e-10,
                              what + " " + variant + suffix);
                    ++seen;
                }
            if (!variant.empty()) continue;
            const double largest = std::max(1.0, s.tensor("c_noise").abs().max().item<double>());
            noise.add(max_abs(out.c_noise, s.tensor("c_noise")), s.is("VPPrecond") ? 1e-4 : 1e-6 * largest,
                      what + " c_noise");
            exact.add(max_abs(out64.c_noise, s.tensor("c_noise.f64")),
                      1e-12 * std::max(1.0, s.tensor("c_noise.f64").abs().max().item<double>()),
                      what + " c_noise.f64");
            seen += 2;
            for (const auto& [name, value] : s.golden.tensors) {
                if (!name.starts_with(s.name + ".act.")) continue;
                const std::string tap = name.substr(s.name.size() + 1);
                ASSERT_TRUE(taps.contains(tap)) << name;
                const double scale = s.is("VEPrecond") ? std::max(1.0, value.abs().max().item<double>()) : 1;
                const double tolerance = s.f_tolerance() > 1e-4 ? 1e-3 : tap == "act.mid" ? 2e-4 : 1e-4;
                acts.add(max_abs(taps[tap].narrow(0, 0, value.size(0)), value) / scale, tolerance,
                         what + " " + tap);
                ++seen;
            }
        }
        size_t stored = 0;
        for (const auto& [name, value] : s.golden.tensors) stored += name.starts_with(s.name + ".");
        EXPECT_EQ(seen, stored) << "a tensor of the section was not compared";
    });
    for (const auto* tally : {&raw, &denoised, &noise, &acts, &exact}) tally->report();
}

TEST(GoldenEdm, DenoiserFromAWeightFile) {
    golden::Tally tally("nets/edm D / max(1, sigma) through native:file");
    for_each_section([&](const Section& s) {
        SCOPED_TRACE(s.weights + " " + s.name);
        const EdmPrecond::Kind kind = precond_of(s.config, s.weights);
        const Spec spec = Spec::parse("native:file='" + s.weights + "',precond=" + precond_name(kind));
        const auto denoiser =
            load_native(complete(spec, find_entry(native_entries(), spec, "models", ""), ""), "");
        const at::Tensor sigma = s.tensor("sigma").to(at::kDouble);
        const auto* edm = dynamic_cast<const EdmDenoiser*>(denoiser.get());
        ASSERT_NE(edm, nullptr);
        const EdmModel wanted = EdmModel::from_json(s.config, s.weights);
        if (max_abs(edm->model().precond().coefficients(sigma).noise,
                    wanted.precond().coefficients(sigma).noise) > 0)
            return;  // the section has arguments of its own, which the weight file does not know
        at::Tensor time = at::empty_like(sigma);
        for (int64_t i = 0; i < sigma.size(0); ++i)
            time[i] = denoiser->process().locate(sigma[i].item<double>()).model_time;
        const at::Tensor rows = s.shared("class_labels"), labels = rows.defined() ? rows.argmax(1) : rows;
        const auto check = [&](const at::Tensor& x, const at::Tensor& y, const std::string& suffix) {
            const DenoiserOutput out = (*denoiser)(x, sigma, time, y);
            EXPECT_EQ(out.x0.scalar_type(), x.scalar_type());
            tally.add(max_scaled(out.x0, s.tensor(suffix), sigma), s.d_tolerance(), s.name + "." + suffix);
        };
        check(s.tensor("x"), labels, "D");
        check(s.tensor("x").to(at::kDouble), labels, "D");
        if (s.has("nolabel.D")) check(s.tensor("x"), {}, "nolabel.D");

        EXPECT_EQ(denoiser->shape(), s.tensor("x").sizes().slice(1).vec());
        EXPECT_EQ(denoiser->classes(), s.config.value("label_dim", 0));
        EXPECT_EQ(denoiser->spec().find(s.weights), std::string::npos);
        EXPECT_NE(denoiser->spec().find("precond=" + precond_name(kind)), std::string::npos);
        if (kind == precond_of(nlohmann::json::parse(s.file.meta("config")), "")) {
            const Spec plain = Spec::parse("native:file='" + s.weights + "'");
            EXPECT_EQ(load_native(complete(plain, find_entry(native_entries(), plain, "models", ""), ""), "")
                          ->spec(),
                      denoiser->spec());
        }
    });
    tally.report();
}

}  // namespace
}  // namespace schedbench
