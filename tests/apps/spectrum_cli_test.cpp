// spectrum: from images to a schedule.
#include <random>

#include "cli.h"
#include "data/npy.h"

namespace schedbench {
namespace {

using cli::Folder;

TEST(CliSpectrum, WritesAFileThatKnotsReads) {
    const Folder folder;
    std::mt19937 random(1);
    std::vector<uint8_t> pixels(6 * 8 * 8);
    for (uint8_t& pixel : pixels) pixel = static_cast<uint8_t>(random() % 256);
    write_npy(folder.path("images.npy"), NpyArray{{6, 1, 8, 8}, pixels});
    const auto json = folder.ok("spectrum --data npy:file=images.npy --output s.json --json").json();
    EXPECT_EQ(json.at("images"), 6);
    EXPECT_EQ(json.at("dimension"), 64);
    EXPECT_EQ(json.at("clamped"), 64 - 5);  // six images span five axes
    const auto file = nlohmann::json::parse(cli::read_text(folder.path("s.json")));
    EXPECT_EQ(file.at("stds"), json.at("stds"));
    EXPECT_EQ(file.at("data_hash"), json.at("data_hash"));
    const auto knots =
        folder.ok("knots kl-spectrum:file=s.json --process continuous --steps 5 --json").json();
    EXPECT_EQ(knots.at("effective").size(), 6u);
    EXPECT_EQ(folder.ok("spectrum --data npy:file=images.npy --images 4 --output t.json --json")
                  .json()
                  .at("images"),
              4);
}

TEST(CliSpectrum, RefusesOneImageAndMissingOptions) {
    const Folder folder;
    write_npy(folder.path("one.npy"), NpyArray{{1, 1, 8, 8}, std::vector<uint8_t>(64, 3)});
    for (const char* line :
         {"spectrum --data npy:file=one.npy --output s.json", "spectrum --data npy:file=one.npy",
          "spectrum --data npy:file=none.npy --output s.json",
          "spectrum --data npy:file=one.npy --images 1 --output s.json",
          "spectrum --data npy:file=one.npy --output no/where/s.json"}) {
        const auto result = folder.run(line);
        EXPECT_EQ(result.code, 2) << line;
        EXPECT_EQ(result.error_lines().size(), 1u) << line << result.err;
    }
    EXPECT_FALSE(std::filesystem::exists(folder.path("s.json")));
}

}  // namespace
}  // namespace schedbench
