// A small picture as SVG text: lines, dots and words.
#pragma once

#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace schedbench {

class Svg {
  public:
    Svg(double width, double height);
    void line(double x1, double y1, double x2, double y2, const char* stroke, double width = 1);
    /// Curve number i: in curve_colour(i), and dashed where the colours are used again.
    void curve(const std::vector<std::pair<double, double>>& points, size_t i, double width);
    void dot(double x, double y, const char* fill, bool hollow);
    /// anchor: "start", "middle" or "end".
    void text(double x, double y, const std::string& what, const char* anchor, const char* fill = "#333");
    /// Error("file") if it cannot be written.
    void write(const std::string& path);

  private:
    std::ostringstream out_;
};

/// Colours of curves, told apart by people who see colours differently too (Okabe and Ito 2008), then
/// repeated; Svg::curve() tells those apart by dashes.
const char* curve_colour(size_t i);

}  // namespace schedbench
