// schedbench spectrum: the covariance spectrum of a data set, for the schedule kl-spectrum.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "apps/commands.h"
#include "apps/options.h"
#include "core/error.h"
#include "core/hash.h"
#include "eval/data_spectrum.h"

namespace schedbench {
namespace {

int run(const std::vector<std::string>& arguments) {
    Options options(kSpectrumCommand);
    options.value("data", "fashion-mnist", "images to look at (schedbench list data)")
        .value("images", "0", "use only the first images; 0: all")
        .value("output", "", "file to write (JSON)")
        .runtime()
        .json();
    if (!options.parse(arguments)) return 0;
    options.cpu_settings();
    const std::string output = options.text("output");
    const std::filesystem::path folder = std::filesystem::path(output).parent_path();
    if (!folder.empty() && !std::filesystem::is_directory(folder))
        throw Error("file", "the folder does not exist", folder.string(), "make it first");
    const int64_t limit = options.integer("images", 0);
    if (limit == 1)
        throw Error("option", "must be at least 2 (or 0: all): one image has no covariance", "--images");
    const DataSpectrum result =
        measure_spectrum(load_dataset(Spec::parse(options.text("data"), "--data"), "--data", limit));
    write_spectrum(result, output);
    const std::vector<double>& stds = result.spectrum.stds;
    if (options.on("json")) {
        std::cout << nlohmann::json{{"output", output},
                                    {"sha256", sha256_file(output)},
                                    {"data", result.data},
                                    {"data_hash", result.data_hash},
                                    {"images", result.images},
                                    {"dimension", result.dimension},
                                    {"floor", spectrum_floor()},
                                    {"clamped", result.clamped},
                                    {"stds", stds},
                                    {"weights", result.spectrum.weights}}
                         .dump()
                  << "\n";
        return 0;
    }
    char text[160];
    std::snprintf(
        text, sizeof text, "%lld images, %lld axes in %zu bins, stds %.4g to %.4g, %lld raised to %.4g",
        static_cast<long long>(result.images), static_cast<long long>(result.dimension), stds.size(),
        stds.front(), stds.back(), static_cast<long long>(result.clamped), spectrum_floor());
    std::cout << "wrote " << output << ": " << text << "\nuse it as kl-spectrum:file=" << output << "\n";
    return 0;
}

}  // namespace

const Command kSpectrumCommand = {
    "spectrum", "covariance spectrum of a data set, for the schedule kl-spectrum",
    "schedbench spectrum --data DATA --output FILE [options]",
    "  schedbench spectrum --data fashion-mnist --images 2000 --output fashion.json\n"
    "  schedbench knots kl-spectrum:file=fashion.json --steps 10\n",
    run};

}  // namespace schedbench
