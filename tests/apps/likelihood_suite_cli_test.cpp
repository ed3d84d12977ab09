// Suites of bits/dim: without cells, beside cells, with printed figures; the plot of the terms and the
// ablation.
#include <cmath>
#include <fstream>
#include <set>

#include "cli.h"
#include "store/run_file.h"

namespace schedbench {
namespace {

using cli::Folder;
namespace fs = std::filesystem;

class LikelihoodSuite : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!fs::exists("/usr/share/datasets/fashion-mnist"))
            GTEST_SKIP() << "the Fashion-MNIST package is not installed";
        write("printed.csv",
              "source,table,dataset,model,metric,method,steps,value,status,remark\n"
              "arXiv:2106.03802,t,D,L_simple,bits/dim,even,4,6.95,as printed,\n"
              "arXiv:2106.03802,t,D,L_simple,bits/dim,DP,4,4.59,second hand,\n"
              "arXiv:2106.03802,t,D,L_simple,FID,even (DDPM),4,51.04,as printed,\n"
              "arXiv:2106.03802,t,D,other,FID,even (DDPM),4,1.5,as printed,\n");
    }
    void write(const std::string& name, const std::string& text) const {
        std::ofstream(folder_.path(name)) << text;
    }

    const std::string table_ =
        "model = exact:gaussian,c=0.3,shape=[1,32,32],process={linear:T=40}\n"
        "data = fashion-mnist\nheldout = fashion-mnist:split=test\nstatistics-images = 12\n"
        "bpd-stride = even-kt\nbpd-stride = dp\nbpd-variance = known\nbpd-first-step = path\n"
        "bpd-first-step = table\nbpd-steps = 4\nbpd-steps = all\n"
        "published = printed.csv\npublished-dataset = D\npublished-model = L_simple\n";
    const std::string cells_ =
        "schedule = even-kt\nschedule = dp-elbo\nschedule = dp-mse\nsampler = ddpm:variance=posterior\n"
        "sampler = ddpm:variance=beta\nsteps = 4\nimages = 40\nbatch = 20\nbpd-cells = true\n"
        "reference = fashion-mnist\nreference-images = 100\nextractor = pixels\n"
        "published-method = even (DDPM) | even-kt | ddpm:variance=posterior\n";
    Folder folder_;
};

TEST_F(LikelihoodSuite, WithoutCells) {
    write("t.suite", table_);
    const auto plan = folder_.ok("sweep t.suite --output run.h5 --plan");
    EXPECT_NE(plan.err.find("12 images a split; 960 evaluations"), std::string::npos) << plan.err;
    EXPECT_NE(plan.err.find("images a split fit 45 min"), std::string::npos) << plan.err;
    const auto out = folder_.ok("sweep t.suite --output run.h5");
    EXPECT_NE(out.out.find("] arXiv:2106.03802 L_simple\n"), std::string::npos) << out.out;
    EXPECT_NE(out.out.find("  printed [1]"), std::string::npos) << out.out;
    EXPECT_NE(out.out.find("6.95"), std::string::npos) << out.out;
    EXPECT_NE(out.out.find("L_simple (second hand)"), std::string::npos) << out.out;
    folder_.ok("validate run.h5");
    // Printed figures stand only where decoder, first step, variance, stride, split and budget are theirs.
    std::istringstream csv(folder_.ok("table run.h5 --what likelihood --format csv").out);
    int printed = 0, rows = 0;
    for (std::string line; std::getline(csv, line);) {
        ++rows;
        const bool even = line.find("even-kt,posterior") != std::string::npos &&
                          line.find("6.95") != std::string::npos,
                   dp = line.find("dp,posterior") != std::string::npos &&
                        line.find("4.59") != std::string::npos;
        if (!even && !dp) continue;
        ++printed;
        EXPECT_NE(line.find(",path,"), std::string::npos) << line;
        EXPECT_NE(line.find(",test,4,"), std::string::npos) << line;
    }
    EXPECT_EQ(printed, 2);
    // 2 strides, 4 variances without variance channels, 2 first steps, 2 splits, 2 budgets, and the header.
    EXPECT_EQ(rows, 1 + 2 * 4 * 2 * 2 * 2);
    EXPECT_NE(folder_.ok("sweep t.suite --output run.h5 --plan").err.find("measured already"),
              std::string::npos);
}

TEST_F(LikelihoodSuite, BesideCells) {
    write("c.suite", table_ + cells_);
    const auto out = folder_.ok("sweep c.suite --output run.h5");
    EXPECT_NE(out.out.find("  bits/dim"), std::string::npos) << out.out;
    EXPECT_NE(out.out.find("printed: FID, arXiv:2106.03802 L_simple, even (DDPM)"), std::string::npos)
        << out.out;
    EXPECT_EQ(out.out.find("1.5 "), std::string::npos) << out.out;  // of another model
    folder_.ok("validate run.h5");
    // The metric of a cell is the row of the table with its path.
    const auto cells = folder_.ok("table run.h5 --json").json();
    std::map<std::string, double> rows;
    std::istringstream csv(folder_.ok("table run.h5 --what likelihood --format csv").out);
    for (std::string line; std::getline(csv, line);)
        for (const char* stride : {"even-kt", "dp"})
            for (const char* variance : {"posterior", "beta"}) {
                const std::string key =
                    std::string(stride) + "," + variance + ",tanh,table,\"[-1,1]\",test,4,";
                if (const size_t at = line.find(key); at != std::string::npos)
                    rows[std::string(stride) + variance] = std::stod(line.substr(at + key.size()));
            }
    ASSERT_EQ(rows.size(), 4u);
    int checked = 0;
    double mse = 0, dp = 0;
    for (const auto& cell : cells) {
        if (cell["schedule"].get<std::string>().find("held out") != std::string::npos) continue;
        const std::string schedule = cell["schedule"], sampler = cell["sampler"];
        const std::string variance = sampler.find("=beta") == std::string::npos ? "posterior" : "beta";
        const double bits = cell["bpd"];
        if (schedule.starts_with("even-kt")) {
            EXPECT_NEAR(bits, rows["even-kt" + variance], 1e-9);
            ++checked;
        } else if (variance == "posterior") {
            (schedule.starts_with("dp-elbo") ? dp : mse) = bits;
        }
    }
    EXPECT_EQ(checked, 2);
    EXPECT_NEAR(dp, rows["dpposterior"], 1e-9);
    EXPECT_GE(mse, dp - 0.05);  // scored on other images than those that chose the paths
    // Differences of bits/dim are paired over the test images.
    const RunFile run = RunFile::open(folder_.path("run.h5"));
    int metrics = 0;
    for (const std::string& id : run.ids("cells")) {
        const CellRecord cell = run.cell(id, CellParts::metrics);
        const auto it = cell.metrics.find("bpd");
        if (it == cell.metrics.end()) continue;
        ++metrics;
        EXPECT_EQ(it->second.influence_ref.size(), 12u);
        double sum = 0;
        for (double value : it->second.influence_ref) sum += value;
        EXPECT_NEAR(sum, 0, 1e-4);
        EXPECT_GT(it->second.estimate.se, 0);
    }
    EXPECT_EQ(metrics, 6);
}

TEST_F(LikelihoodSuite, FaultsAreNamed) {
    const auto error = [&](const std::string& text) {
        write("e.suite", text);
        return folder_.fails("sweep e.suite --output e.h5").err;
    };
    EXPECT_NE(error(table_ + "published-model = L_vlb\n").find("2 names for 1 models"), std::string::npos);
    EXPECT_NE(error(table_ + "published-method = even | even-kt\n").find("METHOD | SCHEDULE | SAMPLER"),
              std::string::npos);
    EXPECT_NE(error(table_ + "published-method = odd | even-kt | ddpm\n").find("\"odd\""), std::string::npos);
    EXPECT_NE(error(table_ + "minutes = 0\n").find("above 0"), std::string::npos);
    std::string other = table_;
    other.replace(other.find("dataset = D"), 11, "dataset = E");
    EXPECT_NE(error(other).find("published-dataset"), std::string::npos);
    other = table_;
    other.replace(other.find("printed.csv"), 11, "nothing.csv");
    EXPECT_NE(error(other).find("nothing.csv"), std::string::npos);
}

TEST_F(LikelihoodSuite, PlotAndAblation) {
    for (const char* split : {"train", "test"})
        folder_.ok(
            "statistics --model 'exact:gaussian,c=0.3,shape=[1,32,32],process={linear:T=40}' --images 24 "
            "--clip true --output st.h5 --data fashion-mnist:split=" +
            std::string(split));
    folder_.ok("bpd --statistics st.h5 --variance posterior --stride even,dp --steps 8 --plot terms.svg");
    const std::string svg = cli::read_text(folder_.path("terms.svg"));
    size_t dots = 0;
    for (size_t at = svg.find("<circle"); at != std::string::npos; at = svg.find("<circle", at + 1)) ++dots;
    EXPECT_EQ(dots, 16u);  // two paths of eight nodes, test split
    EXPECT_NE(svg.find("K = 8"), std::string::npos);
    EXPECT_NE(folder_.fails("bpd --statistics st.h5 --plot terms.svg").err.find("--plot"), std::string::npos);

    const auto rows =
        folder_.ok("bpd --statistics st.h5 --training-images 1,4,24 --steps 5 --repeats 6 --json").json();
    ASSERT_EQ(rows.size(), 9u);  // 3 variances, 3 sizes
    for (const char* variance : {"posterior", "beta", "corrected-analytic"}) {
        double before = HUGE_VAL, sd = HUGE_VAL;
        std::set<int> sizes;
        for (const auto& row : rows) {
            if (row["variance"] != variance) continue;
            sizes.insert(row["training_images"].get<int>());
            // More images choose better, and spread less.
            EXPECT_LE(row["bits_per_dim"].get<double>(), before + 0.02) << row;
            EXPECT_LE(row["sd"].get<double>(), sd + 1e-3) << row;
            before = row["bits_per_dim"], sd = row["sd"];
        }
        EXPECT_EQ(sizes, (std::set<int>{1, 4, 24}));
    }
    // With all images it is the dp row of the table.
    const auto table =
        folder_.ok("bpd --statistics st.h5 --stride dp --variance beta --steps 5 --json").json();
    for (const auto& row : rows)
        if (row["variance"] == "beta" && row["training_images"] == 24) {
            EXPECT_NEAR(row["bits_per_dim"].get<double>(), table.at(1)["bits_per_dim"].get<double>(), 1e-5);
        }
    EXPECT_NE(folder_.fails("bpd --statistics st.h5 --training-images 25").err.find("1 to 24"),
              std::string::npos);
}

}  // namespace
}  // namespace schedbench
