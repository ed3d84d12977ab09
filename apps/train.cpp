// schedbench train: trains a small network.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/train_architecture.h"
#include "core/error.h"
#include "core/progress.h"
#include "data/dataset.h"
#include "data/image_grid.h"
#include "eval/quantise.h"
#include "harness/registry.h"
#include "learn/learner.h"
#include "models/safetensors.h"
#include "samplers/sampler.h"
#include "schedules/schedule.h"
#include "train/trainer.h"

namespace schedbench {
namespace {

/// 8 x 8 images by 20 steps of Heun on the averaged weights: enough to see whether training works.
void write_samples(const std::string& path, const Denoiser& model) {
    c10::NoGradGuard no_grad;
    std::vector<int64_t> ids(64);
    for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<int64_t>(i);
    const Schedule schedule = build_schedule(Spec::parse("edm"), model.process(), {20});
    const at::Tensor labels = model.classes() > 0 ? block_labels(0, ids, model.classes()) : at::Tensor();
    const at::Tensor x = make_sampler(Spec::parse("heun"))
                             ->sample(model, schedule, PhiloxNoise(0, ids, model.shape()), labels);
    const at::Tensor pixels = quantise(x).contiguous();
    write_image_grid(path, {pixels.const_data_ptr<uint8_t>(), static_cast<size_t>(pixels.numel())},
                     {pixels.size(0), pixels.size(1), pixels.size(2), pixels.size(3)}, 8);
}

/// The learned levels beside the weights, for learned:file=FILE, with the model they belong to.
void write_schedule(const std::string& weights, const ProbeSource& data, const AdaptiveSchedule& schedule) {
    if (schedule.log().empty()) {
        std::cerr
            << "the levels were never updated: train longer, or with fewer levels or a smaller burn-in\n";
        return;
    }
    LearnedSchedule learned = schedule.learned();
    note_origin(learned, *make_model(Spec::parse("native:file='" + weights + "'")), &data);
    learned.provenance["command"] = command_line();
    const std::string path = weights + ".schedule.json";
    learned.write(path);
    const ScheduleUpdate &first = schedule.log().front(), &last = schedule.log().back();
    std::cout << "schedule: " << schedule.log().size() << " updates, length " << first.length << " at step "
              << first.step << ", " << last.length << " at step " << last.step << "; wrote " << path << "\n";
    if (const std::string advice = schedule.advice(); !advice.empty())
        std::cerr << "warning: " << advice << "\n";
}

int run(const std::vector<std::string>& arguments) {
    Options options(kTrainCommand);
    options
        .value("data", "fashion-mnist", "training images (schedbench list data), or exact:... for its draws")
        .value("objective", "edm", "simple, hybrid, vlb or edm")
        .value("output", "", "weight file to write (safetensors)")
        .value("steps", "10000", "optimiser steps")
        .value("batch", "128", "images a step")
        .value("learning-rate", "0.001", "peak learning rate")
        .value("ema", "0.999", "decay of the weight average, a step")
        .value("schedule", "",
               "levels to train at: adaptive:levels=256,... (learned meanwhile) or fixed:start={edm}; "
               "default: as the "
               "objective draws them")
        .value("process", "", "noise process (default linear:T=1000; edm: continuous)")
        .value("sigma-data", "0.5", "standard deviation of the data, for edm's preconditioning")
        .flag("class-conditional", "give the network the labels")
        .flag("bf16", "convolutions in bfloat16 (weights and Adam stay float32)")
        .value("seed", "0", "seed of all randomness")
        .value("checkpoint-every", "500", "steps between checkpoints")
        .value("samples", "", "folder for a grid of samples at every checkpoint")
        .value("store-dtype", "f16", "f16 or f32: precision of the weight file")
        .runtime();
    add_architecture_options(options);
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.runtime_settings();
    const std::string output = options.text("output");
    const Objective objective = parse_objective(options.text("objective"), "--objective");
    const TrainingData data = load_training_data(Spec::parse(options.text("data"), "--data"), "--data");
    const ProbeSource& source = *data.source;
    const std::shared_ptr<const TrainableNetwork> net = described_network(options, data, objective);

    TrainOptions train;
    train.objective = objective;
    train.steps = options.integer("steps");
    train.batch = options.integer("batch");
    train.learning_rate = options.number("learning-rate");
    train.ema = options.number("ema");
    train.bf16 = options.on("bf16");
    train.device = runtime.device;
    train.seed = static_cast<uint64_t>(options.integer("seed", 0));
    train.checkpoint_every = options.integer("checkpoint-every");
    train.checkpoint = output + ".state";
    if (options.has("schedule")) {
        check_free_levels(objective, "--schedule");
        train.schedule = complete_training_schedule(Spec::parse(options.text("schedule"), "--schedule"),
                                                    NoiseProcess(net->process()), "--schedule")
                             .print();
    }

    std::cerr << "network: " << count_of(net->parameter_shapes()) << " parameters, "
              << static_cast<double>(net->macs()) * 1e-6 << " MMAC an image; " << source.count()
              << " images (" << source.spec() << ")\n";
    Progress progress("train", train.steps, "steps");
    const auto on_progress = [&](const TrainProgress& p) {
        char note[80];
        std::snprintf(note, sizeof note, "loss %.4g, %.0f images/s", p.loss, p.images_per_second);
        progress.found(p.first_step);
        progress.update(p.step, note + (p.schedule_updates > 0 ? ", " + std::to_string(p.schedule_updates) +
                                                                     " updates of the schedule"
                                                               : ""));
    };
    const auto on_checkpoint = [&](int64_t step, const Parameters& ema) {
        if (!options.has("samples")) return;
        std::filesystem::create_directories(options.text("samples"));
        write_samples(options.text("samples") + "/step-" + std::to_string(step) + ".png",
                      *net->denoiser(ema));
    };
    const TrainResult result = train_network(*net, source, train, on_progress, on_checkpoint);
    progress.finish();

    std::map<std::string, at::Tensor> tensors;
    const bool half = options.text("store-dtype") == "f16";
    for (const auto& [name, value] : result.ema)
        tensors[name] = value.to(half ? at::kHalf : at::kFloat).contiguous();
    std::map<std::string, std::string> metadata = net->metadata();
    nlohmann::json curve = nlohmann::json::array();
    for (const auto& [step, loss] : result.curve) curve.push_back({step, loss});
    metadata["objective"] = objective_name(objective);
    metadata["weights_dtype"] = half ? "F16" : "F32";
    metadata["data"] = source.spec();
    metadata["data_hash"] = source.hash();
    metadata["command"] = command_line();
    metadata["seconds"] = format_number(std::round(result.seconds));
    metadata["threads"] = std::to_string(runtime.threads);
    if (runtime.device != "cpu") metadata["device"] = runtime.device_name;
    metadata["loss_curve"] = curve.dump();
    if (result.schedule) {
        metadata["schedule"] = train.schedule;
        metadata["schedule_log"] = result.schedule->log_json().dump();
    }
    metadata["source"] = "trained by schedbench " SCHEDBENCH_VERSION;
    metadata["licence"] = "Apache-2.0";
    write_safetensors(output, tensors, metadata);
    std::cout << "wrote " << output << " after " << format_duration(result.seconds) << " of training\n";
    if (result.schedule && result.schedule->adapts()) write_schedule(output, source, *result.schedule);
    return 0;
}

}  // namespace

const Command kTrainCommand = {
    "train", "train a small network on a data set",
    "schedbench train --data DATA --objective OBJECTIVE --output FILE [options]",
    "  schedbench train --objective edm --output edm.safetensors --steps 20000 --samples /tmp\n"
    "  schedbench train --objective hybrid --process linear:T=1000 --output hybrid.safetensors\n"
    "  schedbench train --architecture song-unet --objective edm --attention 2 --output ddpmpp.safetensors\n"
    "  schedbench train --objective edm --schedule adaptive:levels=64,burn-in=2000 --output "
    "online.safetensors\n"
    "  schedbench train --architecture mlp --data exact:cantor,depth=3,width=0.01 --channels 96 "
    "--res-blocks 3 --store-dtype f32 --output cantor.safetensors\n"
    "A run that was stopped continues from FILE.state, with the same result as one that was left alone.\n",
    run};

}  // namespace schedbench
