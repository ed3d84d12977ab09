#include "harness/report_text.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <sstream>

namespace schedbench {

namespace {

/// Decimals that show two digits of `se`; -1 where an exponent reads better.
int decimals_of(double se) {
    if (!(se > 0)) return 4;
    const int digits = 1 - static_cast<int>(std::floor(std::log10(se)));
    return digits > 5 ? -1 : std::max(digits, 0);
}

}  // namespace

std::string format_with(double value, double se) {
    if (std::isnan(value)) return "-";
    char text[64];
    const int decimals = decimals_of(se);
    if (value == 0)
        std::snprintf(text, sizeof text, "0");
    else if (decimals < 0 || std::isnan(se) || se == 0)
        std::snprintf(text, sizeof text, "%.*g", decimals < 0 && std::abs(value) < 100 * se ? 2 : 4, value);
    else
        std::snprintf(text, sizeof text, "%.*f", decimals, value);
    return text;
}

std::string format_difference(double value, double se) {
    char text[64];
    const int decimals = decimals_of(se);
    if (std::isnan(se))
        return format_with(value, se);
    else if (se == 0)
        return value == 0 ? "0" : format_with(value, se);
    else if (decimals < 0)
        std::snprintf(text, sizeof text, "%.1e", se);
    else
        std::snprintf(text, sizeof text, "%.*f", decimals, se);
    return format_with(value, se) + " ±" + text;
}

std::string format_interval(double low, double high, double se) {
    if (std::isnan(se)) return "-";
    return "[" + format_with(low, se) + ", " + format_with(high, se) + "]";
}

size_t text_width(const std::string& text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

size_t block_width(const std::string& block) {
    std::istringstream in(block);
    size_t width = 0;
    for (std::string line; std::getline(in, line);) width = std::max(width, text_width(line));
    return width;
}

std::string with_labels(const std::string& block, const std::vector<std::string>& labels, int width) {
    std::istringstream in(block);
    std::string out, line;
    for (size_t i = 0; std::getline(in, line); ++i) {
        if (i < labels.size() && !labels[i].empty()) out += wrapped(labels[i], width, 4);
        out += line + "\n";
    }
    return out;
}

std::string wrapped(const std::string& text, int width, int indent) {
    std::istringstream in(text);
    std::string out, line;
    for (std::string word; in >> word;) {
        const bool full = static_cast<int>(text_width(line) + 1 + text_width(word)) > width;
        if (full && line.find_first_not_of(' ') != std::string::npos) {
            out += line + "\n";
            line = std::string(static_cast<size_t>(indent), ' ') + word;
        } else {
            line += (line.find_first_not_of(' ') == std::string::npos ? "" : " ") + word;
        }
    }
    return out + line + "\n";
}

std::string Remarks::mark(const std::string& remark) {
    if (remark.empty()) return "";
    const auto it = std::find(remarks_.begin(), remarks_.end(), remark);
    const auto index = it - remarks_.begin();
    if (it == remarks_.end()) remarks_.push_back(remark);
    return index < 26 ? std::string(1, static_cast<char>('a' + index)) : std::to_string(index + 1);
}

std::string Remarks::print(int width) const {
    std::string out;
    for (size_t i = 0; i < remarks_.size(); ++i) {
        const std::string letter =
            i < 26 ? std::string(1, static_cast<char>('a' + i)) : std::to_string(i + 1);
        out += wrapped("(" + letter + ") " + remarks_[i], width, 4);
    }
    return out;
}

}  // namespace schedbench
