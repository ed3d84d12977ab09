// schedbench verify: a native network against the activations and results of a golden tensor file.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/tensor_row.h"
#include "apps/text_table.h"
#include "apps/verify_edm.h"
#include "core/error.h"
#include "core/hash.h"
#include "models/edm_denoiser.h"
#include "models/native.h"
#include "models/network.h"
#include "models/safetensors.h"

namespace schedbench {
namespace {

// Absolute tolerances. float32 results differ between convolution back ends by up to a third of them.
constexpr double kOutTolerance = 2e-4, kGuidedOutTolerance = 5e-4, kDeepTolerance = 5e-4,
                 kActivationTolerance = 1e-4, kDoubleTolerance = 1e-10;

struct Model {
    std::string file;
    std::string precond = "auto";  ///< the one section of an EDM network to look at; auto: all
};

/// MODEL: a weight file, or native:file=FILE.
Model parse_model(const std::string& model) {
    if (!model.starts_with("native")) return {model};
    const Spec spec = Spec::parse(model, "MODEL");
    const Spec completed = complete(spec, find_entry(native_entries(), spec, "models", "MODEL"), "MODEL");
    return {completed.text("file"), completed.text("precond")};
}

/// Inputs that the network cannot take are the file's fault, said in its terms.
void check_inputs(const SafetensorsFile& golden, const Network& net) {
    const at::Tensor &x = golden.at("x"), &t = golden.at("t");
    if (x.dim() != 4 || x.size(1) != net.in_channels() || !x.is_floating_point())
        throw Error("shape",
                    "x should be floating-point images [B, " + std::to_string(net.in_channels()) + ", H, W]",
                    golden.path);
    if (t.dim() != 1 || t.size(0) != x.size(0) || !t.is_floating_point())
        throw Error(
            "shape",
            "t should be one floating-point time for each of the " + std::to_string(x.size(0)) + " images",
            golden.path);
    if ((net.classes() > 0) != golden.tensors.contains("y"))
        throw Error("shape",
                    net.classes() > 0 ? "holds no labels y, but the network is class-conditional"
                                      : "holds labels y, but the network is unconditional",
                    golden.path);
    if (net.classes() > 0) {
        const at::Tensor& y = golden.at("y");
        if (y.dim() != 1 || y.size(0) != x.size(0) || y.scalar_type() != at::kLong ||
            (y.numel() > 0 && (y.min().item<int64_t>() < 0 || y.max().item<int64_t>() >= net.classes())))
            throw Error("shape",
                        "y should be one class below " + std::to_string(net.classes()) + " for each image",
                        golden.path);
    }
    const int64_t factor = net.side_multiple();
    if (x.size(2) % factor || x.size(3) % factor)
        throw Error("shape", "height and width of x must be multiples of " + std::to_string(factor),
                    golden.path);
    if (!golden.tensors.contains("out"))
        throw Error("file", "holds no tensor \"out\"", golden.path, "give a golden file of a network");
}

/// Rows of one network; those of its activations only where `prefix` is empty.
std::vector<TensorRow> verify_network(const std::string& family, const nlohmann::json& config,
                                      const SafetensorsFile& file, const SafetensorsFile& golden,
                                      const std::string& prefix,
                                      const std::function<double(double)>& tolerance) {
    const auto net = make_network(family, config, file.path);
    Parameters parameters = checked_parameters(*net, file.tensors, file.path);
    check_inputs(golden, *net);
    const at::Tensor labels = golden.tensors.contains("y") ? golden.at("y") : at::Tensor();
    const double out_tolerance = family == "guided_diffusion.UNetModel" ? kGuidedOutTolerance : kOutTolerance;

    std::map<std::string, at::Tensor> taps;
    const at::Tensor out =
        net->forward(parameters, golden.at("x").to(at::kFloat), golden.at("t").to(at::kFloat), labels, 0,
                     [&](const std::string& name, const at::Tensor& value) { taps[name] = value; });
    std::vector<TensorRow> rows{compare_tensors(prefix + "out", out, golden.at(prefix + "out"),
                                                tolerance(out_tolerance), golden.path)};
    for (const auto& [name, want] : golden.tensors) {
        if (!prefix.empty() || !name.starts_with("act.")) continue;
        const auto tap = taps.find(name);
        if (tap == taps.end())
            throw Error("file", "holds \"" + name + "\", which this network does not have", golden.path);
        const int64_t batch = std::min(
            tap->second.size(0), want.dim() ? want.size(0) : 0);  // some are stored for the first images only
        rows.push_back(compare_tensors(name, tap->second.narrow(0, 0, batch), want,
                                       tolerance(name == "act.mid" ? kDeepTolerance : kActivationTolerance),
                                       golden.path));
    }
    if (golden.tensors.contains(prefix + "out.f64")) {
        for (auto& [name, value] : parameters) value = value.to(at::kDouble);
        const at::Tensor exact =
            net->forward(parameters, golden.at("x").to(at::kDouble), golden.at("t").to(at::kDouble), labels);
        rows.push_back(compare_tensors(prefix + "out.f64", exact, golden.at(prefix + "out.f64"),
                                       tolerance(kDoubleTolerance), golden.path));
    }
    return rows;
}

std::vector<TensorRow> verify(const Model& model, const std::string& golden_path, const Options& options) {
    const c10::NoGradGuard no_grad;
    const std::string& weights = model.file;
    const SafetensorsFile file = read_safetensors(weights), golden = read_safetensors(golden_path);
    const auto tolerance = [&](double standard) {
        return options.has("tolerance") ? options.number("tolerance") : standard;
    };
    const std::string family = file.meta("family");
    if (family == "edm.precond") return verify_edm(file, golden, model.precond, tolerance);
    const nlohmann::json config = nlohmann::json::parse(file.meta("config"), nullptr, false);
    std::vector<TensorRow> rows = verify_network(family, config, file, golden, "", tolerance);
    if (golden.tensors.contains("flipped_order.out") && config.contains("use_new_attention_order")) {
        nlohmann::json flipped = config;
        flipped["use_new_attention_order"] = !config.at("use_new_attention_order").get<bool>();
        for (TensorRow& row : verify_network(family, flipped, file, golden, "flipped_order.", tolerance))
            rows.push_back(std::move(row));
    }
    return rows;
}

/// What a weight file is: everything that loading it checks, without a golden file to compare with.
int describe(const Model& model, const Options& options) {
    const SafetensorsFile file = read_safetensors(model.file);
    const std::string& family = file.meta("family");
    const nlohmann::json config = nlohmann::json::parse(file.meta("config"), nullptr, false);
    ParameterShapes shapes;
    if (family == "edm.precond") {
        EdmModel network = EdmModel::from_json(config, file.path);
        network.load(file.tensors, file.path);
        shapes = network.parameter_shapes();
    } else {
        const auto network = make_network(family, config, file.path);
        checked_parameters(*network, file.tensors, file.path);
        shapes = network->parameter_shapes();
    }
    nlohmann::json out = {{"family", family},
                          {"parameters", count_of(shapes)},
                          {"tensors", shapes.size()},
                          {"sha256", sha256_file(file.path)}};
    for (const char* key : {"architecture", "process", "source", "licence", "original_sha256"})
        if (const auto it = file.metadata.find(key); it != file.metadata.end()) out[key] = it->second;
    if (options.on("json")) {
        std::cout << out.dump() << "\n";
    } else {
        TextTable table({"<property", "<value"});
        for (const auto& [key, value] : out.items())
            table.add({key, value.is_string() ? value.get<std::string>() : value.dump()});
        table.print(std::cout);
        std::cout << "Every tensor of the architecture is there, of the right shape, and finite. What they "
                     "compute was "
                     "not compared with anything: give a golden file for that.\n";
    }
    return 0;
}

int run(const std::vector<std::string>& arguments) {
    Options options(kVerifyCommand);
    options
        .positional(
            "file", 2,
            "MODEL: a weight file, or native:file=FILE; GOLDEN: its golden tensor file (x, t, y, "
            "out, out.f64, act.*; for EDM networks every section, or the one of precond=...). Without "
            "GOLDEN: checks names, shapes and values of the weights alone")
        .value("tolerance", "", "largest difference allowed, in place of the ones for each tensor")
        .runtime()
        .json();
    if (!options.parse(arguments)) return 0;
    options.cpu_settings();
    const std::vector<std::string> files = options.texts("file");
    if (files.size() == 1) return describe(parse_model(files[0]), options);
    if (files.size() != 2)
        throw Error("option", "wants one or two files, MODEL and GOLDEN", "verify",
                    std::string("usage: ") + kVerifyCommand.usage);
    const std::vector<TensorRow> rows = verify(parse_model(files[0]), files[1], options);
    nlohmann::json array = nlohmann::json::array();
    TextTable table({"<tensor", "max abs", "rms", "tolerance", "<"});
    bool all = true;
    for (const TensorRow& row : rows) {
        all = all && row.ok();
        const auto number = [](double v) {
            return std::isfinite(v) ? nlohmann::json(v) : nlohmann::json(nullptr);
        };
        array.push_back({{"tensor", row.tensor},
                         {"max_abs", number(row.max_abs)},
                         {"rms", number(row.rms)},
                         {"tolerance", row.tolerance},
                         {"ok", row.ok()}});
        table.add({row.tensor, short_number(row.max_abs, 3), short_number(row.rms, 3),
                   short_number(row.tolerance, 3), row.ok() ? "ok" : "DIFFERENT"});
    }
    if (options.on("json"))
        std::cout << array.dump() << "\n";
    else
        table.print(std::cout);
    return all ? 0 : 1;
}

}  // namespace

const Command kVerifyCommand = {
    "verify", "compare a network with a golden tensor file", "schedbench verify MODEL [GOLDEN] [options]",
    "  schedbench verify tests/golden/nets/id_ss.safetensors tests/golden/nets/id_ss.golden.safetensors\n"
    "  schedbench verify native:file=tests/golden/nets/id_cond.safetensors "
    "tests/golden/nets/id_cond.golden.safetensors --json\n"
    "  schedbench verify native:file=tests/golden/nets/edm_ncsnpp.safetensors,precond=ve "
    "tests/golden/nets/edm_ncsnpp.golden.safetensors\n"
    "  schedbench verify tests/golden/nets/ho_ddpm.safetensors\n"
    "Exit code 1 if a tensor differs by more than its tolerance.\n",
    run};

}  // namespace schedbench
