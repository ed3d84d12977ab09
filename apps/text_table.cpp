#include "apps/text_table.h"

#include <algorithm>
#include <cstdio>
#include <ostream>

#include "core/error.h"

namespace schedbench {

TextTable::TextTable(std::vector<std::string> headers) {
    for (std::string& header : headers) {
        left_.push_back(header.starts_with("<"));
        if (left_.back()) header.erase(0, 1);
    }
    rows_.push_back(std::move(headers));
}

void TextTable::add(std::vector<std::string> cells) {
    SCHEDBENCH_ASSERT(cells.size() == left_.size());
    rows_.push_back(std::move(cells));
}

void TextTable::print(std::ostream& out) const {
    std::vector<size_t> widths(left_.size(), 0);
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    for (const auto& row : rows_) {
        std::string line;
        for (size_t i = 0; i < row.size(); ++i) {
            const std::string gap(widths[i] - row[i].size(), ' ');
            line += (i ? "  " : "") + (left_[i] ? row[i] + gap : gap + row[i]);
        }
        out << line.substr(0, line.find_last_not_of(' ') + 1) << "\n";
    }
}

std::string short_number(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    return text;
}

std::string fixed_number(double value, int decimals) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

}  // namespace schedbench
