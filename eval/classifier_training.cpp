#include "eval/classifier_training.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/noise.h"
#include "core/spec.h"

namespace schedbench {

namespace {

constexpr double kNormEpsilon = 1e-5;
constexpr double kNormMomentum = 0.1;

/// The network while it is trained: convolutions without bias, each followed by a batch norm.
class TrainingNetwork {
  public:
    TrainingNetwork(const ClassifierArchitecture& architecture, uint64_t seed) : architecture_(architecture) {
        uint64_t index = 0;
        for (const auto& [name, shape] : classifier_tensor_shapes(architecture)) {
            const bool convolution = name.starts_with("conv"), weight = name.ends_with(".weight");
            at::Tensor value = at::zeros(shape, at::kFloat);
            if (weight) {
                // He et al. 2015 where a ReLU follows; 1/fan_in before the logits.
                const double fan_in = static_cast<double>(value[0].numel());
                fill_normals({seed, NoisePurpose::initialisation}, index, 0,
                             {value.data_ptr<float>(), static_cast<size_t>(value.numel())});
                value.mul_(std::sqrt((name == "logits.weight" ? 1.0 : 2.0) / fan_in));
                if (convolution) value = value.contiguous(at::MemoryFormat::ChannelsLast);
            }
            add(name, value, weight);  // a convolution's bias is the shift of its norm
            if (convolution && !weight) {
                const std::string stage = name.substr(0, name.find('.'));
                add(stage + ".scale", at::ones(shape, at::kFloat), false);
                statistics_[stage + ".mean"] = at::zeros(shape, at::kFloat);
                statistics_[stage + ".variance"] = at::ones(shape, at::kFloat);
            }
            ++index;
        }
    }

    /// x float32 [B, C, S, S], channels last -> logits
    at::Tensor operator()(at::Tensor x) {
        for (size_t i = 0; i < architecture_.stages.size(); ++i) {
            const std::string name = "conv" + std::to_string(i);
            x = at::conv2d(x, parameter(name + ".weight"), {}, architecture_.stages[i].stride, 1);
            x = at::batch_norm(x, parameter(name + ".scale"), parameter(name + ".bias"),
                               statistics_.at(name + ".mean"), statistics_.at(name + ".variance"), true,
                               kNormMomentum, kNormEpsilon, false);
            x = x.relu_();
        }
        const auto features =
            at::linear(x.mean({2, 3}), parameter("features.weight"), parameter("features.bias"));
        return at::linear(features.relu(), parameter("logits.weight"), parameter("logits.bias"));
    }

    /// Batch norm with its running statistics is an affine map of each channel: it goes into the convolution.
    Classifier folded(std::map<std::string, std::string> metadata) const {
        const at::NoGradGuard no_gradients;
        std::map<std::string, at::Tensor> tensors;
        for (const auto& [name, shape] : classifier_tensor_shapes(architecture_))
            tensors[name] = parameter(name).detach();
        for (size_t i = 0; i < architecture_.stages.size(); ++i) {
            const std::string name = "conv" + std::to_string(i);
            const auto factor = parameter(name + ".scale").detach() /
                                (statistics_.at(name + ".variance") + kNormEpsilon).sqrt();
            tensors[name + ".weight"] = parameter(name + ".weight").detach() * factor.reshape({-1, 1, 1, 1});
            tensors[name + ".bias"] =
                parameter(name + ".bias").detach() - statistics_.at(name + ".mean") * factor;
        }
        return Classifier(architecture_, std::move(tensors), std::move(metadata), "classifier");
    }

    struct Parameter {
        std::string name;
        at::Tensor value;
        bool decays;
    };
    std::vector<Parameter>& parameters() { return parameters_; }

  private:
    void add(const std::string& name, at::Tensor value, bool decays) {
        value.set_requires_grad(true);
        parameters_.push_back({name, std::move(value), decays});
    }
    const at::Tensor& parameter(const std::string& name) const {
        const auto found = std::find_if(parameters_.begin(), parameters_.end(),
                                        [&](const Parameter& p) { return p.name == name; });
        SCHEDBENCH_ASSERT(found != parameters_.end());
        return found->value;
    }

    ClassifierArchitecture architecture_;
    std::vector<Parameter> parameters_;
    std::map<std::string, at::Tensor> statistics_;
};

/// AdamW, Loshchilov and Hutter 2019, algorithm 2: m, v = running moments; the decay acts on the weight
/// itself.
class AdamW {
  public:
    AdamW(std::vector<TrainingNetwork::Parameter>& parameters, double weight_decay)
        : parameters_(parameters), weight_decay_(weight_decay) {
        for (const auto& p : parameters_) {
            first_.push_back(at::zeros_like(p.value));
            second_.push_back(at::zeros_like(p.value));
        }
    }

    void step(double learning_rate) {
        const at::NoGradGuard no_gradients;
        ++steps_;
        const double correction1 = 1 - std::pow(kBeta1, steps_), correction2 = 1 - std::pow(kBeta2, steps_);
        for (size_t i = 0; i < parameters_.size(); ++i) {
            auto& p = parameters_[i];
            const at::Tensor gradient = p.value.grad();
            first_[i].lerp_(gradient, 1 - kBeta1);
            second_[i].mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
            if (p.decays) p.value.mul_(1 - learning_rate * weight_decay_);
            const auto scale = (second_[i] / correction2).sqrt_().add_(kEpsilon);
            p.value.addcdiv_(first_[i], scale, -learning_rate / correction1);
            p.value.mutable_grad().zero_();
        }
    }

  private:
    static constexpr double kBeta1 = 0.9, kBeta2 = 0.99, kEpsilon = 1e-8;
    std::vector<TrainingNetwork::Parameter>& parameters_;
    double weight_decay_;
    int64_t steps_ = 0;
    std::vector<at::Tensor> first_, second_;
};

/// The order of one epoch: Fisher and Yates, each swap from its own draw.
std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, uint32_t epoch) {
    std::vector<int64_t> order(static_cast<size_t>(count));
    std::iota(order.begin(), order.end(), int64_t{0});
    for (uint64_t i = order.size() - 1; i > 0; --i) {
        std::swap(order[i], order[noise_index({seed, NoisePurpose::selection}, i, epoch, i + 1)]);
    }
    return order;
}

/// Image `index` of the data, shifted and flipped by the draw (seed, training, index, epoch), to float in
/// [-1, 1] with channels last at `out`.
void augment(const Dataset& data, int64_t index, const ClassifierTrainingOptions& options, uint32_t epoch,
             float* out) {
    const auto words =
        noise_words({options.seed, NoisePurpose::training}, static_cast<uint64_t>(index), epoch, 0);
    const auto shift_of = [&](uint32_t word) {
        return static_cast<int64_t>(
                   (static_cast<uint64_t>(word) * static_cast<uint64_t>(2 * options.shift + 1)) >> 32) -
               options.shift;
    };
    const int64_t dy = shift_of(words[0]), dx = shift_of(words[1]);
    const bool flip = options.flip && (words[2] >> 31) != 0;
    const uint8_t* image = data.image(index).data();
    for (int64_t y = 0; y < data.height; ++y) {
        const int64_t row = std::clamp<int64_t>(y + dy, 0, data.height - 1);
        for (int64_t x = 0; x < data.width; ++x) {
            int64_t column = std::clamp<int64_t>(x + dx, 0, data.width - 1);
            if (flip) column = data.width - 1 - column;
            for (int64_t c = 0; c < data.channels; ++c) {
                *out++ =
                    static_cast<float>(image[(c * data.height + row) * data.width + column]) / 127.5f - 1.0f;
            }
        }
    }
}

void check_data(const Dataset& train, const Dataset& test, const ClassifierTrainingOptions& options) {
    for (const Dataset* data : {&train, &test}) {
        if (data->count == 0 || data->labels.size() != static_cast<size_t>(data->count) ||
            data->classes < 2) {
            throw Error("shape", "a classifier needs images with labels of at least two classes", data->spec);
        }
        if (data->height != data->width) throw Error("shape", "the images must be square", data->spec);
    }
    if (train.channels != test.channels || train.height != test.height || train.classes != test.classes) {
        throw Error("shape", "training and test images differ in shape or classes", test.spec,
                    "use two splits of one data set");
    }
    if (options.epochs < 1 || options.batch < 2 || options.shift < 0 || options.shift >= train.height ||
        !(options.learning_rate > 0)) {
        throw Error("option",
                    "epochs >= 1, batch >= 2, 0 <= shift < image size and learning rate > 0 are needed",
                    "train-features");
    }
    if (train.count < options.batch) {
        throw Error("option", "the batch is larger than the training set", "train-features", "lower --batch");
    }
}

}  // namespace

double classifier_accuracy(const Classifier& classifier, const Dataset& data) {
    constexpr int64_t kBatch = 256;
    int64_t correct = 0;
    for (int64_t start = 0; start < data.count; start += kBatch) {
        const int64_t count = std::min(kBatch, data.count - start);
        const at::Tensor pixels =
            at::from_blob(const_cast<uint8_t*>(data.image(start).data()),
                          {count, data.channels, data.height, data.width}, at::TensorOptions(at::kByte));
        const at::Tensor labels =
            at::from_blob(const_cast<int64_t*>(data.labels.data() + start), {count}, at::kLong);
        correct += classifier(pixels).logits.argmax(1).eq(labels).sum().item<int64_t>();
    }
    return static_cast<double>(correct) / static_cast<double>(data.count);
}

Classifier train_classifier(const Dataset& train, const Dataset& test,
                            const ClassifierTrainingOptions& options,
                            const std::function<void(const ClassifierProgress&)>& progress) {
    check_data(train, test, options);
    ClassifierArchitecture architecture = options.architecture;
    architecture.channels = train.channels;
    architecture.size = train.height;
    architecture.classes = train.classes;
    TrainingNetwork network(architecture, options.seed);
    AdamW optimiser(network.parameters(), options.weight_decay);

    const auto start_time = std::chrono::steady_clock::now();
    const int64_t epoch_steps = train.count / options.batch;  // the incomplete batch at the end is left out
    ClassifierProgress state;
    state.epochs = options.epochs;
    state.steps = epoch_steps * options.epochs;
    const double warm_up = std::max(1.0, 0.1 * static_cast<double>(state.steps));

    const auto report = [&] {
        state.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_time).count();
        if (progress) progress(state);
    };
    const int64_t image_floats = train.image_size();
    for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
        const auto order = epoch_order(train.count, options.seed, static_cast<uint32_t>(epoch));
        double loss_sum = 0;
        state.accuracy = std::numeric_limits<double>::quiet_NaN();
        for (int64_t step = 0; step < epoch_steps; ++step) {
            const at::Tensor images =
                at::empty({options.batch, train.channels, train.height, train.width},
                          at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
            const at::Tensor labels = at::empty({options.batch}, at::kLong);
            for (int64_t i = 0; i < options.batch; ++i) {
                const int64_t index = order[static_cast<size_t>(step * options.batch + i)];
                augment(train, index, options, static_cast<uint32_t>(epoch),
                        images.data_ptr<float>() + i * image_floats);
                labels.data_ptr<int64_t>()[i] = train.labels[static_cast<size_t>(index)];
            }
            const at::Tensor loss = at::cross_entropy_loss(network(images), labels, {}, at::Reduction::Mean,
                                                           -100, options.label_smoothing);
            loss.backward();
            const double done = static_cast<double>(state.step);
            const double rate =
                done < warm_up
                    ? (done + 1) / warm_up
                    : 0.5 + 0.5 * std::cos(std::numbers::pi * (done - warm_up) /
                                           std::max(1.0, static_cast<double>(state.steps) - warm_up));
            optimiser.step(options.learning_rate * rate);
            loss_sum += loss.item<double>();
            ++state.step;
            state.loss = loss_sum / static_cast<double>(step + 1);
            if (!std::isfinite(state.loss)) {
                throw Error("number", "the loss is not finite after " + std::to_string(state.step) + " steps",
                            "train-features", "lower the learning rate");
            }
            if ((step + 1) % 50 == 0) report();
        }
        state.epoch = epoch + 1;
        state.accuracy = classifier_accuracy(network.folded({}), test);
        report();
    }
    Classifier result = network.folded({}).rounded_to_half();
    const std::pair<const char*, std::string> facts[] = {
        {"id", options.id},
        {"data", train.spec},
        {"data_hash", train.hash},
        {"test_data", test.spec},
        {"test_data_hash", test.hash},
        {"accuracy", format_number(classifier_accuracy(result, test))},
        {"epochs", std::to_string(options.epochs)},
        {"batch", std::to_string(options.batch)},
        {"learning_rate", format_number(options.learning_rate)},
        {"weight_decay", format_number(options.weight_decay)},
        {"label_smoothing", format_number(options.label_smoothing)},
        {"augmentation",
         "shift=" + std::to_string(options.shift) + ",flip=" + (options.flip ? "true" : "false")},
        {"seed", std::to_string(options.seed)},
        {"command", options.command},
    };
    for (const auto& [key, value] : facts) result.set_metadata(key, value);
    return result;
}

}  // namespace schedbench
