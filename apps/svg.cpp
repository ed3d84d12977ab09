#include "apps/svg.h"

#include <array>
#include <fstream>
#include <iterator>

#include "core/error.h"

namespace schedbench {

namespace {

constexpr std::array<const char*, 7> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                 "#e69f00", "#56b4e9", "#000000"};

std::string escaped(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '<')
            out += "&lt;";
        else if (c == '&')
            out += "&amp;";
        else
            out += c;
    }
    return out;
}

}  // namespace

Svg::Svg(double width, double height) {
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " << width << " " << height
         << "\" font-family=\"sans-serif\" font-size=\"12\">\n"
         << "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
}

void Svg::line(double x1, double y1, double x2, double y2, const char* stroke, double width) {
    out_ << "<line x1=\"" << x1 << "\" y1=\"" << y1 << "\" x2=\"" << x2 << "\" y2=\"" << y2 << "\" stroke=\""
         << stroke << "\" stroke-width=\"" << width << "\"/>\n";
}

void Svg::curve(const std::vector<std::pair<double, double>>& points, size_t i, double width) {
    static const char* const dashes[] = {"", "6 3", "2 3", "8 3 2 3"};
    const std::string dash = dashes[i / kColours.size() % std::size(dashes)];
    out_ << "<polyline fill=\"none\" stroke=\"" << curve_colour(i) << "\" stroke-width=\"" << width << "\"";
    if (!dash.empty()) out_ << " stroke-dasharray=\"" << dash << "\"";
    out_ << " points=\"";
    for (const auto& [x, y] : points) out_ << x << "," << y << " ";
    out_ << "\"/>\n";
}

void Svg::dot(double x, double y, const char* fill, bool hollow) {
    out_ << "<circle cx=\"" << x << "\" cy=\"" << y << "\" r=\"3\" stroke=\"" << fill << "\" fill=\""
         << (hollow ? "white" : fill) << "\"/>\n";
}

void Svg::text(double x, double y, const std::string& what, const char* anchor, const char* fill) {
    out_ << "<text x=\"" << x << "\" y=\"" << y << "\" text-anchor=\"" << anchor << "\" fill=\"" << fill
         << "\">" << escaped(what) << "</text>\n";
}

void Svg::write(const std::string& path) {
    std::ofstream out(path);
    out << out_.str() << "</svg>\n";
    out.close();
    if (!out) throw Error("file", "cannot be written", path, "check that the folder exists and has room");
}

const char* curve_colour(size_t i) {
    return kColours[i % kColours.size()];
}

}  // namespace schedbench
