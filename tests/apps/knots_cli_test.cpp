// knots: published knots, the exact JSON form, and its options.
#include <cmath>

#include "cli.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::numbers;

const std::vector<std::string> kKeys = {
    "coordinate", "effective",       "end_rule", "hash", "index", "map",      "model_time",
    "requested",  "requested_steps", "rounding", "spec", "steps", "time_rule"};

struct Golden {
    std::string spec;
    std::vector<double> levels;  ///< six significant digits
};

TEST(CliKnots, PublishedKnots) {
    const Folder folder;
    const std::vector<Golden> rows = {
        {"edm:rho=3",
         {80, 58.8903, 41.8648, 28.4846, 18.3104, 10.9031, 5.82367, 2.63296, 0.891854, 0.161238, 0.002}},
        {"edm:rho=7",
         {80, 45.3137, 24.4083, 12.3816, 5.83895, 2.51522, 0.965417, 0.318283, 0.0850872, 0.0167208, 0.002}},
        {"edm:rho=100",
         {80, 29.1218, 10.4922, 3.7406, 1.31932, 0.460245, 0.158768, 0.0541456, 0.0182508, 0.0060787, 0.002}},
        {"log-linear",
         {80, 27.7258, 9.609, 3.33021, 1.15416, 0.4, 0.138629, 0.048045, 0.0166511, 0.0057708, 0.002}},
        {"arctan:c=0.5",
         {80, 3.05353, 1.51713, 0.973651, 0.685089, 0.498876, 0.363195, 0.255346, 0.163538, 0.0807178,
          0.002}},
    };
    for (const Golden& row : rows) {
        const std::string spec =
            row.spec + (row.spec.find(':') == std::string::npos ? ":" : ",") + "end=sigma-min";
        const auto json = folder.ok("knots " + spec + " --steps 10 --json").json();
        EXPECT_EQ(cli::keys(json), kKeys);
        EXPECT_EQ(json.at("steps"), 10);
        EXPECT_TRUE(json.at("index").is_null());
        EXPECT_EQ(json.at("hash").get<std::string>().size(), 16u);
        const auto effective = numbers(json.at("effective")), times = numbers(json.at("model_time"));
        EXPECT_EQ(effective, numbers(json.at("requested")));
        ASSERT_EQ(effective.size(), row.levels.size());
        for (size_t i = 0; i < effective.size(); ++i) {
            EXPECT_NEAR(effective[i], row.levels[i], 6e-6 * row.levels[i] + 5e-8)
                << row.spec << " knot " << i;
            EXPECT_NEAR(times[i], std::log(effective[i]) / 4, 1e-14);
        }
    }
}

TEST(CliKnots, NumbersAtFullPrecision) {
    const Folder folder;
    const auto levels = numbers(folder.ok("knots edm:rho=7 --steps 18 --json").json().at("effective"));
    ASSERT_EQ(levels.size(), 19u);
    const double high = std::pow(80.0, 1 / 7.0), low = std::pow(0.002, 1 / 7.0);
    for (size_t i = 0; i < 18; ++i)
        EXPECT_NEAR(levels[i] / std::pow(high + static_cast<double>(i) / 17 * (low - high), 7), 1, 1e-12);
    EXPECT_EQ(levels[18], 0);
}

TEST(CliKnots, RangeOptionsAreTheKeysOfTheSpec) {
    const Folder folder;
    const auto by_option = folder.ok("knots log-linear --sigma-min 0.02 --sigma-max 100 --steps 7 --json");
    EXPECT_EQ(by_option.out, folder.ok("knots log-linear:sigma-max=100,sigma-min=0.02 --steps 7 --json").out);
    const auto levels = numbers(by_option.json().at("effective"));
    EXPECT_EQ(levels[0], 100);
    EXPECT_EQ(levels[6], 0.02);
    EXPECT_NEAR(levels[3] * levels[3], 2.0, 1e-12);
}

TEST(CliKnots, TablesRoundToTheirEntries) {
    const Folder folder;
    for (const std::string process :
         {"--process linear:T=1000", "--model 'exact:gaussian,process={linear:T=1000}'"}) {
        const auto json = folder.ok("knots even --steps 5 --json " + process).json();
        EXPECT_EQ(json.at("index"), (nlohmann::json{1000, 750, 500, 251, 1, 0})) << process;
        EXPECT_EQ(json.at("model_time"), (nlohmann::json{999.0, 749.0, 499.0, 250.0, 0.0, nullptr}));
    }
    // abar of linear:T=1000 at its two ends
    const auto even =
        numbers(folder.ok("knots even --steps 2 --json --process linear:T=1000").json().at("effective"));
    EXPECT_NEAR(even[0], 157.407, 1e-3);
    EXPECT_NEAR(even[1], 0.0100005, 1e-7);
    const auto nearest = folder.ok("knots 'explicit:levels=[80,1,0]' --json --process linear:T=1000").json();
    const auto fractional =
        folder.ok("knots 'explicit:levels=[80,1,0]' --json --process linear:T=1000 --time fractional").json();
    EXPECT_EQ(numbers(fractional.at("effective")), (std::vector<double>{80, 1, 0}));
    EXPECT_NE(numbers(nearest.at("effective"))[1], 1);
    EXPECT_NEAR(numbers(nearest.at("effective"))[1], 1, 0.01);
    EXPECT_EQ(numbers(nearest.at("requested"))[1], 1);
    EXPECT_EQ(fractional.at("index"), (nlohmann::json{-1, -1, 0}));
    EXPECT_NE(nearest.at("hash"), fractional.at("hash"));
}

TEST(CliKnots, FewerStepsWhereKnotsCoincide) {
    const Folder folder;
    const auto json = folder.ok("knots edm --steps 60 --process linear:T=50 --allow-fewer --json").json();
    EXPECT_EQ(json.at("requested").size(), 61u);
    EXPECT_LT(json.at("effective").size(), 61u);
    EXPECT_EQ(json.at("steps").get<size_t>() + 1, json.at("effective").size());
    EXPECT_NE(
        folder.ok("knots edm --steps 60 --process linear:T=50 --allow-fewer").out.find("requested 61 levels"),
        std::string::npos);
}

TEST(CliKnots, TableForPeople) {
    const Folder folder;
    const std::string text = folder.ok("knots edm --steps 4").out;
    std::istringstream in(text);
    size_t width = 0, rows = 0;
    for (std::string line; std::getline(in, line);) {
        if (line.find("requested") != std::string::npos) {
            width = line.size();
            for (std::string row; std::getline(in, row); ++rows) EXPECT_EQ(row.size(), width) << row;
        }
    }
    EXPECT_EQ(rows, 5u);
    EXPECT_NE(text.find("spec   edm:end=zero,rho=7"), std::string::npos);
    EXPECT_NE(
        text.find("hash   " + folder.ok("knots edm --steps 4 --json").json().at("hash").get<std::string>()),
        std::string::npos);
}

TEST(CliKnots, SeveralSchedulesAndTheirPicture) {
    const Folder folder;
    const auto all = folder.ok("knots edm log-linear arctan:c=1 --steps 6 --plot k.svg --json").json();
    ASSERT_EQ(all.size(), 3u);
    EXPECT_EQ(all[1], folder.ok("knots log-linear --steps 6 --json").json());
    const std::string svg = cli::read_text(folder.path("k.svg"));
    EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 40);
    EXPECT_TRUE(svg.ends_with("</svg>\n"));
    size_t dots = 0;
    for (size_t at = 0; (at = svg.find("<circle", at)) != std::string::npos; ++at) ++dots;
    EXPECT_EQ(dots, 3u * 7u * 2u);  // every level of every schedule, on its curve and on its line
    EXPECT_NE(svg.find("arctan:c=1"), std::string::npos);
    EXPECT_EQ(svg.find("dasharray"), std::string::npos);
    // Seven colours; the eighth schedule is told from the first by dashes.
    folder.ok(
        "knots edm edm:rho=2 edm:rho=3 edm:rho=4 edm:rho=5 edm:rho=6 edm:rho=8 edm:rho=9 --steps 6 --plot "
        "m.svg");
    const std::string many = cli::read_text(folder.path("m.svg"));
    EXPECT_EQ(many.find("dasharray"), many.rfind("dasharray"));
    EXPECT_NE(many.find("dasharray"), std::string::npos);
    EXPECT_NE(folder.ok("knots edm log-linear --steps 2").out.find("log-linear:end=zero"), std::string::npos);
}

TEST(CliKnots, TheRecordSaysWhatTheScheduleIs) {
    const Folder folder;
    const auto json =
        folder.ok("knots quadratic-kt:end=replace --steps 4 --process linear:T=100 --json").json();
    for (const char* key : {"coordinate", "map", "end_rule", "rounding", "time_rule", "spec"})
        EXPECT_FALSE(json.at(key).get<std::string>().empty()) << key;
    EXPECT_EQ(json.at("end_rule"), "replace");
    EXPECT_EQ(json.at("requested_steps"), 4);
    EXPECT_EQ(json.at("steps"), 4);
    EXPECT_EQ(json.at("index").get<std::vector<int>>(), (std::vector<int>{100, 64, 36, 16, 0}));
}

TEST(CliKnots, EnvironmentTwins) {
    const Folder folder;
    const std::string folder_of = folder.root().string();
    setenv("SCHEDBENCH_STEPS", "6", 1);
    EXPECT_EQ(folder.ok("knots edm --json").json().at("steps"), 6);
    EXPECT_EQ(folder.ok("knots edm --steps 3 --json").json().at("steps"), 3);  // the command line wins
    unsetenv("SCHEDBENCH_STEPS");
}

}  // namespace
}  // namespace schedbench
