#include "harness/text_block.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/spec.h"

namespace schedbench {

namespace {

constexpr size_t kScreen = 110;  // columns

/// Display width of UTF-8 text: bytes that do not continue a character.
size_t width_of(const std::string& text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string pad(const std::string& text, size_t width, bool left) {
    const size_t have = width_of(text);
    const std::string space(width > have ? width - have : 0, ' ');
    return left ? text + space : space + text;
}

std::string escape_latex(const std::string& text) {
    std::string out;
    for (char c : text)
        out +=
            std::string("&%$#_{}").find(c) != std::string::npos ? std::string("\\") + c : std::string(1, c);
    return out;
}

}  // namespace

std::string print_block(const std::vector<std::vector<std::string>>& rows, TableFormat format) {
    std::string out;
    if (rows.empty()) return out;
    std::vector<size_t> widths(rows[0].size());
    for (const auto& row : rows)
        for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], width_of(row[c]));
    if (format == TableFormat::terminal) {
        // What does not fit goes below, under the first column again.
        size_t width = widths[0], fits = 1;
        while (fits < widths.size() && (fits == 1 || width + 2 + widths[fits] <= kScreen))
            width += 2 + widths[fits++];
        if (fits < widths.size()) {
            std::vector<std::vector<std::string>> left, right;
            for (const auto& row : rows) {
                const auto end = row.begin() + static_cast<std::ptrdiff_t>(std::min(fits, row.size()));
                left.emplace_back(row.begin(), end);
                right.push_back({row[0]});
                right.back().insert(right.back().end(), end, row.end());
            }
            return print_block(left, format) + "\n" + print_block(right, format);
        }
    }
    if (format == TableFormat::latex)
        out += "\\begin{tabular}{l" + std::string(rows[0].size() - 1, 'r') + "}\n\\hline\n";
    for (size_t r = 0; r < rows.size(); ++r) {
        for (size_t c = 0; c < rows[r].size(); ++c) {
            if (format == TableFormat::latex)
                out += (c ? " & " : "") + escape_latex(rows[r][c]);
            else if (format == TableFormat::markdown)
                out += (c ? " " : "| ") + pad(rows[r][c], widths[c], c == 0) + " |";
            else
                out += (c ? "  " : "") + pad(rows[r][c], widths[c], c == 0);
        }
        out += format == TableFormat::latex ? " \\\\\n" : "\n";
        if (r > 0) continue;
        if (format == TableFormat::latex) out += "\\hline\n";
        if (format == TableFormat::markdown) {
            for (size_t c = 0; c < widths.size(); ++c)
                out +=
                    c ? std::string(widths[c] + 1, '-') + ":|" : "|" + std::string(widths[c] + 2, '-') + "|";
            out += "\n";
        }
    }
    if (format == TableFormat::latex) out += "\\hline\n\\end{tabular}\n";
    return out;
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string out = "\"";
    for (char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

std::string number_field(double value) {
    return std::isnan(value) ? "" : format_number(value);
}

std::string format_estimate(double value, double se, const char* plus_minus) {
    if (std::isnan(value)) return "-";
    char text[96];
    if (std::isnan(se) || se <= 0) {
        std::snprintf(text, sizeof text, "%.4g", value);
        return text;
    }
    const int digits = std::clamp(1 - static_cast<int>(std::floor(std::log10(se))), 0, 9);
    std::snprintf(text, sizeof text, "%.*f %s%.*f", digits, value, plus_minus, digits, se);
    return text;
}

std::string format_estimate_short(double value, double se) {
    if (std::isnan(se) || se <= 0 || se >= 1) return format_estimate(value, se);
    const int digits = std::clamp(1 - static_cast<int>(std::floor(std::log10(se))), 1, 6);
    char text[96];
    std::snprintf(text, sizeof text, "%.*f(%.0f)", digits, value, se * std::pow(10.0, digits));
    return text;
}

}  // namespace schedbench
