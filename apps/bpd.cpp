// schedbench bpd: bits/dim of strides, variances and step counts from stored statistics; no network is
// evaluated.
#include <cmath>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/comma_list.h"
#include "apps/commands.h"
#include "apps/options.h"
#include "apps/text_table.h"
#include "core/error.h"
#include "core/hash.h"
#include "harness/likelihood_job.h"
#include "harness/statistics_record.h"
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
    std::string model, clip, decoder;
    bool takes(const DenoisingStatistics& s) const {
        return (model.empty() || s.model.find(model) != std::string::npos) &&
               (clip.empty() || clip == (s.clip ? "true" : "false")) &&
               (decoder.empty() || decoder == decoder_name(s.decoder));
    }
};

std::vector<DenoisingStatistics> read_all(const std::vector<std::string>& paths, const Filter& filter) {
    std::map<std::string, DenoisingStatistics> by_id;  // of the same statistics in two files, the larger
    for (const std::string& path : paths) {
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
    if (by_id.empty())
        throw Error("option",
                    "holds no denoising statistics" +
                        std::string(filter.model.empty() && filter.clip.empty() && filter.decoder.empty()
                                        ? ""
                                        : " that fit --model, --clip and --decoder"),
                    paths.front(), "make them with schedbench statistics");
    std::vector<DenoisingStatistics> out;
    for (auto& [id, s] : by_id) out.push_back(std::move(s));
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
        const std::string identity = s.model + " over " + s.chain_name;
        if (!model.empty() && model != identity)
            throw Error("option", "the files hold statistics of several models: " + model + "; " + identity,
                        "--statistics", "choose one with --model TEXT, a part of its spec");
        model = identity;
        auto& slot = to_score ? pairs[std::to_string(s.clip) + decoder_name(s.decoder)].score
                              : pairs[std::to_string(s.clip) + decoder_name(s.decoder)].choose;
        if (slot)
            throw Error("option",
                        "the files hold several statistics for the " +
                            std::string(to_score ? "test" : "train") + " data: " + slot->data + ", seed " +
                            std::to_string(slot->seed) + "; " + s.data + ", seed " + std::to_string(s.seed),
                        "--statistics", "give files with one of each, and --test for the other");
        slot = std::move(s);
    };
    const bool two_files = !second.empty();
    for (auto& s : first)
        if (!two_files || split_of(s) != "test" || first.size() == 1)
            put(s, !two_files && split_of(s) == "test");
    for (auto& s : second)
        if (split_of(s) != "train" || second.size() == 1) put(s, true);
    std::vector<Pair> out;
    for (auto& [key, pair] : pairs) {
        if (!pair.choose)
            std::swap(pair.choose, pair.score);  // one split only: paths are chosen and scored on it
        out.push_back(std::move(pair));
    }
    return out;
}

std::vector<LikelihoodRow> rows_of(const Pair& pair, const std::vector<std::string>& strides,
                                   const std::vector<std::string>& variances, const std::vector<int>& steps) {
    const DenoisingStatistics& test = pair.score ? *pair.score : *pair.choose;
    std::vector<LikelihoodRow> out;
    const auto rows = likelihood_rows(*pair.choose, test, strides, variances, steps);
    for (size_t i = 0; i < rows.size(); ++i) {  // rows alternate: chosen on, scored on
        if (i % 2 == 1 && !pair.score) continue;
        out.push_back(rows[i]);
        if (!pair.score) out.back().split = split_of(*pair.choose);
    }
    return out;
}

nlohmann::json json_of(const LikelihoodRow& row) {
    const double se = row.bits_per_dim.se;
    return {{"stride", row.stride},
            {"variance", row.variance},
            {"decoder", row.decoder},
            {"first_step", row.first_step},
            {"clip", row.clip},
            {"split", row.split},
            {"steps", row.steps},
            {"bits_per_dim", row.bits_per_dim.value},
            {"se", std::isfinite(se) ? nlohmann::json(se) : nlohmann::json(nullptr)},
            {"path", row.path}};
}

void print_table(const std::vector<LikelihoodRow>& rows) {
    TextTable table({"<variance", "<stride", "<decoder", "<clip", "<split", "steps", "bits/dim", "se"});
    for (const LikelihoodRow& row : rows)
        table.add({row.variance, row.stride, row.decoder, row.clip, row.split, std::to_string(row.steps),
                   fixed_number(row.bits_per_dim.value, 4),
                   std::isfinite(row.bits_per_dim.se) ? short_number(row.bits_per_dim.se, 2) : "-"});
    table.print(std::cout);
}

int run(const std::vector<std::string>& arguments) {
    Options options(kBpdCommand);
    options.list("statistics", "run file with statistics; may be given several times")
        .value("test", "", "run file with the statistics of the test data, if it is another one")
        .value("stride", "even,quadratic,dp",
               "strides: even, even-kt, quadratic, dp (chosen on the train data)")
        .value("variance", "posterior,beta,corrected-analytic",
               "reverse variances: posterior, beta, corrected-analytic, analytic")
        .value("steps", "", "numbers of steps; default 10,20,50,100,200,500,1000 up to the table's size")
        .value("model", "", "only statistics whose model has this text in its spec")
        .value("clip", "", "only statistics with this clip rule: true or false")
        .value("decoder", "", "only statistics with this decoder: tanh, erf or density")
        .value("output", "", "run file to keep the rows in as well")
        .json();
    if (!options.parse(arguments)) return 0;
    const std::vector<std::string> paths = options.texts("statistics");
    if (paths.empty())
        throw Error("option", "is needed", "--statistics", std::string("usage: ") + kBpdCommand.usage);
    const Filter filter{options.text_or("model", ""), options.text_or("clip", ""),
                        options.text_or("decoder", "")};
    const auto strides = comma_words(options.text("stride"), "--stride"),
               variances = comma_words(options.text("variance"), "--variance");
    std::vector<int> steps = comma_integers(options.text_or("steps", ""), "--steps");
    std::vector<DenoisingStatistics> test;
    if (options.has("test")) test = read_all({options.text("test")}, filter);
    const std::vector<Pair> pairs = pair_up(read_all(paths, filter), std::move(test));

    std::vector<LikelihoodRow> rows;
    std::string identity;
    for (const Pair& pair : pairs) {
        std::vector<int> counts = steps;
        if (counts.empty())
            for (int n : {10, 20, 50, 100, 200, 500, 1000})
                if (n <= pair.choose->levels()) counts.push_back(n);
        if (counts.empty()) counts.push_back(pair.choose->levels());
        std::cerr << "paths chosen on " << pair.choose->data << " (" << pair.choose->images << " images)";
        if (pair.score)
            std::cerr << ", scored on it and on " << pair.score->data << " (" << pair.score->images
                      << " images)";
        std::cerr << "\n";
        for (LikelihoodRow& row : rows_of(pair, strides, variances, counts)) rows.push_back(std::move(row));
        identity += pair.choose->identity().dump() + std::to_string(pair.choose->images);
        if (pair.score) identity += pair.score->identity().dump() + std::to_string(pair.score->images);
    }
    nlohmann::json array = nlohmann::json::array();
    for (const LikelihoodRow& row : rows) array.push_back(json_of(row));
    if (options.has("output")) {
        const RunLock lock(options.text("output"));
        RunHeader header;
        header.software = "schedbench " SCHEDBENCH_VERSION;
        header.status = "complete";
        RunEdit edit(lock, header);
        edit.put(likelihood_record(short_hash(identity + array.dump()),
                                   short_hash(pairs.front().choose->model), rows));
        edit.commit();
    }
    if (options.on("json"))
        std::cout << array.dump() << "\n";
    else
        print_table(rows);
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
    "Paths of the stride dp are chosen on the train data and scored on both; a file may hold both splits.\n",
    run};

}  // namespace schedbench
