// GITS (Chen et al. 2024, arXiv 2405.11326): published levels, a dynamic programme over the points of a
// teacher's path. The ld3 tables are the ones from which LD3 (Tong et al. 2024, arXiv 2405.15506) starts,
// found for Stable Diffusion 1.5 with DPM-Solver++ and iPNDM. All are meant for end=sigma-min or, in the
// ports, end=replace.
#include "schedules/families/published_table.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

const std::vector<PublishedTable>& tables() {
    static const std::vector<PublishedTable> list = {
        {"sd15-10",
         {14.61464119, 5.85520077, 2.84484982, 1.67050016, 1.08895338, 0.74807048, 0.50118381, 0.32104823,
          0.19894916, 0.09824532, 0.02916753}},
        {"sd15-11",
         {14.6146, 5.8552, 2.956, 1.8488, 1.2415, 0.8319, 0.5952, 0.4109, 0.2746, 0.1703, 0.0982, 0.0292}},
        {"cifar10-6", {80, 10.9836, 3.8811, 1.584, 0.5666, 0.1698, 0.002}},
        {"ld3-dpmpp-5", {14.6146, 4.39, 1.4467, 0.6114, 0.2255, 0.0292}},
        {"ld3-dpmpp-10",
         {14.6146, 7.6188, 4.0861, 2.4211, 1.4467, 0.9324, 0.6114, 0.3811, 0.2255, 0.1258, 0.0292}},
        {"ld3-ipndm-5", {14.6146, 4.39, 1.5286, 0.6526, 0.2667, 0.0292}},
        {"ld3-ipndm-10",
         {14.6146, 5.9489, 3.3251, 2.0267, 1.2969, 0.8319, 0.5712, 0.3811, 0.2255, 0.1258, 0.0292}}};
    return list;
}

std::vector<double> levels(const FamilyContext& c) {
    return table_levels(chosen_table(tables(), c), c.count);
}

}  // namespace

ScheduleFamily gits() {
    ScheduleFamily f;
    f.entry = {
        "gits",
        "GITS, published levels, log-linear between them for other N; meant for end=sigma-min or "
        "end=replace",
        "Chen et al. 2024 (GITS); Tong et al. 2024 (LD3)",
        {table_param(
            tables(),
            "model (or solver), and the N they were found for, with end=sigma-min; ports use end=replace")}};
    f.coordinate = "position in the table";
    f.map = "ln sigma linear between the published knots";
    f.levels = levels;
    return f;
}

}  // namespace schedbench::family_list
