// Align Your Steps (Sabour et al. 2024, arXiv 2404.14507): the published levels, found for Stable
// Diffusion 1.5 and XL, Stable Video Diffusion and DeepFloyd's first stage, 10 steps each. They are meant for
// end=replace (the last knot is replaced by 0); N = 11 with end=zero appends 0 to all of them, as
// AUTOMATIC1111 does.
#include "core/error.h"
#include "schedules/families/published_table.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

const std::vector<PublishedTable>& three_digits() {
    static const std::vector<PublishedTable> tables = {
        {"sd15", {14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029}},
        {"sdxl", {14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029}},
        {"svd", {700, 54.5, 15.886, 7.977, 4.248, 1.789, 0.981, 0.403, 0.173, 0.034, 0.002}},
        {"deepfloyd", {160.41, 8.081, 3.315, 1.885, 1.207, 0.785, 0.553, 0.293, 0.186, 0.030, 0.006}}};
    return tables;
}

const std::vector<PublishedTable>& ten_digits() {
    static const std::vector<PublishedTable> tables = {
        {"sd15",
         {14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904,
          0.6523686016, 0.3977456272, 0.1515232662, 0.0291671582}},
        {"sdxl",
         {14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289,
          0.3798540708, 0.2332364134, 0.1114188177, 0.0291671582}}};
    return tables;
}

std::vector<double> levels(const FamilyContext& c) {
    if (c.spec.text("digits") == "3") return table_levels(chosen_table(three_digits(), c), c.count);
    for (const PublishedTable& table : ten_digits())
        if (table.name == c.spec.text("table")) return table_levels(table, c.count);
    throw Error("spec", "table=" + c.spec.text("table") + " was published with 3 digits only", c.where,
                "leave digits at 3; 10 digits are known for sd15 and sdxl");
}

}  // namespace

ScheduleFamily ays() {
    ScheduleFamily f;
    f.entry = {
        "ays",
        "Align Your Steps, published levels for 10 steps, log-linear between them for other N; meant for "
        "end=replace",
        "Sabour et al. 2024 (AYS), released tables",
        {table_param(
             three_digits(),
             "the model they were found for; N=10 with end=replace is the published use, N=11 with end=zero "
             "AUTOMATIC1111's"),
         {"digits", SpecParam::Type::choice, "3", "3, or the later 10-digit list", {"3", "10"}}}};
    f.coordinate = "position in the table";
    f.map = "ln sigma linear between the published knots";
    f.levels = levels;
    return f;
}

}  // namespace schedbench::family_list
