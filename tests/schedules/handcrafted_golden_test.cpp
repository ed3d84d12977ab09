#include <cmath>

#include "core/error.h"
#include "golden_json.h"
#include "schedules/index_strides.h"
#include "schedules/schedule.h"
#include "schedules/vp_time.h"

namespace schedbench {
namespace {

using nlohmann::json;
using Indices = std::vector<int64_t>;

bool starts_with(const std::string& text, const std::string& prefix) {
    return text.compare(0, prefix.size(), prefix) == 0;
}

/// Our specs for a family of the file in sigma (all must give its knots); none if it is of another kind.
std::vector<std::string> specs_of(const std::string& id, const json& p) {
    auto number = [&](const char* key) { return format_number(p.at(key).get<double>()); };
    std::vector<std::string> specs;
    if (starts_with(id, "karras_") || starts_with(id, "edm_rho"))
        specs = {"edm:rho=" + number("rho")};
    else if (starts_with(id, "log_linear"))
        specs = {"log-linear:"};
    else if (id == "ve_geometric")
        specs = {"ve:", "log-linear:"};
    else if (starts_with(id, "polyexponential"))
        specs = {"polyexponential:rho=" + number("rho")};
    else if (starts_with(id, "arctan"))
        specs = {"arctan:c=" + number("c")};
    else if (starts_with(id, "vp_refit_uniform_t"))
        specs = {"uniform-t:eps=" + number("eps"), "power-t:rho=1,eps=" + number("eps")};
    else if (starts_with(id, "vp_refit_quadratic_t"))
        specs = {"quadratic-t:eps=" + number("eps"), "power-t:rho=2,eps=" + number("eps")};
    else if (starts_with(id, "edm_iddpm"))
        specs = {"edm-iddpm:M=" + number("M") + ",C1=" + number("C1") + ",C2=" + number("C2")};
    else if (starts_with(id, "cosine_normalised"))
        specs = {"cosine:s=" + number("s")};
    else if (starts_with(id, "cosine_tangent"))
        return {"cosine-tangent:end=sigma-min,s=" + number("s") + ",sigma-max=" + number("sigma_max")};
    else if (starts_with(id, "vp_")) {
        const std::string betas = "eps=" + number("eps") + ",beta-d=" + number("beta_d") +
                                  ",beta-min=" + number("beta_min") + ",end=sigma-min";
        if (id == "vp_uniform_t") return {"vp:" + betas};
        if (id == "vp_quadratic_t") return {"vp:rho=2," + betas};
        const VpTime vp{p.at("beta_d"), p.at("beta_min")};
        return {"shifted-quadratic-t:" + betas + ",sigma-min=" + format_number(vp.sigma(p.at("eps"))) +
                ",sigma-max=" + format_number(vp.sigma(p.at("t_max")))};
    }
    const bool to_zero = starts_with(id, "edm_") || id == "log_linear_zero";
    for (std::string& spec : specs) {
        if (spec.back() != ':') spec += ",";
        spec += std::string("end=") + (to_zero ? "zero" : "sigma-min") + ",sigma-min=" + number("sigma_min") +
                ",sigma-max=" + number("sigma_max");
    }
    return specs;
}

/// A file's list and ours, both in whatever order the file has; empty names where a family is not known.
struct IndexCase {
    std::string key;  ///< which list of the case
    Indices ours;
};

std::vector<IndexCase> index_cases(const std::string& id, const json& family, const json& entry) {
    const int64_t table =
        entry.contains("T") ? entry.at("T").get<int64_t>() : family.at("params").value("T", int64_t{0});
    const int64_t count = entry.contains("N") ? entry.at("N").get<int64_t>() : entry.value("K", int64_t{0});
    auto falling = [](Indices list) { return Indices(list.rbegin(), list.rend()); };
    if (id == "respacing")
        return {{"indices", respacing_indices(table, entry.at("spec").get<std::string>(), id)}};
    if (starts_with(id, "ddim_uniform")) return {{"indices", ddim_uniform_indices(table, count)}};
    if (starts_with(id, "ddim_quad")) return {{"indices", ddim_quad_indices(table, count)}};
    if (starts_with(id, "even_first_node_1")) return {{"nodes", even_indices(table, count)}};
    if (starts_with(id, "uniform_kT_over_K")) return {{"nodes", even_kt_indices(table, count)}};
    if (starts_with(id, "quadratic_T_k")) return {{"nodes_bumped", quadratic_indices(table, count)}};
    if (starts_with(id, "hf_"))
        return {{"linspace", falling(linspace_indices(table, count, false))},
                {"linspace_multistep", falling(linspace_indices(table, count, true))},
                {"leading", falling(leading_indices(table, count, false))},
                {"leading_multistep", falling(leading_indices(table, count, true))},
                {"trailing", falling(trailing_indices(table, count))}};
    return {};
}

TEST(GoldenSchedules, HandcraftedLevelsAndIndices) {
    golden::Tally levels("schedules/handcrafted levels"), lists("schedules/handcrafted indices");
    const NoiseProcess continuous(Spec::parse("continuous"));
    std::vector<std::string> missing;
    int families = 0;
    for (const json& file : golden::files_with({"families"}))
        for (const json& family : file.at("families")) {
            ++families;
            const std::string id = family.at("id");
            const std::vector<std::string> specs = specs_of(id, family.at("params"));
            bool known = !specs.empty();
            for (const json& entry : family.at("cases")) {
                for (const std::string& spec : specs) {
                    ScheduleRequest request;
                    request.steps = entry.at("N");
                    const Schedule s = build_schedule(Spec::parse(spec), continuous, request);
                    levels.add(
                        golden::worst_relative(s.effective, entry.at("knots").get<std::vector<double>>()),
                        1e-11, spec + " N=" + entry.at("N").dump());
                }
                for (const IndexCase& c : index_cases(id, family, entry)) {
                    known = true;
                    lists.add(c.ours == entry.at(c.key).get<Indices>() ? 0 : 1, 0.5,
                              id + " " + c.key + " " + entry.dump().substr(0, 60));
                }
            }
            if (!known) missing.push_back(id);
        }
    levels.report();
    lists.report();
    for (const std::string& id : missing) ADD_FAILURE() << "family " << id << " of the golden file is not known";
    std::printf("golden: schedules/handcrafted: %d families, %zu unknown\n", families, missing.size());
}

TEST(GoldenSchedules, StridesGiveTheirEntriesAsASchedule) {
    // The same lists through build_schedule: counted from 1, and with the data as the last node.
    golden::Tally tally("schedules/handcrafted strides as schedules");
    for (const json& file : golden::files_with({"families"}))
        for (const json& family : file.at("families"))
            for (const json& entry : family.at("cases")) {
                const std::string id = family.at("id");
                for (const IndexCase& c : index_cases(id, family, entry)) {
                    const bool from_one = entry.contains("K");
                    const size_t multistep = c.key.find("_multistep");
                    std::string name = c.key.substr(0, multistep);
                    if (c.key == "indices")
                        name = starts_with(id, "ddim_quad") ? "ddim-quad" : "ddim-uniform";
                    if (id == "respacing") name = "respacing:sections='" + entry.at("spec").get<std::string>() + "'";
                    if (c.key == "nodes") name = starts_with(id, "even") ? "even" : "even-kt";
                    if (c.key == "nodes_bumped") name = "quadratic-kt";
                    if (multistep != std::string::npos) name += ":multistep=true";
                    Indices expected = entry.at(c.key).get<Indices>();
                    if (!from_one)
                        for (int64_t& index : expected) ++index;
                    std::sort(expected.rbegin(), expected.rend());
                    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
                    if (expected.back() != 0) expected.push_back(0);
                    const int64_t table = entry.contains("T") ? entry.at("T").get<int64_t>()
                                                              : family.at("params").at("T").get<int64_t>();
                    const NoiseProcess process(Spec::parse("cosine:T=" + std::to_string(table)));
                    ScheduleRequest request;
                    request.steps = from_one ? entry.at("K") : id == "respacing" ? entry.at("count") : entry.at("N");
                    if (static_cast<int>(expected.size()) != request.steps + 1) {
                        EXPECT_THROW(build_schedule(Spec::parse(name), process, request), Error)
                            << id << entry;
                        request.allow_fewer = true;
                    }
                    const Schedule s = build_schedule(Spec::parse(name), process, request);
                    tally.add(s.index == expected ? 0 : 1, 0.5,
                              id + " " + name + " " + std::to_string(request.steps));
                }
            }
    tally.report();
}

TEST(GoldenSchedules, WhatMustFailIsRefused) {
    golden::Tally tally("schedules/handcrafted refusals");
    for (const json& file : golden::files_with({"families"}))
        for (const json& family : file.at("families")) {
            if (!family.contains("must_fail")) continue;
            ASSERT_EQ(family.at("id"), "respacing");
            for (const json& entry : family.at("must_fail")) {
                const std::string text = entry.at("spec");
                const NoiseProcess process(Spec::parse("cosine:T=" + entry.at("T").dump()));
                std::string message;
                try {
                    build_schedule(Spec::parse("respacing:sections='" + text + "'"), process, {});
                } catch (const Error& e) {
                    message = e.message();
                }
                tally.add(message.find(text) == std::string::npos ? 1 : 0, 0.5, text + ": " + message);
            }
        }
    tally.report();
}

}  // namespace
}  // namespace schedbench
