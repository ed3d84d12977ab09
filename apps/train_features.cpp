// schedbench train-features: a small classifier whose penultimate layer is an extractor.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/progress.h"
#include "eval/classifier_training.h"

namespace schedbench {
namespace {

int run(const std::vector<std::string>& arguments) {
    const ClassifierTrainingOptions standard;
    Options options(kTrainFeaturesCommand);
    options.value("data", "fashion-mnist", "training images with labels (schedbench list data)")
        .value("test", "fashion-mnist:split=test", "images on which the accuracy is measured")
        .value("images", "0", "use only the first images of both; 0: all")
        .value("output", "", "weight file to write (safetensors)")
        .value("id", "", "names the extractor: its distance is called fd-ID (default: the file's name)")
        .value("epochs", std::to_string(standard.epochs), "passes over the training images")
        .value("batch", std::to_string(standard.batch), "images a step")
        .value("learning-rate", format_number(standard.learning_rate), "peak learning rate")
        .value("weight-decay", format_number(standard.weight_decay), "decoupled weight decay")
        .value("label-smoothing", format_number(standard.label_smoothing), "label smoothing")
        .value("features", std::to_string(standard.architecture.features), "width of the penultimate layer")
        .value("stages", standard.architecture.print_stages(),
               "convolutions: width, or width/2 with stride 2")
        .value("shift", std::to_string(standard.shift), "random shifts, in pixels")
        .value("flip", "true", "random horizontal flips: true or false")
        .value("seed", std::to_string(standard.seed), "seed of all randomness")
        .runtime()
        .json();
    if (!options.parse(arguments)) return 0;
    const RuntimeSettings runtime = options.cpu_settings();
    const std::string output = options.text("output"), flip = options.text("flip");
    if (flip != "true" && flip != "false")
        throw Error("option", "wants true or false, not \"" + flip + "\"", "--flip");
    const std::filesystem::path folder = std::filesystem::path(output).parent_path();
    if (!folder.empty() && !std::filesystem::is_directory(folder))
        throw Error("file", "the folder does not exist", folder.string(), "make it first");

    ClassifierTrainingOptions settings;
    settings.id = options.text_or("id", std::filesystem::path(output).stem().string());
    settings.architecture.features = options.integer("features");
    settings.architecture.stages = ClassifierArchitecture::parse_stages(options.text("stages"), "--stages");
    settings.epochs = options.integer("epochs");
    settings.batch = options.integer("batch", 2);
    settings.learning_rate = options.number("learning-rate");
    settings.weight_decay = options.number("weight-decay");
    settings.label_smoothing = options.number("label-smoothing");
    settings.shift = options.integer("shift", 0);
    settings.flip = flip == "true";
    settings.seed = static_cast<uint64_t>(options.integer("seed", 0));
    settings.command = command_line();
    const int64_t limit = options.integer("images", 0);
    const Dataset train = load_dataset(Spec::parse(options.text("data"), "--data"), "--data", limit);
    const Dataset test = load_dataset(Spec::parse(options.text("test"), "--test"), "--test", limit);

    Progress progress("train-features", train.count / settings.batch * settings.epochs, "steps");
    double seconds = 0;
    Classifier classifier = train_classifier(train, test, settings, [&](const ClassifierProgress& p) {
        char note[96];
        if (std::isnan(p.accuracy))
            std::snprintf(note, sizeof note, "loss %.4g", p.loss);
        else
            std::snprintf(note, sizeof note, "loss %.4g, epoch %lld: test accuracy %.2f %%", p.loss,
                          static_cast<long long>(p.epoch), 100 * p.accuracy);
        progress.update(p.step, note);
        seconds = p.seconds;
    });
    progress.finish();
    classifier.set_metadata("threads", std::to_string(runtime.threads));
    classifier.set_metadata("source", "trained by schedbench " SCHEDBENCH_VERSION);
    classifier.set_metadata("licence", "Apache-2.0");
    classifier.save(output);
    const double accuracy = parse_number(classifier.metadata().at("accuracy")).value_or(NAN);
    if (options.on("json")) {
        std::cout << nlohmann::json{{"output", output},
                                    {"id", settings.id},
                                    {"accuracy", accuracy},
                                    {"test_images", test.count},
                                    {"sha256", sha256_file(output)},
                                    {"seconds", seconds}}
                         .dump()
                  << "\n";
    } else {
        char text[32];
        std::snprintf(text, sizeof text, "%.2f %%", 100 * accuracy);
        std::cout << "wrote " << output << " (" << settings.id << ") after " << format_duration(seconds)
                  << ": accuracy " << text << " on " << test.count
                  << " test images\nuse it as classifier:file=" << output << "\n";
    }
    return 0;
}

}  // namespace

const Command kTrainFeaturesCommand = {
    "train-features", "train a small classifier used as extractor",
    "schedbench train-features --data DATA --test DATA --output FILE [options]",
    "  schedbench train-features --output weights/fashion32.safetensors\n"
    "  schedbench train-features --data fashion-mnist --test fashion-mnist:split=test --images 2000 --epochs "
    "2 --id small --output small.safetensors\n",
    run};

}  // namespace schedbench
