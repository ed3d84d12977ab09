// Trains the classifier of eval/classifier.h: AdamW with a cosine learning rate, random shifts and horizontal
// flips, batch norm while training. A small data set takes minutes on one core.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>

#include "data/dataset.h"
#include "eval/classifier.h"

namespace schedbench {

struct ClassifierTrainingOptions {
    std::string id = "classifier";  ///< names the extractor and its distance ("fashion32" -> fd-fashion32)
    ClassifierArchitecture architecture;  ///< channels, size and classes are taken from the data
    int64_t epochs = 12;
    int64_t batch = 96;
    double learning_rate = 3e-3;  ///< at the end of the warm-up; falls to 0 along a half cosine
    double weight_decay = 0.02;   ///< decoupled (Loshchilov and Hutter 2019), on weights only
    double label_smoothing = 0.05;
    int64_t shift = 1;      ///< random shifts by up to this many pixels, edges repeated; 0 = none
    bool flip = true;       ///< random horizontal flips
    uint64_t seed = 1;      ///< initial weights, order and augmentation come from it, through core/noise.h
    std::string command{};  ///< recorded in the metadata
};

struct ClassifierProgress {
    int64_t epoch = 0, epochs = 0;                               ///< epochs finished, of all
    int64_t step = 0, steps = 0;                                 ///< steps taken, of all
    double loss = 0;                                             ///< mean over the epoch so far
    double accuracy = std::numeric_limits<double>::quiet_NaN();  ///< on the test set; NaN inside an epoch
    double seconds = 0;                                          ///< since the start
};

/// Returns the network that a file will hold (batch norm folded, weights rounded to half precision), with its
/// accuracy on `test` and everything else of its origin in the metadata. Equal options, data, threads and
/// libraries give equal weights. `progress` is called about every 50 steps and after each epoch.
/// Error("shape") if the two data sets do not belong together or have no labels.
Classifier train_classifier(const Dataset& train, const Dataset& test,
                            const ClassifierTrainingOptions& options,
                            const std::function<void(const ClassifierProgress&)>& progress = {});

/// Share of images whose largest logit is their label.
double classifier_accuracy(const Classifier& classifier, const Dataset& data);

}  // namespace schedbench
