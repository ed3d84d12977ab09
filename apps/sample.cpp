// schedbench sample: the images of one cell.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/schedule_options.h"
#include "apps/step_traffic.h"
#include "core/error.h"
#include "core/hdf5.h"
#include "core/peak_memory.h"
#include "core/progress.h"
#include "core/stopwatch.h"
#include "data/image_grid.h"
#include "data/npy.h"
#include "eval/quantise.h"
#include "harness/plan.h"
#include "harness/preset.h"
#include "harness/registry.h"
#include "learn/learner.h"
#include "samplers/label_policy.h"
#include "samplers/sampler.h"
#include "schedules/learned_schedule.h"

namespace schedbench {
namespace {

struct Cell {
    std::shared_ptr<const Denoiser> model;
    std::unique_ptr<Sampler> sampler;
    Schedule schedule;
    QuantiseRule quantise = QuantiseRule::round_half_up;
    int64_t count = 0, batch = 0, nfe = 0;
    uint64_t seed = 0;
    std::string noise;
    LabelPolicy labels;
    RuntimeSettings runtime;
};

struct Samples {
    at::Tensor x;       ///< [n, shape...] float64; only if asked for
    at::Tensor pixels;  ///< [n, C, H, W] uint8
    at::Tensor labels;  ///< [n] int64, or undefined
    // Of all blocks but the first, which also loads, warms up and captures:
    int64_t steady_images = 0;
    double steady_seconds = 0, steady_network_seconds = 0;
};

/// What is asked for by the options, or else by the preset, or else by default.
struct Choice {
    std::string schedule = "edm", sampler = "heun", noise = "philox";
    int steps = 0, budget = 0;
    bool clip = false;
};

Choice chosen(const Options& options) {
    Choice c;
    if (options.has("preset")) {
        const Preset& preset = find_preset(options.text("preset"), "--preset");
        c = {preset.schedule, preset.sampler, preset.noise, preset.steps, 0, preset.clip};
    }
    c.schedule = options.text_or("schedule", c.schedule);
    c.sampler = options.text_or("sampler", c.sampler);
    c.noise = options.text_or("noise", c.noise);
    if (options.has("steps")) c.steps = step_count(options);
    if (options.has("budget")) {
        if (options.has("steps")) throw Error("option", "give either --steps N or --budget B", "--steps");
        c.budget = step_count(options, "budget");
        c.steps = 0;
    }
    c.clip = c.clip || options.on("clip");
    return c;
}

Cell make_cell(const Options& options) {
    Cell cell;
    const Choice choice = chosen(options);
    const Spec spec = Spec::parse(choice.schedule, "--schedule");
    cell.runtime = options.runtime_settings();
    cell.count = options.integer("count");
    cell.batch = options.integer("batch");
    cell.seed = static_cast<uint64_t>(options.integer("seed", 0));
    cell.quantise = parse_quantise_rule(options.text("quantise"), "--quantise");
    cell.model = placed(make_model(Spec::parse(options.text("model"), "--model")), cell.runtime);
    check_learned_model(spec, cell.model->spec(), "--schedule");
    if (choice.clip) cell.model = clip_denoiser(cell.model);
    cell.noise = choice.noise;
    cell.labels = LabelPolicy::parse(options.text("labels"), "--labels");
    cell.labels.check(cell.model->classes(), "--labels");
    cell.sampler = make_sampler(Spec::parse(choice.sampler, "--sampler"), "--sampler");
    check_fit(*cell.sampler, *cell.model, cell.noise, "--sampler");
    if (is_learner(spec))
        throw Error("option", "\"" + spec.name + "\" is learned from a model and data", "--schedule",
                    "use schedbench learn --output FILE.json first, then --schedule learned:file=FILE.json");
    const bool listed = has_own_count(spec);
    if (choice.steps == 0 && choice.budget == 0 && !listed)
        throw Error("option", "give either --steps N or --budget B", "--steps");
    int steps = choice.steps;
    if (choice.budget > 0) {
        if (listed)
            throw Error("option", spec.name + " has a number of steps of its own", "--budget",
                        "leave it out");
        steps = steps_within_budget(*cell.sampler, choice.budget, nullptr, "--budget", budget_end_rule(spec));
    }
    cell.schedule =
        build_schedule(spec, cell.model->process(), schedule_request(options, steps), "--schedule");
    cell.sampler->check_schedule(cell.schedule, "--schedule");
    return cell;
}

/// Full blocks of consecutive ids, the last one cut afterwards: so an image does not depend on how many
/// others there are.
/// `traffic`, where it is given, counts in the second block, or in the only one.
Samples sample_all(Cell& cell, bool keep_raw, StepTraffic* traffic) {
    const c10::NoGradGuard no_grad;
    CountingDenoiser counted(cell.model);
    std::vector<at::Tensor> x, pixels, labels;
    Progress progress("sample", cell.count, "images");
    Stopwatch warm;
    for (int64_t first = 0; first < cell.count; first += cell.batch) {
        std::vector<int64_t> ids(static_cast<size_t>(cell.batch));
        for (size_t i = 0; i < ids.size(); ++i) ids[i] = first + static_cast<int64_t>(i);
        const int64_t keep = std::min(cell.batch, cell.count - first);
        const auto noise = make_block_noise(cell.noise, cell.seed, ids, cell.model->shape(),
                                            cell.model->classes(), "--noise", cell.model->device());
        const at::Tensor block_label = cell.labels.labels(*noise, ids, cell.model->classes());
        const bool counts = traffic && first == (cell.count > cell.batch ? cell.batch : 0);
        const at::Tensor block =
            cell.sampler->sample(counted, cell.schedule, *noise, block_label,
                                 counts ? traffic->observer(cell.model->device()) : StepObserver());
        if (first == 0) cell.nfe = counted.calls();
        const at::Tensor kept = block.narrow(0, 0, keep).contiguous().to(at::kCPU);
        if (keep_raw) x.push_back(kept);
        pixels.push_back(quantise(kept, cell.quantise));
        if (block_label.defined()) labels.push_back(block_label.narrow(0, 0, keep).to(at::kCPU));
        progress.update(first + keep);
        if (first > 0) continue;
        counted.reset();
        warm = Stopwatch();
    }
    Samples out{x.empty() ? at::Tensor() : at::cat(x), at::cat(pixels),
                labels.empty() ? at::Tensor() : at::cat(labels)};
    out.steady_images = (cell.count - 1) / cell.batch * cell.batch;
    out.steady_seconds = warm.seconds();
    out.steady_network_seconds = counted.seconds();
    if (out.pixels.dim() == 2)
        out.pixels = out.pixels.reshape({cell.count, 1, 1, out.pixels.size(1)});  // vectors
    out.pixels = out.pixels.contiguous();
    return out;
}

template <class T>
std::span<const T> values_of(const at::Tensor& tensor) {
    return {tensor.const_data_ptr<T>(), static_cast<size_t>(tensor.numel())};
}

void write_npy_pixels(const std::string& path, const at::Tensor& pixels) {
    const at::Tensor nhwc = pixels.permute({0, 2, 3, 1}).contiguous();
    const auto values = values_of<uint8_t>(nhwc);
    write_npy(path, {nhwc.sizes().vec(), std::vector<uint8_t>(values.begin(), values.end())});
}

void write_npy_raw(const std::string& path, const at::Tensor& x) {
    const auto values = values_of<double>(x);
    write_npy(path, {x.sizes().vec(), std::vector<double>(values.begin(), values.end())});
}

void write_hdf5(const std::string& path, const Cell& cell, const Samples& samples) {
    const std::string temporary = path + ".part";
    Hdf5File file = Hdf5File::create(temporary, true);
    file.write<uint8_t>("/images", samples.pixels.sizes().vec(), values_of<uint8_t>(samples.pixels));
    file.set_attribute("/images", "axes", "sample,channel,height,width");
    file.set_attribute("/images", "units", "1");
    if (samples.labels.defined()) {
        const at::Tensor labels = samples.labels.contiguous();
        file.write<int64_t>("/labels", {labels.numel()}, values_of<int64_t>(labels));
    }
    file.write<double>("/levels", {static_cast<int64_t>(cell.schedule.effective.size())},
                       std::span<const double>(cell.schedule.effective));
    file.set_attribute("/", "software", "schedbench " SCHEDBENCH_VERSION);
    file.set_attribute("/", "model", cell.model->spec());
    file.set_attribute("/", "schedule", cell.schedule.spec);
    file.set_attribute("/", "schedule_hash", cell.schedule.hash());
    file.set_attribute("/", "sampler", cell.sampler->spec().print());
    file.set_attribute("/", "quantise", quantise_rule_name(cell.quantise));
    file.set_attribute("/", "stack", stack_identity(cell.runtime));
    file.set_attribute("/", "command", command_line());
    file.set_attribute("/", "seed", static_cast<int64_t>(cell.seed));
    file.set_attribute("/", "noise", cell.noise);
    if (cell.model->classes() > 0) file.set_attribute("/", "label_policy", cell.labels.name());
    file.set_attribute("/", "batch", cell.batch);
    file.set_attribute("/", "steps", static_cast<int64_t>(cell.schedule.steps()));
    file.set_attribute("/", "nfe", cell.nfe);
    file.close();
    replace_file(temporary, path);
}

/// Says what is wrong with the output before hours of sampling.
std::string checked_output(const Options& options, const Cell& cell) {
    const std::string path = options.text("output"), kind = std::filesystem::path(path).extension().string();
    if (kind != ".png" && kind != ".npy" && kind != ".h5")
        throw Error("option", "\"" + path + "\" should end in .png (a grid), .npy (uint8, NHWC) or .h5",
                    "--output");
    if (options.on("raw") && kind != ".npy") throw Error("option", "writes .npy files only", "--raw");
    const std::filesystem::path folder = std::filesystem::path(path).parent_path();
    if (!folder.empty() && !std::filesystem::is_directory(folder))
        throw Error("file", "the folder does not exist", folder.string(), "make it first");
    const std::vector<int64_t> shape = cell.model->shape();
    if (kind == ".png" && (shape.size() != 3 || (shape[0] != 1 && shape[0] != 3)))
        throw Error("option", "a grid needs images with 1 or 3 channels, which this model does not make",
                    "--output", "use .npy or .h5");
    return kind;
}

int run(const std::vector<std::string>& arguments) {
    Options options(kSampleCommand);
    options.value("model", "", "the model (schedbench list models)")
        .value("preset", "",
               "published settings (schedbench list presets): schedule, sampler, steps, noise and clip, "
               "unless given")
        .value("schedule", "", "the schedule (schedbench list schedules); default edm")
        .value("sampler", "", "the sampler (schedbench list samplers); default heun")
        .value("noise", "", "noise policy: philox (default) or edm")
        .value("labels", "random",
               "classes of a conditional model: random (by the seed), balanced, or fixed:CLASS")
        .value("steps", "", "number of steps N")
        .value("budget", "", "or the most network evaluations a sample")
        .value("count", "64", "number of samples")
        .value("batch", "64", "samples a block (part of their identity)")
        .value("seed", "0", "seed of all noise")
        .flag("clip", "clip x0hat to [-1, 1]")
        .value("quantise", "round-half-up", "rule from [-1, 1] to bytes")
        .flag("count-traffic", "count operators, copies and values read in every step of a block")
        .flag("raw", "for .npy: the values themselves as float64 [n, shape...], not bytes")
        .value("columns", "0", "columns of a grid; 0: about as wide as high")
        .value("output", "", "file to write: .png (a grid), .npy (uint8, NHWC) or .h5");
    add_schedule_options(options);
    options.runtime().json();
    if (!options.parse(arguments)) return 0;
    Cell cell = make_cell(options);
    const std::string path = options.text("output"), kind = checked_output(options, cell);
    const Stopwatch watch;
    StepTraffic traffic;
    const bool counts = options.on("count-traffic");
    const Samples samples = sample_all(cell, options.on("raw"), counts ? &traffic : nullptr);
    if (counts && !options.on("json")) traffic.print();
    const double seconds = watch.seconds();
    const at::Tensor& p = samples.pixels;
    if (kind == ".png")
        write_image_grid(path, values_of<uint8_t>(p), {p.size(0), p.size(1), p.size(2), p.size(3)},
                         options.integer("columns", 0));
    else if (kind == ".h5")
        write_hdf5(path, cell, samples);
    else if (options.on("raw"))
        write_npy_raw(path, samples.x.contiguous());
    else
        write_npy_pixels(path, p);
    if (options.on("json")) {
        nlohmann::json steady;
        if (samples.steady_images > 0)
            steady = {{"images", samples.steady_images},
                      {"seconds", samples.steady_seconds},
                      {"network_seconds", samples.steady_network_seconds},
                      {"peak_memory_bytes", peak_memory_bytes(cell.model->device())}};
        nlohmann::json result{{"output", path},
                              {"count", cell.count},
                              {"steps", cell.schedule.steps()},
                              {"nfe", cell.nfe},
                              {"schedule", cell.schedule.spec},
                              {"schedule_hash", cell.schedule.hash()},
                              {"sampler", cell.sampler->spec().print()},
                              {"model", cell.model->spec()},
                              {"seed", cell.seed},
                              {"noise", cell.noise},
                              {"labels", cell.model->classes() > 0 ? cell.labels.name() : "none"},
                              {"batch", cell.batch},
                              {"seconds", seconds},
                              {"steady", steady}};
        const auto facts = provenance(cell.runtime);
        result["device"] = cell.runtime.device;
        if (const auto graphs = facts.find("cuda_graphs"); graphs != facts.end())
            result["cuda_graphs"] = graphs->second;
        if (counts) result["traffic"] = traffic.to_json();
        std::cout << result.dump() << "\n";
    } else {
        std::cout << "wrote " << path << ": " << cell.count << " samples, " << cell.schedule.steps()
                  << " steps, " << cell.nfe << " network evaluations each, " << format_duration(seconds)
                  << "\n";
    }
    return 0;
}

}  // namespace

const Command kSampleCommand = {
    "sample", "images from one cell: PNG grid, NPY or HDF5",
    "schedbench sample --model MODEL --schedule SPEC --sampler SPEC --steps N --output FILE [options]",
    "  schedbench sample --model exact:gaussian,c=0.5,dim=2 --schedule edm --sampler heun --steps 10 --count "
    "100 --output x.npy --raw\n"
    "  schedbench sample --model native:file=weights/fashion-edm.safetensors --budget 35 --count 64 --output "
    "grid.png\n"
    "  schedbench sample --model native:file=weights/fashion-edm.safetensors --preset edm-cifar10 --count 64 "
    "--output "
    "grid.png\n"
    "  schedbench sample --model native:file=weights/fashion-edm.safetensors --schedule learned:file=so.json "
    "--sampler euler \\\n"
    "      --steps 18 --count 1000 --output images.h5\n",
    run};

}  // namespace schedbench
