// schedbench bpd: bits/dim of strides, variances and step counts from stored statistics; no network is
// evaluated.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/comma_list.h"
#include "apps/commands.h"
#include "apps/options.h"
#include "apps/terms_plot.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/progress.h"
#include "harness/json_number.h"
#include "harness/likelihood_job.h"
#include "harness/likelihood_table.h"
#include "harness/published_bounds.h"
#include "harness/run_header.h"
#include "harness/statistics_record.h"
#include "harness/training_ablation.h"
#include "likelihood/statistics_fixture.h"
#include "store/run_lock.h"

namespace schedbench {
namespace {

/// "train", "test", or "data" for data without halves.
std::string split_of(const DenoisingStatistics& s) {
    const Spec spec = Spec::parse(s.data, "data of the statistics");
    const SpecValue* split = spec.find("split");
    return split ? split->text : "data";
}

struct Filter {
    std::string model, clip;
    bool takes(const DenoisingStatistics& s) const {
        return (model.empty() || s.model.find(model) != std::string::npos) &&
               (clip.empty() || clip == (s.clip ? "true" : "false"));
    }
};

struct Found {
    std::vector<DenoisingStatistics> statistics;
    std::string dataset;  ///< rows of published tables that a JSON file asks for
    std::vector<std::string> models;
};

bool is_json(const std::string& path) {
    std::ifstream in(path);
    char first = 0;
    in >> first;
    return first == '{';
}

Found read_all(const std::vector<std::string>& paths, const Filter& filter) {
    Found out;
    std::map<std::string, DenoisingStatistics> by_id;  // of the same statistics in two files, the larger
    for (const std::string& path : paths) {
        if (is_json(path)) {
            StatisticsFixture fixture = read_statistics_fixture(path);
            out.dataset = fixture.published_dataset;
            out.models = fixture.published_models;
            if (filter.takes(fixture.statistics)) out.statistics.push_back(std::move(fixture.statistics));
            continue;
        }
        const RunFile file = RunFile::open(path);
        for (const std::string& id : file.ids("statistics")) {
            const StatisticsRecord record = file.statistics(id);
            const auto kind = record.texts.find("kind");
            if (kind == record.texts.end() || kind->second != "denoising-statistics") continue;
            DenoisingStatistics s = statistics_of(record, path);
            if (!filter.takes(s)) continue;
            const auto known = by_id.find(id);
            if (known == by_id.end() || known->second.images < s.images) by_id[id] = std::move(s);
        }
    }
    for (auto& [id, s] : by_id) out.statistics.push_back(std::move(s));
    if (out.statistics.empty())
        throw Error("option",
                    "holds no denoising statistics" + std::string(filter.model.empty() && filter.clip.empty()
                                                                      ? ""
                                                                      : " that fit --model and --clip"),
                    paths.front(), "make them with schedbench statistics");
    return out;
}

/// What paths are chosen on, and what they are scored on beside that.
struct Pair {
    std::optional<DenoisingStatistics> choose, score;
};

/// One pair for each clip rule and decoder.
std::vector<Pair> pair_up(std::vector<DenoisingStatistics> first, std::vector<DenoisingStatistics> second) {
    std::map<std::string, Pair> pairs;
    std::string model;
    const auto put = [&](DenoisingStatistics& s, bool to_score) {
        const std::string identity = s.model + " over " + s.chain_name +
                                     (s.weights.empty() ? "" : " with weights " + s.weights.substr(0, 12));
        if (!model.empty() && model != identity)
            throw Error("option", "the files hold statistics of several models: " + model + "; " + identity,
                        "--statistics", "choose one with --model TEXT, a part of its spec");
        model = identity;
        Pair& pair = pairs[std::to_string(!s.clip) + decoder_name(s.decoder)];
        auto& slot = to_score ? pair.score : pair.choose;
        if (slot)
            throw Error("option",
                        "the files hold several statistics for the " +
                            std::string(to_score ? "test" : "train") + " data: " + slot->data + ", seed " +
                            std::to_string(slot->seed) + "; " + s.data + ", seed " + std::to_string(s.seed),
                        "--statistics", "give files with one of each, and --test for the other");
        slot = std::move(s);
    };
    const auto only_one = [](const std::vector<DenoisingStatistics>& list) {  // split, in every clip rule
        return std::all_of(list.begin(), list.end(),
                           [&](const auto& s) { return s.data_hash == list[0].data_hash; });
    };
    const bool two_files = !second.empty();
    for (auto& s : first)
        if (!two_files || split_of(s) != "test" || only_one(first))
            put(s, !two_files && split_of(s) == "test");
    for (auto& s : second)
        if (split_of(s) != "train" || only_one(second)) put(s, true);
    std::vector<Pair> out;
    for (auto& [key, pair] : pairs) {
        if (!pair.choose)
            std::swap(pair.choose, pair.score);  // one split only: paths are chosen and scored on it
        out.push_back(std::move(pair));
    }
    return out;
}

std::vector<LikelihoodRow> rows_of(const Pair& pair, const LikelihoodRequest& request,
                                   std::vector<std::string>& left_out) {
    const DenoisingStatistics& test = pair.score ? *pair.score : *pair.choose;
    std::vector<LikelihoodRow> out;
    const auto rows = likelihood_rows(*pair.choose, test, request, &left_out);
    for (size_t i = 0; i < rows.size(); ++i) {  // rows alternate: chosen on, scored on
        if (i % 2 == 1 && !pair.score) continue;
        out.push_back(rows[i]);
        if (!pair.score) out.back().split = split_of(*pair.choose);
    }
    return out;
}

void print_compared(const std::vector<ComparedRow>& rows) {
    TextTable table(
        {"<source", "<model", "<method", "steps", "printed", "ours", "ours - printed", "<ours is"});
    for (const ComparedRow& r : rows)
        table.add(
            {r.published.source + (r.published.status == "as printed" ? "" : " (" + r.published.status + ")"),
             r.published.model, r.published.method, std::to_string(r.published.steps),
             fixed_number(r.published.value, 2), fixed_number(r.bits_per_dim, 4),
             fixed_number(r.bits_per_dim - r.published.value, 3),
             r.variance + " " + r.stride + ", first step " + r.first_step +
                 (r.note.empty() ? "" : " (" + r.note + ")")});
    table.print(std::cout);
}

nlohmann::json json_of(const ComparedRow& r) {
    return {{"source", r.published.source},
            {"table", r.published.table},
            {"dataset", r.published.dataset},
            {"model", r.published.model},
            {"method", r.published.method},
            {"steps", r.published.steps},
            {"published", r.published.value},
            {"status", r.published.status},
            {"remark", r.published.remark},
            {"stride", r.stride},
            {"variance", r.variance},
            {"first_step", r.first_step},
            {"decoder", r.decoder},
            {"bits_per_dim", r.bits_per_dim},
            {"se", json_number(r.se)},
            {"note", r.note}};
}

void print_notes(const std::vector<std::string>& left_out) {
    for (const std::string& what : left_out) std::cerr << "left out: " << what << "\n";
}

/// The table of published rows beside ours.
void compare(const Options& options, const Found& found, const Pair& pair) {
    std::vector<PublishedRow> published;
    for (const std::string& path : options.texts("compare"))
        for (PublishedRow& row : read_published(path)) published.push_back(std::move(row));
    std::vector<std::string> models =
                                 comma_words(options.text_or("published-model", ""), "--published-model"),
                             left_out;
    if (models.empty()) models = found.models;
    const auto rows =
        compare_with_published(*pair.choose, pair.score ? *pair.score : *pair.choose, published,
                               options.text_or("published-dataset", found.dataset), models, left_out);
    print_notes(left_out);
    if (rows.empty())
        throw Error("option", "has no rows of bits/dim for these statistics", "--compare",
                    "say which with --published-dataset and --published-model");
    nlohmann::json array = nlohmann::json::array();
    for (const ComparedRow& row : rows) array.push_back(json_of(row));
    if (options.on("json"))
        std::cout << array.dump() << "\n";
    else
        print_compared(rows);
}

/// How many training images it takes.
void ablation(const Options& options, const Pair& pair, const std::vector<int>& steps) {
    if (!pair.score)
        throw Error("option", "needs statistics of a training and of a test split", "--training-images",
                    "give both in --statistics, or the second with --test");
    AblationRequest request;
    for (int images : comma_integers(options.text("training-images"), "--training-images"))
        request.images.push_back(images);
    request.variances = options.text("variance") == "known"
                            ? std::vector<std::string>{"posterior", "beta", "corrected-analytic"}
                            : comma_words(options.text("variance"), "--variance");
    request.steps = steps.empty() ? std::vector<int>{8, 32, 128} : steps;
    request.repeats = static_cast<int>(options.integer("repeats", 2));
    std::optional<Progress> progress;
    const auto rows = training_ablation(*pair.choose, *pair.score, request, [&](int64_t done, int64_t all) {
        if (!progress) progress.emplace("ablation", all, "subsets");
        progress->update(done);
    });
    progress.reset();
    nlohmann::json array = nlohmann::json::array();
    TextTable table({"<variance", "steps", "training images", "subsets", "bits/dim (test)", "sd over subsets",
                     "se over test images"});
    for (const AblationRow& r : rows) {
        array.push_back({{"variance", r.variance},
                         {"steps", r.steps},
                         {"training_images", r.images},
                         {"subsets", r.repeats},
                         {"bits_per_dim", r.mean},
                         {"sd", r.sd},
                         {"test_se", json_number(r.test_se)}});
        table.add({r.variance, std::to_string(r.steps), std::to_string(r.images), std::to_string(r.repeats),
                   fixed_number(r.mean, 4), r.repeats > 1 ? fixed_number(r.sd, 4) : "-",
                   fixed_number(r.test_se, 4)});
    }
    if (options.on("json"))
        std::cout << array.dump() << "\n";
    else
        table.print(std::cout);
}

int run(const std::vector<std::string>& arguments) {
    Options options(kBpdCommand);
    options.list("statistics", "run file with statistics, or a JSON file of them; may be given several times")
        .value("test", "", "run file with the statistics of the test data, if it is another one")
        .value("stride", "even,even-kt,ddim-quad,quadratic,dp",
               "strides: even (from 1), even-kt (kT/K), ddim-quad, quadratic (T(k/K)^2), dp (chosen on the "
               "train "
               "data, exactly K steps)")
        .value(
            "variance", "known",
            "reverse variances: posterior, beta, corrected-analytic, analytic, learned; known: all that the "
            "statistics hold")
        .value("first-step", "table",
               "variance of the decoder: table (of t_1 alone), path (of the first two nodes), optimal (M_t)")
        .value("decoder", "measured", "decoders: tanh, erf, density; measured: the one of the pass")
        .value("steps", "", "numbers of steps; default 8,16,32,64,128,256 and all of the table")
        .value("model", "", "only statistics whose model has this text in its spec")
        .value("clip", "", "only statistics with this clip rule: true or false")
        .list("compare",
              "CSV of published figures (results/published): ours beside them, instead of the table")
        .value("published-dataset", "", "only rows of --compare with this data set")
        .value("published-model", "", "only rows of --compare whose model has one of these texts in its name")
        .value("training-images", "",
               "instead of the table: dp paths and fitted variances of random subsets of so many training images, "
               "scored on the test images")
        .value("repeats", "10", "subsets of each size, for --training-images")
        .value("plot", "", "SVG file: the terms along each path of the table, on the test images")
        .value("output", "", "run file to keep the rows in as well")
        .json();
    if (!options.parse(arguments)) return 0;
    const std::vector<std::string> paths = options.texts("statistics");
    if (paths.empty())
        throw Error("option", "is needed", "--statistics", std::string("usage: ") + kBpdCommand.usage);
    const Filter filter{options.text_or("model", ""), options.text_or("clip", "")};
    LikelihoodRequest request;
    request.strides = comma_words(options.text("stride"), "--stride");
    request.first_steps = comma_words(options.text("first-step"), "--first-step");
    if (options.text("decoder") != "measured")
        request.decoders = comma_words(options.text("decoder"), "--decoder");
    const std::vector<int> steps = comma_integers(options.text_or("steps", ""), "--steps");
    std::vector<DenoisingStatistics> test;
    if (options.has("test")) test = read_all({options.text("test")}, filter).statistics;
    Found found = read_all(paths, filter);
    const std::vector<Pair> pairs = pair_up(std::move(found.statistics), std::move(test));

    std::vector<LikelihoodRow> rows;
    std::vector<std::string> left_out;
    std::string identity;
    for (const Pair& pair : pairs) {
        std::cerr << "paths chosen on " << pair.choose->data << " (" << pair.choose->images << " images)";
        if (pair.score)
            std::cerr << ", scored on it and on " << pair.score->data << " (" << pair.score->images
                      << " images)";
        std::cerr << "\n";
    }
    if (options.has("compare")) {
        if (pairs.size() > 1)
            throw Error("option", "the statistics hold several clip rules or decoders", "--compare",
                        "choose one with --clip");
        compare(options, found, pairs.front());
        return 0;
    }
    if (options.has("training-images")) {
        if (pairs.size() > 1)
            throw Error("option", "the statistics hold several clip rules or decoders", "--training-images",
                        "choose one with --clip");
        ablation(options, pairs.front(), steps);
        return 0;
    }
    for (const Pair& pair : pairs) {
        request.steps = steps;
        const int table = pair.choose->levels();
        if (steps.empty())
            for (int n : {8, 16, 32, 64, 128, 256, table})
                if (n < table || n == table) request.steps.push_back(n);
        std::sort(request.steps.begin(), request.steps.end());
        request.steps.erase(std::unique(request.steps.begin(), request.steps.end()), request.steps.end());
        request.variances = options.text("variance") == "known"
                                ? known_variances(*pair.choose)
                                : comma_words(options.text("variance"), "--variance");
        for (LikelihoodRow& row : rows_of(pair, request, left_out)) rows.push_back(std::move(row));
        identity += pair.choose->identity().dump() + std::to_string(pair.choose->images);
        if (pair.score) identity += pair.score->identity().dump() + std::to_string(pair.score->images);
    }
    print_notes(left_out);
    if (options.has("plot")) {
        std::vector<LikelihoodRow> drawn;
        for (const LikelihoodRow& row : rows)
            if (row.split == "test" || !pairs.front().score) drawn.push_back(row);
        write_terms_plot(options.text("plot"), drawn, "--plot");
        std::cerr << "drawn: " << options.text("plot") << "\n";
    }
    const nlohmann::json array = likelihood_json(rows);
    if (options.has("output")) {
        const RunLock lock(options.text("output"));
        RunEdit edit(lock, new_run_header("complete"));
        edit.put(likelihood_record(short_hash(identity + array.dump()),
                                   short_hash(pairs.front().choose->model), rows));
        edit.commit();
    }
    if (options.on("json"))
        std::cout << array.dump() << "\n";
    else
        std::cout << print_likelihood(rows, TableFormat::terminal);
    return 0;
}

}  // namespace

const Command kBpdCommand = {
    "bpd", "bits/dim tables from stored statistics: every stride, variance, budget",
    "schedbench bpd --statistics FILE.h5 [--test FILE2.h5] [options]",
    "  schedbench bpd --statistics st.h5\n"
    "  schedbench bpd --statistics st.h5 --stride even,quadratic,dp --variance posterior --steps 10,20,50 "
    "--json\n"
    "  schedbench bpd --statistics train.h5 --test test.h5 --clip true\n"
    "  schedbench bpd --statistics results/published/ls-fixture.json --compare "
    "results/published/bao-2022.csv "
    "--compare results/published/watson-2021-nll.csv\n"
    "  schedbench bpd --statistics st.h5 --variance posterior --steps 32 --plot terms.svg\n"
    "  schedbench bpd --statistics train.h5 --test test.h5 --clip true --training-images 1,10,100\n"
    "Paths of the stride dp are chosen on the train data and scored on both; a file may hold both splits.\n",
    run};

}  // namespace schedbench
