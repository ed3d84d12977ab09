#include "harness/statistics_record.h"

#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"

namespace schedbench {

namespace {

NamedArray array(std::vector<int64_t> shape, std::vector<double> values, const char* units,
                 const char* axes) {
    return {std::move(shape), std::move(values), units, axes, false};
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

namespace {

using Means = std::vector<RunningMean>;

/// Mean and sum of squared deviations of entries 1 .. T.
void put_means(StatisticsRecord& r, const std::string& name, const Means& means, const char* units) {
    if (means.empty()) return;
    std::vector<double> mean, m2;
    for (size_t t = 1; t < means.size(); ++t) mean.push_back(means[t].mean), m2.push_back(means[t].m2);
    const auto table = static_cast<int64_t>(mean.size());
    r.arrays[name + "_mean"] = array({table}, std::move(mean), units, "level");
    r.arrays[name + "_m2"] = array({table}, std::move(m2), units, "level");
}

void put_rows(StatisticsRecord& r, const std::string& name, const std::vector<float>& values, int64_t images,
              const char* units) {
    if (values.empty()) return;
    NamedArray out = array({images, static_cast<int64_t>(values.size()) / images},
                           {values.begin(), values.end()}, units, "image,level");
    out.single = true;
    r.arrays[name] = std::move(out);
}

/// Values of all lanes, entries 1 .. T of each.
template <class Field>
std::vector<double> of_lanes(const DenoisingStatistics& s, const Field& field) {
    std::vector<double> out;
    for (const StatisticsLane& lane : s.lanes)
        for (size_t t = 1; t < s.error.size(); ++t) field(lane, t, out);
    return out;
}

void put_lanes(StatisticsRecord& r, const DenoisingStatistics& s) {
    const auto lanes = static_cast<int64_t>(s.lanes.size()), table = static_cast<int64_t>(s.betas.size());
    std::vector<double> images, mean, m2;
    for (const StatisticsLane& lane : s.lanes) {
        images.push_back(static_cast<double>(lane.images));
        mean.push_back(lane.second_moment.mean);
        m2.push_back(lane.second_moment.m2);
    }
    r.arrays["lane_images"] = array({lanes}, images, "1", "lane");
    r.arrays["lane_second_moment_mean"] = array({lanes}, mean, "1", "lane");
    r.arrays["lane_second_moment_m2"] = array({lanes}, m2, "1", "lane");
    const auto means = [&](const char* name, auto member, const char* units) {
        const std::string text = std::string("lane_") + name;
        r.arrays[text + "_mean"] =
            array({lanes, table},
                  of_lanes(s, [&](const StatisticsLane& lane, size_t t,
                                  std::vector<double>& out) { out.push_back((lane.*member)[t].mean); }),
                  units, "lane,level");
        r.arrays[text + "_m2"] =
            array({lanes, table},
                  of_lanes(s, [&](const StatisticsLane& lane, size_t t,
                                  std::vector<double>& out) { out.push_back((lane.*member)[t].m2); }),
                  units, "lane,level");
    };
    means("error", &StatisticsLane::error, "1");
    means("decoder", &StatisticsLane::decoder_nats, "nat/dim");
    means("gamma", &StatisticsLane::gamma, "1");
    if (!s.learned) return;
    means("learned_decoder", &StatisticsLane::learned_decoder_nats, "nat/dim");
    const auto transform = [&](const char* name, auto member) {
        r.arrays[name] =
            array({lanes, table, kLaplaceNodes},
                  of_lanes(s,
                           [&](const StatisticsLane& lane, size_t t, std::vector<double>& out) {
                               out.insert(out.end(), (lane.*member)[t].begin(), (lane.*member)[t].end());
                           }),
                  "1", "lane,level,node");
    };
    transform("lane_phi_sum", &StatisticsLane::phi);
    transform("lane_psi_sum", &StatisticsLane::psi);
    r.arrays["lane_v_sum"] = array({lanes, table},
                                   of_lanes(s, [](const StatisticsLane& lane, size_t t,
                                                  std::vector<double>& out) { out.push_back(lane.v[t]); }),
                                   "1", "lane,level");
}

void put_transforms(StatisticsRecord& r, const LearnedVarianceStatistics& learned) {
    const auto table = static_cast<int64_t>(learned.mean_v.size()) - 1;
    const auto put = [&](const char* name, const std::vector<LaplaceValues>& values) {
        std::vector<double> flat;
        for (size_t t = 1; t < values.size(); ++t)
            flat.insert(flat.end(), values[t].begin(), values[t].end());
        r.arrays[name] = array({table, kLaplaceNodes}, std::move(flat), "1", "level,node");
    };
    put("phi_mean", learned.phi);
    put("psi_mean", learned.psi);
    r.arrays["v_mean"] = array({table}, {learned.mean_v.begin() + 1, learned.mean_v.end()}, "1", "level");
}

/// The bins that are not empty.
void put_law(StatisticsRecord& r, const DenoisingStatistics& s) {
    if (s.law.empty()) return;
    std::array<std::vector<double>, 5> columns;
    for (size_t t = 1; t < s.law.size(); ++t)
        for (size_t bin = 0; bin < s.law[t].bins().size(); ++bin) {
            const auto& [count, first, second] = s.law[t].bins()[bin];
            if (count == 0) continue;
            const std::array<double, 5> row{static_cast<double>(t), static_cast<double>(bin),
                                            static_cast<double>(count), static_cast<double>(first),
                                            static_cast<double>(second)};
            for (size_t i = 0; i < row.size(); ++i) columns[i].push_back(row[i]);
        }
    const auto n = static_cast<int64_t>(columns[0].size());
    const std::array<const char*, 5> names{"law_level", "law_bin", "law_count", "law_sum", "law_square_sum"};
    for (size_t i = 0; i < names.size(); ++i) {
        NamedArray column = array({n}, std::move(columns[i]), "1", "bin");
        column.single = i < 2;  // small integers
        r.arrays[names[i]] = std::move(column);
    }
}

/// Arrays of a record with the shape they must have.
class Arrays {
  public:
    Arrays(const StatisticsRecord& record, const std::string& where) : record_(record), where_(where) {}
    bool has(const std::string& name) const { return record_.arrays.contains(name); }
    const std::vector<double>& operator()(const std::string& name, std::vector<int64_t> shape) const {
        const NamedArray& found = get(record_, name, where_);
        if (found.shape != shape)
            throw Error("store",
                        "statistics " + record_.id + ": " + name + " has " + text(found.shape) +
                            " values, expected " + text(shape),
                        where_, "the file is damaged, or belongs to another chain");
        return found.values;
    }
    Means means(const std::string& name, int64_t table, int64_t n) const {
        const auto &mean = (*this)(name + "_mean", {table}), &m2 = (*this)(name + "_m2", {table});
        Means out(mean.size() + 1);
        for (size_t t = 0; t < mean.size(); ++t) out[t + 1] = {n, mean[t], m2[t]};
        return out;
    }
    std::vector<float> rows(const std::string& name, int64_t images, int64_t table) const {
        std::vector<float> out;
        if (!has(name)) return out;
        for (double value : (*this)(name, {images, table})) out.push_back(static_cast<float>(value));
        return out;
    }

  private:
    static std::string text(const std::vector<int64_t>& shape) {
        std::string out;
        for (int64_t size : shape) out += (out.empty() ? "" : "x") + std::to_string(size);
        return out;
    }
    const StatisticsRecord& record_;
    std::string where_;
};

void read_lanes(DenoisingStatistics& s, const Arrays& arrays) {
    const auto lanes = static_cast<int64_t>(kStatisticsLanes), table = static_cast<int64_t>(s.betas.size());
    const size_t width = s.betas.size() + 1;
    const auto &images = arrays("lane_images", {lanes}), &mean = arrays("lane_second_moment_mean", {lanes}),
               &m2 = arrays("lane_second_moment_m2", {lanes});
    const bool learned = arrays.has("lane_v_sum");
    s.lanes.resize(kStatisticsLanes);
    const auto each = [&](const auto& set) {
        for (size_t l = 0; l < s.lanes.size(); ++l)
            for (size_t t = 1; t < width; ++t) set(s.lanes[l], t, l * (width - 1) + t - 1);
    };
    for (size_t l = 0; l < s.lanes.size(); ++l) {
        s.lanes[l].images = static_cast<int64_t>(images[l]);
        s.lanes[l].second_moment = {s.lanes[l].images, mean[l], m2[l]};
    }
    const auto means = [&](const std::string& name, Means StatisticsLane::*member) {
        const auto &a = arrays("lane_" + name + "_mean", {lanes, table}),
                   &b = arrays("lane_" + name + "_m2", {lanes, table});
        for (StatisticsLane& lane : s.lanes) (lane.*member).resize(width);
        each([&](StatisticsLane& lane, size_t t, size_t i) {
            (lane.*member)[t] = {lane.images, a[i], b[i]};
        });
    };
    means("error", &StatisticsLane::error);
    means("decoder", &StatisticsLane::decoder_nats);
    means("gamma", &StatisticsLane::gamma);
    if (!learned) return;
    s.learned.emplace();
    s.learned_decoder_nats.resize(width);
    means("learned_decoder", &StatisticsLane::learned_decoder_nats);
    const auto &phi = arrays("lane_phi_sum", {lanes, table, kLaplaceNodes}),
               &psi = arrays("lane_psi_sum", {lanes, table, kLaplaceNodes}),
               &v = arrays("lane_v_sum", {lanes, table});
    for (StatisticsLane& lane : s.lanes) {
        lane.phi.resize(width, LaplaceValues{});
        lane.psi.resize(width, LaplaceValues{});
        lane.v.resize(width, 0);
    }
    each([&](StatisticsLane& lane, size_t t, size_t i) {
        lane.v[t] = v[i];
        for (size_t j = 0; j < kLaplaceNodes; ++j) {
            lane.phi[t][j] = phi[i * kLaplaceNodes + j];
            lane.psi[t][j] = psi[i * kLaplaceNodes + j];
        }
    });
}

void read_law(DenoisingStatistics& s, const Arrays& arrays, const StatisticsRecord& r,
              const std::string& where) {
    const NoiseProcess chain = s.chain();
    s.law.resize(1);
    for (int t = 1; t <= chain.table_size(); ++t) s.law.push_back(empty_law(chain, t, s.clip));
    const std::vector<int64_t> shape = get(r, "law_level", where).shape;
    const auto &level = arrays("law_level", shape), &bin = arrays("law_bin", shape),
               &count = arrays("law_count", shape), &first = arrays("law_sum", shape),
               &second = arrays("law_square_sum", shape);
    for (size_t i = 0; i < level.size(); ++i) {
        const auto t = static_cast<size_t>(level[i]), b = static_cast<size_t>(bin[i]);
        if (!(level[i] >= 1 && t < s.law.size() && bin[i] >= 0 && b < s.law[t].bins().size() && count[i] > 0))
            throw Error("store",
                        "statistics " + r.id + ": row " + std::to_string(i) +
                            " of the laws of the errors is not of this chain",
                        where, "the file is damaged, or belongs to another chain");
        s.law[t].bins()[b] = {static_cast<int64_t>(count[i]), static_cast<int64_t>(first[i]),
                              static_cast<int64_t>(second[i])};
    }
}

/// Of statistics whose lanes were not kept.
void read_transforms(DenoisingStatistics& s, const Arrays& arrays) {
    const auto table = static_cast<int64_t>(s.betas.size());
    s.learned_decoder_nats = arrays.means("learned_decoder", table, s.images);
    const size_t width = s.betas.size() + 1;
    s.learned = LearnedVarianceStatistics{std::vector<LaplaceValues>(width, LaplaceValues{}),
                                          std::vector<LaplaceValues>(width, LaplaceValues{}),
                                          std::vector<double>(width, 0)};
    const auto &phi = arrays("phi_mean", {table, kLaplaceNodes}),
               &psi = arrays("psi_mean", {table, kLaplaceNodes}), &v = arrays("v_mean", {table});
    for (size_t t = 1; t < width; ++t) {
        s.learned->mean_v[t] = v[t - 1];
        for (size_t j = 0; j < kLaplaceNodes; ++j) {
            s.learned->phi[t][j] = phi[(t - 1) * kLaplaceNodes + j];
            s.learned->psi[t][j] = psi[(t - 1) * kLaplaceNodes + j];
        }
    }
}

/// Error("store") for numbers that no pass can have measured.
void check_values(const DenoisingStatistics& s, const std::string& id, const std::string& where) {
    const auto check = [&](const Means& means, const char* name, bool positive) {
        for (size_t t = 1; t < means.size(); ++t)
            if (!std::isfinite(means[t].mean) || (positive && means[t].mean < 0))
                throw Error("store",
                            "statistics " + id + " have " + name + " " + format_number(means[t].mean) +
                                " at level " + std::to_string(t),
                            where,
                            positive ? "it must be finite and not negative: measure them again"
                                     : "it must be finite: measure them again");
    };
    check(s.error, "squared error", true);
    check(s.decoder_nats, "decoder cost", false);
    check(s.gamma, "Gamma", true);
    check(s.learned_decoder_nats, "decoder cost with learned variance", false);
    for (double value : s.second_moment)
        if (!(std::isfinite(value) && value >= 0))
            throw Error("store",
                        "statistics " + id + " have an image with second moment " + format_number(value),
                        where, "measure them again");
}

}  // namespace

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
    put_means(r, "error", s.error, "1");
    put_means(r, "decoder", s.decoder_nats, "nat/dim");
    put_means(r, "gamma", s.gamma, "1");
    put_means(r, "learned_decoder", s.learned_decoder_nats, "nat/dim");
    r.arrays["second_moment"] = array({n}, s.second_moment, "1", "image");
    put_rows(r, "image_error", s.image_error, n, "1");
    put_rows(r, "image_decoder", s.image_decoder, n, "nat/dim");
    put_rows(r, "image_learned_decoder", s.image_learned_decoder, n, "nat/dim");
    if (!s.lanes.empty()) {
        r.integers["batch"] = s.batch;
        put_lanes(r, s);
    }
    if (s.learned) put_transforms(r, *s.learned);
    put_law(r, s);
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
    const Arrays arrays(r, where);
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
    const auto table = static_cast<int64_t>(s.betas.size());
    s.error = arrays.means("error", table, s.images);
    s.decoder_nats = arrays.means("decoder", table, s.images);
    if (arrays.has("gamma_mean")) s.gamma = arrays.means("gamma", table, s.images);
    s.second_moment = arrays("second_moment", {s.images});
    s.image_error = arrays.rows("image_error", s.images, table);
    s.image_decoder = arrays.rows("image_decoder", s.images, table);
    s.image_learned_decoder = arrays.rows("image_learned_decoder", s.images, table);
    if (arrays.has("lane_images")) {
        s.batch = integer("batch");
        read_lanes(s, arrays);
        const int64_t images = s.images;
        s.add_up_lanes();  // the same bits as before
        if (s.images != images)
            throw Error("store", "statistics " + r.id + ": its lanes do not hold the images it names", where,
                        "the file is damaged");
    } else if (arrays.has("v_mean")) {
        read_transforms(s, arrays);
    }
    if (arrays.has("law_level")) read_law(s, arrays, r, where);
    check_values(s, r.id, where);
    return s;
}

LevelStatistics level_statistics_of(const DenoisingStatistics& s, const std::string& where) {
    if (s.images < 1) throw Error("run", "the denoising statistics hold no images yet", where);
    if (s.gamma.empty())
        throw Error(
            "option",
            "these statistics were measured before the norm of the predicted noise was kept with them", where,
            "measure them again, into another run file");
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
    StatisticsRecord r;
    r.id = id;
    r.texts = {{"kind", "learned-schedule"},
               {"spec", learned.spec},
               {"process", learned.process},
               {"learned", learned.text()}};
    return r;
}

LearnedSchedule learned_of(const StatisticsRecord& record, const std::string& where) {
    const auto it = record.texts.find("learned");
    if (it == record.texts.end())
        throw Error("store", "record " + record.id + " lacks the attribute learned", where, "the file is damaged");
    return LearnedSchedule::parse(it->second, where + ", learned schedule " + record.id);
}

}  // namespace schedbench
