#include "harness/statistics_record.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "core/hash.h"

namespace schedbench {

namespace {

NamedArray array(std::vector<int64_t> shape, std::vector<double> values, const char* units,
                 const char* axes) {
    return {std::move(shape), std::move(values), units, axes};
}

const NamedArray& get(const StatisticsRecord& record, const std::string& name, const std::string& where) {
    const auto it = record.arrays.find(name);
    if (it == record.arrays.end())
        throw Error("store", "statistics " + record.id + " lack the array " + name, where);
    return it->second;
}

}  // namespace

std::string statistics_id(const DenoisingStatistics& statistics) {
    nlohmann::json identity = statistics.identity();
    identity.erase("data");  // the images' hash says it; where they lie does not matter
    return short_hash(identity.dump());
}

StatisticsRecord statistics_record(const DenoisingStatistics& s) {
    StatisticsRecord r;
    r.id = statistics_id(s);
    r.texts = {{"kind", "denoising-statistics"},
               {"model", s.model},
               {"weights", s.weights},
               {"data", s.data},
               {"data_hash", s.data_hash},
               {"chain", s.chain_name},
               {"clip", s.clip ? "true" : "false"},
               {"decoder", decoder_name(s.decoder)}};
    r.integers = {{"seed", static_cast<int64_t>(s.seed)}, {"images", s.images}};
    const auto table = static_cast<int64_t>(s.betas.size()), n = s.images;
    r.arrays["betas"] = array({table}, s.betas, "1", "level");
    const auto moments = [&](const std::string& name, const std::vector<RunningMean>& means,
                             const char* units) {
        std::vector<double> mean, m2;
        for (size_t t = 1; t < means.size(); ++t) mean.push_back(means[t].mean), m2.push_back(means[t].m2);
        r.arrays[name + "_mean"] = array({table}, mean, units, "level");
        r.arrays[name + "_m2"] = array({table}, m2, units, "level");
    };
    moments("error", s.error, "1");
    moments("decoder", s.decoder_nats, "nat/dim");
    if (!s.gamma.empty()) moments("gamma", s.gamma, "1");
    r.arrays["second_moment"] = array({n}, s.second_moment, "1", "image");
    if (!s.image_error.empty()) {
        r.arrays["image_error"] =
            array({n, table}, {s.image_error.begin(), s.image_error.end()}, "1", "image,level");
        r.arrays["image_decoder"] =
            array({n, table}, {s.image_decoder.begin(), s.image_decoder.end()}, "nat/dim", "image,level");
    }
    return r;
}

DenoisingStatistics statistics_of(const StatisticsRecord& r, const std::string& where) {
    const auto text = [&](const std::string& name) {
        const auto it = r.texts.find(name);
        if (it == r.texts.end())
            throw Error("store", "statistics " + r.id + " lack the attribute " + name, where);
        return it->second;
    };
    const auto integer = [&](const std::string& name) {
        const auto it = r.integers.find(name);
        if (it == r.integers.end())
            throw Error("store", "statistics " + r.id + " lack the attribute " + name, where);
        return it->second;
    };
    DenoisingStatistics s;
    s.model = text("model");
    s.weights = text("weights");
    s.data = text("data");
    s.data_hash = text("data_hash");
    s.chain_name = text("chain");
    s.clip = text("clip") == "true";
    s.decoder = parse_decoder(text("decoder"), where);
    s.seed = static_cast<uint64_t>(integer("seed"));
    s.images = integer("images");
    s.betas = get(r, "betas", where).values;
    const auto moments = [&](const std::string& name) {
        const auto &mean = get(r, name + "_mean", where).values, &m2 = get(r, name + "_m2", where).values;
        std::vector<RunningMean> out(mean.size() + 1);
        for (size_t t = 0; t < mean.size(); ++t) out[t + 1] = {s.images, mean[t], m2.at(t)};
        return out;
    };
    s.error = moments("error");
    s.decoder_nats = moments("decoder");
    if (r.arrays.contains("gamma_mean")) s.gamma = moments("gamma");
    s.second_moment = get(r, "second_moment", where).values;
    if (r.arrays.contains("image_error")) {
        const auto &error = get(r, "image_error", where).values,
                   &decoder = get(r, "image_decoder", where).values;
        for (double v : error) s.image_error.push_back(static_cast<float>(v));
        for (double v : decoder) s.image_decoder.push_back(static_cast<float>(v));
    }
    return s;
}

LevelStatistics level_statistics_of(const DenoisingStatistics& s, const std::string& where) {
    if (s.images < 1) throw Error("run", "the denoising statistics hold no images yet", where);
    if (s.gamma.empty())
        throw Error("option", "these statistics were measured before the norm of the predicted noise was kept with them",
                    where, "measure them again, into another run file");
    LevelStatistics out;
    out.process = s.chain_name;
    out.clip = s.clip;
    out.n = s.images;
    out.model = s.model;
    out.weights = s.weights;
    const NoiseProcess chain = s.chain();
    for (int t = 1; t <= s.levels(); ++t) {
        out.sigma.push_back(chain.sigma(t));
        out.gamma.push_back(s.gamma[static_cast<size_t>(t)].mean);
        out.error.push_back(s.error[static_cast<size_t>(t)].mean);
    }
    return out;
}

std::optional<DenoisingStatistics> find_statistics(const std::vector<std::string>& files,
                                                   const std::string& id) {
    std::optional<DenoisingStatistics> best;
    for (const std::string& path : files) {
        const RunFile file = RunFile::open(path);
        if (!file.has("statistics", id)) continue;
        DenoisingStatistics found = statistics_of(file.statistics(id), path);
        if (!best || found.images > best->images) best = std::move(found);
    }
    return best;
}

StatisticsRecord learned_record(const std::string& id, const LearnedSchedule& learned) {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("schedbench-" + id + ".json")).string();
    learned.write(path);
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    std::filesystem::remove(path);
    StatisticsRecord r;
    r.id = id;
    r.texts = {{"kind", "learned-schedule"},
               {"spec", learned.spec},
               {"process", learned.process},
               {"learned", text.str()}};
    return r;
}

LearnedSchedule learned_of(const StatisticsRecord& record, const std::string& scratch_folder) {
    const std::string path = scratch_folder + "/learned-" + record.id + ".json";
    std::ofstream(path) << record.texts.at("learned");
    return LearnedSchedule::read(path);
}

}  // namespace schedbench
