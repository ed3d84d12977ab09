#include "likelihood/statistics_fixture.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

using nlohmann::json;

class Keys {
  public:
    explicit Keys(const std::string& path) : path_(path) {
        std::ifstream in(path);
        if (!in) fail("cannot be opened");
        root_ = json::parse(in, nullptr, false);
        if (root_.is_discarded() || !root_.is_object()) fail("is not a JSON object");
    }
    [[noreturn]] void fail(const std::string& what) const {
        throw Error("file", what, path_, "the format is described in likelihood/statistics_fixture.h");
    }
    bool has(const char* key) const { return root_.contains(key); }
    const json& operator[](const char* key) const {
        if (!has(key)) fail(std::string("the key \"") + key + "\" is missing");
        return root_.at(key);
    }
    std::string text(const char* key, const char* fallback = nullptr) const {
        if (!has(key) && fallback) return fallback;
        const json& value = (*this)[key];
        if (!value.is_string()) fail(std::string("\"") + key + "\" is not a text");
        return value.get<std::string>();
    }
    double number(const json& value, const std::string& what) const {
        if (!value.is_number() || !std::isfinite(value.get<double>())) fail(what + " is not a finite number");
        return value.get<double>();
    }
    /// Entries 1 .. T in [T+1].
    std::vector<double> levels(const char* key, int table, const json& values) const {
        if (!values.is_array() || values.size() != static_cast<size_t>(table))
            fail(std::string("\"") + key + "\" has " + std::to_string(values.size()) +
                 " values, but the process " + std::to_string(table) + " levels");
        std::vector<double> out{0};
        for (const json& value : values)
            out.push_back(
                number(value, std::string("\"") + key + "\" at level " + std::to_string(out.size())));
        return out;
    }

  private:
    std::string path_;
    json root_;
};

/// ln M linear in ln t.
std::vector<double> interpolated(const Keys& keys, const json& curve, int table) {
    if (!curve.contains("t") || !curve.contains("value") || !curve["t"].is_array() ||
        !curve["value"].is_array() || curve["t"].size() != curve["value"].size() || curve["t"].size() < 2)
        keys.fail("\"error\" must be an array, or two arrays \"t\" and \"value\" of one length");
    std::vector<double> ln_t, ln_m;
    for (size_t i = 0; i < curve["t"].size(); ++i) {
        const double t = keys.number(curve["t"][i], "\"t\" of \"error\""),
                     m = keys.number(curve["value"][i], "\"value\" of \"error\"");
        if (!(m > 0))
            keys.fail("\"error\" is " + format_number(m) + " at t = " + format_number(t) + ", not positive");
        if (i > 0 && !(std::log(t) > ln_t.back())) keys.fail("\"t\" of \"error\" does not rise");
        ln_t.push_back(std::log(t));
        ln_m.push_back(std::log(m));
    }
    if (ln_t.front() != 0 || ln_t.back() != std::log(static_cast<double>(table)))
        keys.fail("\"t\" of \"error\" must go from 1 to " + std::to_string(table));
    std::vector<double> out{0};
    size_t i = 0;
    for (int t = 1; t <= table; ++t) {
        const double x = std::log(static_cast<double>(t));
        while (i + 2 < ln_t.size() && x > ln_t[i + 1]) ++i;
        const double part = (x - ln_t[i]) / (ln_t[i + 1] - ln_t[i]);
        out.push_back(std::exp(ln_m[i] + part * (ln_m[i + 1] - ln_m[i])));
    }
    return out;
}

}  // namespace

StatisticsFixture read_statistics_fixture(const std::string& path) {
    const Keys keys(path);
    if (keys.text("format") != "schedbench denoising statistics")
        keys.fail("\"format\" is \"" + keys.text("format") + "\", not \"schedbench denoising statistics\"");
    if (keys["version"] != 1) keys.fail("\"version\" is not 1, the only one that is known");
    const NoiseProcess process(Spec::parse(keys.text("process"), path + ", key process"));
    if (!process.discrete()) keys.fail("\"process\" is continuous, but bits/dim of paths need a table");
    const int table = process.table_size();
    StatisticsFixture out;
    DenoisingStatistics& s = out.statistics;
    s.model = keys.text("model", keys.text("name").c_str());
    s.weights = keys.text("weights", "");
    s.data = keys.text("data", "none");
    s.chain_name = process.spec().print();
    s.decoder = parse_decoder(keys.text("decoder"), path + ", key decoder");
    if (!keys["clip"].is_boolean()) keys.fail("\"clip\" is not true or false");
    s.clip = keys["clip"];
    s.images = keys.has("images") ? static_cast<int64_t>(keys.number(keys["images"], "\"images\"")) : 1;
    if (s.images < 1) keys.fail("\"images\" is less than 1");
    s.second_moment = {keys.number(keys["second_moment"], "\"second_moment\"")};
    const json& curve = keys["error"];
    const std::vector<double> error =
        curve.is_object() ? interpolated(keys, curve, table) : keys.levels("error", table, curve);
    std::vector<double> nats, gamma;
    if (s.decoder != DecoderKind::density || keys.has("decoder_nats"))
        nats = keys.levels("decoder_nats", table, keys["decoder_nats"]);
    if (keys.has("gamma")) gamma = keys.levels("gamma", table, keys["gamma"]);
    const auto one = [&](double value) { return RunningMean{s.images, value, 0}; };
    s.error.resize(1);
    s.decoder_nats.resize(1);
    if (!gamma.empty()) s.gamma.resize(1);
    for (int t = 1; t <= table; ++t) {
        const auto at = static_cast<size_t>(t);
        if (error[at] < 0)
            keys.fail("\"error\" is " + format_number(error[at]) + " at level " + std::to_string(t) +
                      ", below 0");
        s.betas.push_back(process.beta(t - 1, t));
        s.error.push_back(one(error[at]));
        s.decoder_nats.push_back(one(
            nats.empty() ? gaussian_decoder_cost(error[at], table_decoder_variance(process, t)) : nats[at]));
        if (!gamma.empty()) s.gamma.push_back(one(gamma[at]));
    }
    if (keys.has("published")) {
        const json& published = keys["published"];
        if (!published.is_object()) keys.fail("\"published\" is not an object");
        out.published_dataset = published.value("dataset", "");
        if (published.contains("models") && published["models"].is_array())
            for (const json& name : published["models"])
                if (name.is_string()) out.published_models.push_back(name);
    }
    return out;
}

}  // namespace schedbench
