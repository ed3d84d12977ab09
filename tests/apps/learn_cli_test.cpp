// learn: closed forms on Gaussian data, and files that other commands accept.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "cli.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::numbers;

TEST(CliLearn, ScoreOptimalOnGaussianData) {
    // Equal steps of asinh(s/c) - s/sqrt(c^2 + s^2), the length for data N(0, c^2); c = 0.5, N = 10.
    const std::vector<double> golden = {80,     49.6573, 30.8208, 19.1258,  11.8625, 7.34793,
                                        4.5358, 2.77411, 1.65268, 0.900743, 0.002};
    const Folder folder;
    const auto json = folder
                          .ok("learn score-optimal:spacing=0.02,probes=256,end=sigma-min --model "
                              "exact:gaussian,c=0.5,dim=64 --steps 10 --output so.json --json")
                          .json();
    for (const char* key : {"effective", "hash", "index", "model_time", "requested", "spec", "steps"})
        EXPECT_TRUE(json.contains(key)) << key;
    const auto levels = numbers(json.at("effective"));
    ASSERT_EQ(levels.size(), golden.size());
    for (size_t i = 0; i < golden.size(); ++i) EXPECT_NEAR(levels[i] / golden[i], 1, 0.01) << i;
    // The file gives the same knots, and those of other budgets, to knots and sample.
    const auto again = folder.ok("knots learned:file=so.json,end=sigma-min --steps 10 --json").json();
    EXPECT_EQ(again.at("effective"), json.at("effective"));
    const auto half = numbers(
        folder.ok("knots learned:file=so.json,end=sigma-min --steps 5 --json").json().at("effective"));
    for (size_t i = 0; i < half.size(); ++i) EXPECT_NEAR(half[i] / levels[2 * i], 1, 1e-9);
    folder.ok(
        "sample --model exact:gaussian --schedule learned:file=so.json,transfer=true --sampler euler --steps "
        "5 --count 3 "
        "--output x.npy");
}

TEST(CliLearn, KnotsComeWithErrorsAndAFileIsForItsModel) {
    const Folder folder;
    const std::string learn = "learn score-optimal:probes=40,spacing=0.3 --steps 6 ";
    const auto json =
        folder.ok(learn + "--model 'exact:mixture,means=[-1,1]' --output so.json --plot so.svg --json")
            .json();
    ASSERT_EQ(json.at("level_error").size(), 7U);
    EXPECT_EQ(json.at("level_error")[0], 0);
    for (int i = 1; i < 5; ++i) EXPECT_GT(json.at("level_error")[i].get<double>(), 0);
    EXPECT_GT(json.at("length").get<double>(), json.at("length_se").get<double>());
    EXPECT_TRUE(std::filesystem::exists(folder.path("so.svg")));
    EXPECT_NE(folder.ok(learn + "--model 'exact:mixture,means=[-1,1]'").out.find("errors of the knots"),
              std::string::npos);
    const std::string sample = "sample --sampler euler --steps 5 --count 3 --output x.npy --model ";
    folder.ok(sample + "'exact:mixture,means=[-1,1]' --schedule learned:file=so.json");
    const auto refused = folder.run(sample + "exact:gaussian --schedule learned:file=so.json");
    EXPECT_EQ(refused.code, 2);
    EXPECT_NE(refused.err.find("transfer=true"), std::string::npos);
    folder.ok(sample + "exact:gaussian --schedule learned:file=so.json,transfer=true");
    // Costs that need derivatives, and a zero cost.
    const auto predictor =
        folder
            .ok("learn score-optimal:cost=predictor,probes=40,spacing=0.3 --steps 6 --json --model "
                "'exact:mixture,means=[-1,1]'")
            .json();
    EXPECT_EQ(predictor.at("effective").size(), 7U);
    const auto flat =
        folder.ok("learn score-optimal:path=vp,probes=8 --steps 4 --json --model exact:gaussian,c=1").json();
    EXPECT_NE(flat.at("warning").get<std::string>().find("all costs are zero"), std::string::npos);
}

TEST(CliModes, TheLearnedScheduleFindsTheModesOfTheCantorSet) {
    const Folder folder;
    std::ofstream(folder.path("toy.suite")) << "model = exact:cantor,depth=2,width=0.02\n"
                                               "schedule = score-optimal\nschedule = edm:rho=1\n"
                                               "sampler = annealed-langevin:steps=20\nsteps = 8\nsteps = 16\n"
                                               "images = 600\nbatch = 300\n";
    folder.ok("modes toy.suite --csv toy.csv --plot toy.svg");
    std::ifstream in(folder.path("toy.csv"));
    std::string line;
    std::getline(in, line);
    int rows = 0;
    while (std::getline(in, line)) {
        ++rows;
        // At 8 knots it finds two of the four.
        if (line.find("score-optimal") != std::string::npos && line.find(",16,") != std::string::npos) {
            EXPECT_NE(line.find(",4,4,"), std::string::npos) << line;
        }
    }
    EXPECT_EQ(rows, 4);
    EXPECT_TRUE(std::filesystem::exists(folder.path("toy.svg")));
}

// A network trained on draws of a target is set against the exact score, and learns a schedule as any model
// does.
TEST(CliModes, ANetworkTrainedOnDrawsIsComparedWithTheExactScore) {
    const Folder folder;
    const std::string train =
        "train --architecture mlp --channels 32 --data 'exact:mixture,means=[-1,1],widths=[0.3]' "
        "--batch 128 --store-dtype f32 --schedule ";
    folder.ok(train + "fixed:levels=20 --steps 20 --output little.safetensors");
    folder.ok(train +
              "adaptive:levels=20,least=4,burn-in=50 --steps 1200 --learning-rate 0.003 --ema 0.99 --output "
              "much.safetensors");
    EXPECT_TRUE(std::filesystem::exists(folder.path("much.safetensors.schedule.json")));
    std::ofstream(folder.path("toy.suite"))
        << "title = a\nmodel = native:file=little.safetensors\nmodel = native:file=much.safetensors\n"
           "schedule = score-optimal:spacing=0.4\nschedule = edm\nsampler = euler\nsteps = 12\n"
           "images = 500\nbatch = 500\n";
    const auto result = folder.ok("modes toy.suite --csv toy.csv --plot toy.svg --error-plot error.svg");
    EXPECT_NE(result.out.find("error of the score, nats"), std::string::npos);
    std::ifstream csv(folder.path("toy.csv"));
    std::string line;
    std::getline(csv, line);
    EXPECT_TRUE(line.ends_with("score_error,score_error_se")) << line;
    std::vector<double> errors;
    while (std::getline(csv, line)) {
        const size_t last = line.rfind(','), before = line.rfind(',', last - 1);
        errors.push_back(std::stod(line.substr(before + 1)));
    }
    ASSERT_EQ(errors.size(), 4U);
    EXPECT_LT(errors[2], 0.5 * errors[0]);  // longer training, smaller error
    EXPECT_GT(std::filesystem::file_size(folder.path("error.svg")), 1000U);
    // Exact models alone have no error to draw; a network of images stands for no density.
    std::ofstream(folder.path("exact.suite")) << "title = a\nmodel = exact:gaussian\nschedule = edm\nsampler "
                                                 "= euler\nsteps = 3\nimages = 10\nbatch = 10\n";
    EXPECT_NE(folder.fails("modes exact.suite --error-plot e.svg").err.find("--error-plot"),
              std::string::npos);
    EXPECT_NE(folder.fails("train --architecture mlp --output x.safetensors").err.find("vectors"),
              std::string::npos);
    EXPECT_NE(folder.fails("train --data exact:gaussian --output x.safetensors").err.find("mlp"),
              std::string::npos);
}

TEST(CliSweep, LearnsOnExactTargetsAndSaysWhenThereIsNothingToLearnFrom) {
    const Folder folder;
    const std::string rest =
        "title = a\nschedule = score-optimal:spacing=0.4\nsampler = euler\nsteps = 6\n"
        "images = 20\nbatch = 10\n";
    std::ofstream(folder.path("exact.suite")) << "model = exact:gaussian,c=0.4,dim=4\n" << rest;
    folder.ok("sweep exact.suite --output exact.h5");
    const std::string learned = folder.ok("show exact.h5").out;
    EXPECT_NE(learned.find("score-optimal"), std::string::npos) << learned;
    folder.ok("sweep exact.suite --output exact.h5");  // continued: nothing is learned twice
    std::ofstream(folder.path("network.suite"))
        << "model = native:file=" SCHEDBENCH_SOURCE_DIR "/weights/fashion-edm.safetensors\n"
        << rest;
    for (const char* how : {" --dry-run", ""}) {
        const auto refused = folder.fails(std::string("sweep network.suite --output n.h5") + how);
        EXPECT_NE((refused.out + refused.err).find("names neither data nor a reference"), std::string::npos)
            << refused.out << refused.err;
    }
}

TEST(CliLearn, RangeOptions) {
    const Folder folder;
    const auto levels = numbers(folder
                                    .ok("learn score-optimal:probes=8 --model exact:gaussian --sigma-min "
                                        "0.01 --sigma-max 20 --steps 4 --json")
                                    .json()
                                    .at("effective"));
    EXPECT_EQ(levels.front(), 20);
    EXPECT_NEAR(levels[3], 0.01, 1e-15);
    EXPECT_EQ(levels.back(), 0);
}

/// Least cost over all rising paths of `steps` entries that end at T.
double brute_force(int table, int steps, const std::function<double(const std::vector<int>&)>& cost,
                   std::vector<int> tail = {}) {
    if (tail.empty()) tail = {table};
    if (static_cast<int>(tail.size()) == steps) return cost(tail);
    double best = INFINITY;
    for (int t = tail.front() - 1; t >= 1; --t) {
        std::vector<int> next = tail;
        next.insert(next.begin(), t);
        best = std::min(best, brute_force(table, steps, cost, next));
    }
    return best;
}

/// Bound of Gaussian data N(0, c^2) under posterior variances, nats per dimension, without the prior (same
/// for all).
double gaussian_bound(const std::vector<int>& path, const std::vector<double>& abar, double c) {
    const auto error = [&](int t) {
        const double sigma2 = (1 - abar[static_cast<size_t>(t)]) / abar[static_cast<size_t>(t)];
        return c * c * sigma2 / (c * c + sigma2);
    };
    const auto b = [&](int t) { return 1 - abar[static_cast<size_t>(t)]; };
    const auto posterior = [&](int s, int t) {
        return (1 - abar[static_cast<size_t>(t)] / abar[static_cast<size_t>(s)]) * b(s) / b(t);
    };
    const double v = path[0] == 1 ? posterior(1, 2) : b(path[0]);  // variance of the decoder
    double cost = 0.5 * std::log(2 * M_PI * v) + error(path[0]) / (2 * v);
    for (size_t k = 1; k < path.size(); ++k) {
        const int s = path[k - 1], t = path[k];
        const double beta = 1 - abar[static_cast<size_t>(t)] / abar[static_cast<size_t>(s)];
        const double gain =
            std::sqrt(abar[static_cast<size_t>(s)]) * beta / b(t);  // of x0 in the posterior mean
        cost += gain * gain * error(t) / (2 * posterior(s, t));
    }
    return cost;
}

TEST(CliLearn, DynamicProgrammeFindsTheBestPath) {
    const Folder folder;
    constexpr int kTable = 12;
    constexpr double kWidth = 0.5;
    std::vector<double> abar{1};
    std::string betas;
    for (int t = 1; t <= kTable; ++t) {
        betas += (t == 1 ? "0.0" : ",0.0") + std::to_string(t);  // 0.01, 0.02, ..., 0.09, 0.010, 0.011, 0.012
        abar.push_back(abar.back() * (1 - std::stod("0.0" + std::to_string(t))));
    }
    const std::string model = "--model 'exact:gaussian,c=0.5,dim=256,process={betas:values=[" + betas + "]}'";
    const auto cost = [&](const std::vector<int>& path) { return gaussian_bound(path, abar, kWidth); };
    for (int steps : {2, 3, 5}) {
        const auto json = folder
                              .ok("learn dp-elbo:clip=false --draws 256 --steps " + std::to_string(steps) +
                                  " --json " + model)
                              .json();
        std::vector<int> path;
        for (const auto& index : json.at("index"))
            if (index != 0) path.insert(path.begin(), index.get<int>());
        ASSERT_EQ(static_cast<int>(path.size()), steps);
        EXPECT_EQ(path.back(), kTable);
        // The program minimises the bound of its sample of the data, so a near tie may go the other way.
        EXPECT_NEAR(cost(path), brute_force(kTable, steps, cost), 0.01) << steps;
    }
}

TEST(CliLearn, PathsAreKeptForEveryBudget) {
    const Folder folder;
    for (const std::string process : {"linear:T=40", "continuous:sigma-max=80,sigma-min=0.002"}) {
        const std::string model = "--model 'exact:gaussian,c=0.5,process={" + process + "}'";
        const std::string learn =
            "learn dp-elbo:clip=false,grid=30 --draws 32 " + model + " --output dp.json --json";
        const auto five = folder.ok(learn + " --steps 5").json();
        for (int steps : {1, 5, 30}) {
            const auto learned = folder.ok(learn + " --steps " + std::to_string(steps)).json();
            const auto read = folder
                                  .ok("knots learned:file=dp.json --steps " + std::to_string(steps) +
                                      " --process " + process + " --json")
                                  .json();
            EXPECT_EQ(read.at("effective"), learned.at("effective")) << process;
            EXPECT_EQ(read.at("index"), learned.at("index"));
            EXPECT_EQ(read.at("effective").size(), static_cast<size_t>(steps) + 1);
        }
        EXPECT_EQ(folder.ok("knots learned:file=dp.json --steps 5 --process " + process + " --json")
                      .json()
                      .at("effective"),
                  five.at("effective"));
        folder.ok("sample " + model +
                  " --schedule learned:file=dp.json --sampler ddim --steps 5 --count 3 --output x.npy");
        EXPECT_EQ(folder.run("knots learned:file=dp.json --steps 5 --process linear:T=41").code, 2);
    }
}

}  // namespace
}  // namespace schedbench
