// Lines over two logarithmic axes, with a legend beside them.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

struct ChartPoint {
    double x = 0, y = 0;  ///< positive
    bool hollow = false;
};

struct ChartSeries {
    std::string name;
    std::vector<ChartPoint> points;
};

struct LineChart {
    std::string title;  ///< what y is, with its unit
    std::string x_label;
    std::string note;  ///< below the legend; may be empty
    bool dots = true;  ///< mark the points, and write every x of the first line below the axis
    std::vector<ChartSeries> series;

    /// Error("file") if it cannot be written. Nothing to draw is an empty frame.
    void write(const std::string& path) const;
};

}  // namespace schedbench
