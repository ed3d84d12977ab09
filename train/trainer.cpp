#include "train/trainer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/noise.h"
#include "core/stopwatch.h"
#include "learn/corrector_cost.h"
#include "models/safetensors.h"

namespace schedbench {

namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;  // Adam's usual constants

struct TrainState {
    Parameters weights, ema, first, second;
    LossSecondMoment moments{1};
    std::optional<AdaptiveSchedule> schedule;
    int64_t step = 0;
    double seconds = 0;
    std::vector<std::pair<int64_t, double>> curve;
    double loss_sum = 0;  ///< since the last point of the curve
    int64_t loss_count = 0;
};

/// What must agree for a checkpoint to be continued.
std::string settings_text(const TrainableNetwork& net, const ProbeSource& data, const TrainOptions& o) {
    nlohmann::json json = net.metadata();
    json["data"] = data.hash();
    json["objective"] = objective_name(o.objective);
    json["options"] = {o.steps, o.batch,         o.learning_rate, o.warmup, o.decay,
                       o.ema,   o.clip_gradient, o.bf16,          o.seed};
    if (!o.schedule.empty()) json["schedule"] = o.schedule;
    return json.dump();
}

void save(const std::string& path, const TrainState& state, const std::string& settings) {
    std::map<std::string, at::Tensor> tensors;
    const auto put = [&](const std::string& prefix, const Parameters& parameters) {
        for (const auto& [name, value] : parameters) tensors[prefix + name] = value.detach().to(at::kCPU);
    };
    put("weights/", state.weights);
    put("ema/", state.ema);
    put("adam1/", state.first);
    put("adam2/", state.second);
    if (state.schedule) tensors.merge(state.schedule->state());
    tensors["moments/losses"] = state.moments.losses;
    tensors["moments/counts"] = state.moments.counts;
    at::Tensor curve = at::empty({static_cast<int64_t>(state.curve.size()), 2}, at::kDouble);
    for (size_t i = 0; i < state.curve.size(); ++i) {
        curve[static_cast<int64_t>(i)][0] = static_cast<double>(state.curve[i].first);
        curve[static_cast<int64_t>(i)][1] = state.curve[i].second;
    }
    tensors["curve"] = curve;
    tensors["progress"] = at::tensor({static_cast<double>(state.step), state.seconds, state.loss_sum,
                                      static_cast<double>(state.loss_count)},
                                     at::kDouble);
    write_safetensors(path, tensors, {{"kind", "schedbench training state"}, {"settings", settings}});
}

TrainState restore(const std::string& path, const TrainableNetwork& net, const std::string& settings,
                   std::optional<AdaptiveSchedule> schedule) {
    const SafetensorsFile file = read_safetensors(path);
    if (file.meta("settings") != settings)
        throw Error("run",
                    "was made with other settings (network, data, objective, steps, batch, learning rate, "
                    "schedule, seed or precision)",
                    path, "give the same options to continue it, or remove the file to start again");
    TrainState state;
    const auto get = [&](const std::string& prefix, Parameters& parameters) {
        std::map<std::string, at::Tensor> tensors;
        for (const auto& [name, value] : file.tensors)
            if (name.starts_with(prefix)) tensors[name.substr(prefix.size())] = value;
        parameters = checked_parameters(net.parameter_shapes(), tensors, path);
    };
    get("weights/", state.weights);
    get("ema/", state.ema);
    get("adam1/", state.first);
    get("adam2/", state.second);
    if (schedule) schedule->restore(file.tensors, path);
    state.schedule = std::move(schedule);
    state.moments.losses = file.at("moments/losses").clone();
    state.moments.counts = file.at("moments/counts").clone();
    const at::Tensor& curve = file.at("curve");
    for (int64_t i = 0; i < curve.size(0); ++i)
        state.curve.emplace_back(static_cast<int64_t>(curve[i][0].item<double>()),
                                 curve[i][1].item<double>());
    const double* progress = file.at("progress").const_data_ptr<double>();
    state.step = static_cast<int64_t>(progress[0]);
    state.seconds = progress[1];
    state.loss_sum = progress[2];
    state.loss_count = static_cast<int64_t>(progress[3]);
    return state;
}

TrainState fresh(const TrainableNetwork& net, const NoiseProcess& process, const TrainOptions& options,
                 std::optional<AdaptiveSchedule> schedule) {
    TrainState state;
    state.schedule = std::move(schedule);
    state.weights =
        checked_parameters(net.parameter_shapes(), net.initial_parameters(options.seed), "initial values");
    for (const auto& [name, value] : state.weights) {
        state.ema[name] = value.clone();
        state.first[name] = at::zeros_like(value);
        state.second[name] = at::zeros_like(value);
    }
    state.moments = LossSecondMoment(process.discrete() ? process.table_size() : 1);
    return state;
}

TrainingBatch draw_batch(const ProbeSource& data, bool labels, const TrainOptions& options, int64_t step) {
    const NoiseKey key{options.seed, NoisePurpose::training};
    std::vector<int64_t> ids;
    for (int64_t i = 0; i < options.batch; ++i)
        ids.push_back(static_cast<int64_t>(noise_index(key, static_cast<uint64_t>(step * options.batch + i),
                                                       0, static_cast<uint64_t>(data.count()))));
    const at::Device device(options.device);
    TrainingBatch batch;
    batch.x0 = data.images(ids).to(at::kFloat);
    if (labels) batch.labels = data.labels(ids).to(device);
    batch.noise = at::empty_like(batch.x0);
    batch.uniform = at::empty({options.batch}, at::kDouble);
    batch.normal = at::empty({options.batch}, at::kDouble);
    const int64_t size = batch.x0.numel() / options.batch;
    for (int64_t i = 0; i < options.batch; ++i) {
        const auto sample = static_cast<uint64_t>(step * options.batch + i);
        fill_normals(key, sample, 1,
                     {batch.noise.mutable_data_ptr<float>() + i * size, static_cast<size_t>(size)});
        float uniform = 0, normal = 0;
        fill_uniforms(key, sample, 2, {&uniform, 1});
        fill_normals(key, sample, 3, {&normal, 1});
        batch.uniform.mutable_data_ptr<double>()[i] = static_cast<double>(uniform);
        batch.normal.mutable_data_ptr<double>()[i] = static_cast<double>(normal);
    }
    batch.x0 = batch.x0.to(device);
    batch.noise = batch.noise.to(device);
    return batch;
}

/// Level of each sample, from the same uniform number that chooses t without a schedule.
std::vector<size_t> choose_levels(TrainingBatch& batch, const AdaptiveSchedule& schedule) {
    const InstalledLevels& installed = schedule.installed();
    std::vector<size_t> out;
    batch.sigma = at::empty_like(batch.uniform);
    batch.model_time = at::empty_like(batch.uniform);
    for (int64_t i = 0; i < batch.uniform.size(0); ++i) {
        const size_t level = schedule.choose(batch.uniform.const_data_ptr<double>()[i]);
        out.push_back(level);
        batch.sigma.mutable_data_ptr<double>()[i] = installed.sigma[level];
        batch.model_time.mutable_data_ptr<double>()[i] = installed.model_time[level];
    }
    return out;
}

/// Corrector costs from the training pass and one more evaluation of each sample, at the level below its own
/// and the same x (in the form of the path).
void add_costs(AdaptiveSchedule& schedule, const TrainableNetwork& net, const Parameters& parameters,
               const TrainingBatch& batch, const TrainingPass& pass, const std::vector<size_t>& levels) {
    c10::NoGradGuard no_grad;
    const InstalledLevels& installed = schedule.installed();
    std::vector<int64_t> rows;
    std::vector<double> below, time, scale, below_scale, variance, below_variance, weight;
    for (size_t i = 0; i < levels.size(); ++i) {
        if (levels[i] == 0) continue;  // the cleanest level has none below
        const PathPoint &left = installed.point[levels[i]], &entered = installed.point[levels[i] - 1];
        rows.push_back(static_cast<int64_t>(i));
        below.push_back(entered.located.level);
        time.push_back(entered.located.model_time);
        scale.push_back(left.scale), below_scale.push_back(entered.scale);
        variance.push_back(left.sigma * left.sigma), below_variance.push_back(entered.sigma * entered.sigma);
        weight.push_back(schedule.squared_velocity(levels[i]));
    }
    if (rows.empty()) return;
    const at::Device device = pass.x.device();
    const auto vector = [&](const std::vector<double>& values) {
        return at::tensor(values, at::kDouble).to(device);
    };
    const auto column = [&](const std::vector<double>& values) {
        return vector(values).reshape({-1, 1, 1, 1});
    };
    const at::Tensor index = at::tensor(rows, at::kLong).to(device), s = column(scale),
                     s1 = column(below_scale);
    const at::Tensor x = pass.x.index_select(0, index).to(at::kDouble) * s;
    const at::Tensor labels = batch.labels.defined() ? batch.labels.index_select(0, index) : at::Tensor();
    const at::Tensor left_score = (pass.x0.index_select(0, index).to(at::kDouble) * s - x) / column(variance);
    const at::Tensor x0 =
        net.denoise(parameters, (x / s1).to(at::kFloat), vector(below), vector(time), labels)
            .x0.to(at::kDouble);
    const at::Tensor entered_score = (x0 * s1 - x) / column(below_variance);
    const at::Tensor values =
        (corrector_values(entered_score, left_score, 1) * vector(weight)).to(at::kCPU).contiguous();
    for (size_t i = 0; i < rows.size(); ++i)
        schedule.add(levels[static_cast<size_t>(rows[i])], values.const_data_ptr<double>()[i]);
}

double learning_rate(const TrainOptions& o, int64_t step) {
    const double warm =
        o.warmup > 0 ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(o.warmup)) : 1.0;
    const double left =
        static_cast<double>(o.steps - step) / (std::max(o.decay, 1e-9) * static_cast<double>(o.steps));
    return o.learning_rate * warm * std::min(1.0, left);
}

/// The loss of the step.
double adam_step(TrainState& state, const TrainOptions& options, const at::Tensor& loss) {
    c10::NoGradGuard no_grad;
    // The host waits for a device once a step.
    std::vector<at::Tensor> numbers{loss};
    for (const auto& [name, value] : state.weights)
        if (value.requires_grad()) numbers.push_back(value.grad().square().sum());
    const at::Tensor read = at::stack(numbers).to(at::kCPU, at::kDouble);
    const double* const value_of = read.const_data_ptr<double>();
    double norm = 0;
    for (size_t i = 1; i < numbers.size(); ++i) norm += value_of[i];
    norm = std::sqrt(norm);
    if (!std::isfinite(norm))
        throw Error("number", "the gradient is not finite at step " + std::to_string(state.step), "training",
                    "lower the learning rate, or train in float32");
    const double clip =
        options.clip_gradient > 0 ? std::min(1.0, options.clip_gradient / (norm + 1e-12)) : 1.0;
    const double rate = learning_rate(options, state.step), k = static_cast<double>(state.step + 1);
    const double correction1 = 1 - std::pow(kBeta1, k), correction2 = 1 - std::pow(kBeta2, k);
    const double ema = std::min(options.ema, (1 + k) / (10 + k));
    for (auto& [name, value] : state.weights) {
        if (!value.requires_grad()) continue;
        const at::Tensor gradient = value.grad() * clip;
        at::Tensor &first = state.first[name], &second = state.second[name];
        first.mul_(kBeta1).add_(gradient, 1 - kBeta1);
        second.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
        value.addcdiv_(first, (second / correction2).sqrt_().add_(kEpsilon), -rate / correction1);
        state.ema[name].mul_(ema).add_(value, 1 - ema);
        value.mutable_grad() = at::Tensor();
    }
    return value_of[0];
}

}  // namespace

TrainResult train_network(const TrainableNetwork& net, const ProbeSource& data, const TrainOptions& options,
                          const std::function<void(const TrainProgress&)>& on_progress,
                          const std::function<void(int64_t step, const Parameters& ema)>& on_checkpoint) {
    const auto size_text = [](at::IntArrayRef shape) {
        std::string text;
        for (const int64_t extent : shape) text += (text.empty() ? "" : "x") + std::to_string(extent);
        return text;
    };
    if (data.count() < 1) throw Error("shape", "there is nothing to train on", data.spec());
    const std::vector<int64_t> first{0}, wanted = net.shape();
    const at::Tensor one = data.images(first);
    if (one.sizes().slice(1) != at::IntArrayRef(wanted))
        throw Error(
            "shape",
            "images are " + size_text(one.sizes().slice(1)) + " but the network wants " + size_text(wanted),
            "--data");
    if (net.classes() > 0 && !data.labels(first).defined())
        throw Error("shape", "has no labels, but the network is class-conditional", "--data");
    const NoiseProcess process(net.process());
    const std::string settings = settings_text(net, data, options);
    std::optional<AdaptiveSchedule> schedule;
    if (!options.schedule.empty()) {
        check_free_levels(options.objective, "--schedule");
        schedule.emplace(Spec::parse(options.schedule, "--schedule"), process);
        if (schedule->adapts() && net.dropout() > 0)
            throw Error("option",
                        "is adaptive, but the costs come from the training pass, which drops units out",
                        "--schedule", "use --dropout 0, or --schedule fixed");
    }
    TrainState state = std::filesystem::exists(options.checkpoint)
                           ? restore(options.checkpoint, net, settings, std::move(schedule))
                           : fresh(net, process, options, std::move(schedule));

    for (Parameters* p : {&state.weights, &state.ema, &state.first, &state.second})
        *p = on_device(*p, at::Device(options.device));
    const double seconds_before = state.seconds;
    const Stopwatch watch;
    Stopwatch last_report;
    const int64_t first_step = state.step;
    double report_sum = 0;
    int64_t report_count = 0;
    for (auto& [name, value] : state.weights) value.set_requires_grad(net.is_trained(name));
    while (state.step < options.steps) {
        TrainingBatch batch = draw_batch(data, net.classes() > 0, options, state.step);
        std::vector<size_t> levels;
        if (state.schedule) levels = choose_levels(batch, *state.schedule);
        const bool adapts = state.schedule && state.schedule->adapts();
        TrainingPass pass;
        // Dropout is the one draw that is ATen's: seeded by the step, so that a continued run repeats it.
        if (net.dropout() > 0) at::manual_seed(options.seed * 1000003 + static_cast<uint64_t>(state.step));
        const Parameters compute = options.bf16 ? with_bf16_trunk(state.weights) : state.weights;
        const at::Tensor loss = objective_loss(options.objective, net, process, compute, batch, state.moments,
                                               net.dropout(), adapts ? &pass : nullptr);
        loss.backward();
        if (adapts) add_costs(*state.schedule, net, compute, batch, pass, levels);
        const double value = adam_step(state, options, loss);
        ++state.step;
        if (adapts) state.schedule->update(state.step);
        state.loss_sum += value, ++state.loss_count;
        report_sum += value, ++report_count;
        if (state.step % std::max<int64_t>(1, options.steps / 200) == 0) {
            state.curve.emplace_back(state.step, state.loss_sum / static_cast<double>(state.loss_count));
            state.loss_sum = 0, state.loss_count = 0;
        }
        if (on_progress && (last_report.seconds() > options.progress_every || state.step == options.steps)) {
            const double per_step = watch.seconds() / static_cast<double>(state.step - first_step);
            on_progress({state.step, options.steps, first_step,
                         report_sum / static_cast<double>(report_count),
                         static_cast<double>(options.batch) / per_step,
                         state.schedule ? static_cast<int64_t>(state.schedule->log().size()) : 0});
            last_report = Stopwatch();
            report_sum = 0, report_count = 0;
        }
        if (state.step % options.checkpoint_every == 0 || state.step == options.steps) {
            state.seconds = seconds_before + watch.seconds();
            if (!options.checkpoint.empty()) save(options.checkpoint, state, settings);
            if (on_checkpoint) on_checkpoint(state.step, on_device(state.ema, at::kCPU));
        }
    }
    return {on_device(state.ema, at::kCPU), state.curve, state.seconds, std::move(state.schedule)};
}

}  // namespace schedbench
