// Levels that the user writes down, in the spec or in a file.
#include <fstream>

#include "core/error.h"
#include "schedules/family_list.h"

namespace schedbench::family_list {

namespace {

std::vector<double> read_levels(const std::string& path) {
    std::ifstream in(path);
    if (!in)
        throw Error("file", "cannot be opened", path,
                    "give a text file with one level a line, from high to low");
    std::vector<double> out;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
        const size_t first = line.find_first_not_of(" \t\r");
        if (first == std::string::npos || line[first] == '#') continue;
        const std::string text = line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
        const auto value = parse_number(text);
        if (!value)
            throw Error("file", "\"" + text + "\" is not a number", path + ":" + std::to_string(number),
                        "one level a line, from high to low; lines that start with # are skipped");
        out.push_back(*value);
    }
    if (in.bad()) throw Error("file", "cannot be read", path);
    return out;
}

std::vector<double> explicit_levels_of(const FamilyContext& c) {
    const bool listed = c.spec.find("levels")->kind == SpecValue::Kind::list;
    const std::string& file = c.spec.text("file");
    if (listed == !file.empty())
        throw Error("spec", "explicit needs either levels=[...] or file=FILE", c.where,
                    "for example explicit:levels=[80,10,1,0.1,0]");
    return listed ? c.spec.numbers("levels") : read_levels(file);
}

}  // namespace

ScheduleFamily explicit_levels() {
    using Type = SpecParam::Type;
    ScheduleFamily f;
    f.entry = {"explicit",
               "levels as given, from high to low; a last 0 means: denoise fully at the end",
               "",
               {{"levels", Type::numbers, "", "N+1 levels, falling, separated by commas in brackets"},
                {"file", Type::text, "", "or a text file with one level a line"}}};
    f.coordinate = "none";
    f.map = "as given";
    f.levels = explicit_levels_of;
    f.own_count = true;
    return f;
}

}  // namespace schedbench::family_list
