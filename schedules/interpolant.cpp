#include "schedules/interpolant.h"

#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

namespace {

using Coordinate = Interpolant::Coordinate;
constexpr std::array<Coordinate, 4> kCoordinates{Coordinate::sigma, Coordinate::ln_sigma, Coordinate::root,
                                                 Coordinate::time};

std::string coordinate_name(Coordinate coordinate) {
    switch (coordinate) {
        case Coordinate::sigma:
            return "sigma";
        case Coordinate::ln_sigma:
            return "ln-sigma";
        case Coordinate::root:
            return "root";
        case Coordinate::time:
            return "time";
    }
    return "";
}

}  // namespace

double Interpolant::value_of(double sigma) const {
    switch (coordinate) {
        case Coordinate::sigma:
            return sigma;
        case Coordinate::ln_sigma:
            return std::log(sigma);
        case Coordinate::root:
            return std::pow(sigma, 1 / rho);
        case Coordinate::time:
            return std::log1p(sigma * sigma);
    }
    return sigma;
}

double Interpolant::sigma_of(double value) const {
    switch (coordinate) {
        case Coordinate::sigma:
            return value;
        case Coordinate::ln_sigma:
            return std::exp(value);
        case Coordinate::root:
            return std::pow(value, rho);
        case Coordinate::time:
            return std::sqrt(std::expm1(value));
    }
    return value;
}

bool Interpolant::operator==(const Interpolant& other) const {
    return cubic == other.cubic && coordinate == other.coordinate &&
           (coordinate != Coordinate::root || rho == other.rho);
}

std::string interpolant_name(const Interpolant& interpolant) {
    if (interpolant == Interpolant::linear) return "linear";
    return (interpolant.cubic ? "pchip-" : "linear-") + coordinate_name(interpolant.coordinate);
}

const std::vector<std::string>& interpolant_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> out;
        for (bool cubic : {true, false})
            for (Coordinate coordinate : kCoordinates)
                out.push_back(interpolant_name({cubic, coordinate, 7}));
        return out;
    }();
    return names;
}

Interpolant parse_interpolant(const std::string& name, const std::string& where, double rho) {
    if (!(rho > 0) || !std::isfinite(rho))
        throw Error("number", "rho must be positive, not " + format_number(rho), where);
    std::string known;
    for (bool cubic : {true, false})
        for (Coordinate coordinate : kCoordinates) {
            const Interpolant candidate{cubic, coordinate, rho};
            if (interpolant_name(candidate) == name) return candidate;
            known += (known.empty() ? "" : ", ") + interpolant_name(candidate);
        }
    throw Error("spec", "\"" + name + "\" is not an interpolant", where, "known: " + known);
}

}  // namespace schedbench
