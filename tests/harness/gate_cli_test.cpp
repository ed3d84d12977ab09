// compare, gate and sweep --images through the built program, on an exact denoiser: what leaves quality alone
// passes, what makes it worse fails, and the advice of an inconclusive gate, when followed, decides.
#include <cmath>

#include "../apps/cli.h"
#include "store/run_file.h"
#include "store/validate.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::Result;

/// 64 numbers an image, the reference made by the sampler itself with another seed and many steps.
class GateCli : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        folder_ = new Folder();
        folder_->ok(
            "sample --model 'exact:gaussian,c=0.3,shape=[1,8,8]' --steps 40 --sampler heun --count 1500 "
            "--batch 500 --seed 99 --output reference.npy");
        write("a.suite", suite("ddim:eta=0.5", 6));
        folder_->ok("sweep a.suite --output base.h5 --quiet");
    }
    static void TearDownTestSuite() {
        delete folder_;
        folder_ = nullptr;
    }

    static std::string suite(const std::string& sampler, int steps, const std::string& more = "") {
        return "model = exact:gaussian,c=0.3,shape=[1,8,8]\nschedule = edm\nschedule = log-linear\nsampler "
               "= " +
               sampler + "\nsteps = " + std::to_string(steps) +
               "\nimages = 400\nreference = npy:file=reference.npy\nreference-images = 1500\n"
               "extractor = pixels:size=8\n" +
               (more.empty() ? "batch = 32\n" : more);
    }
    static void write(const std::string& name, const std::string& text) {
        std::ofstream(folder_->path(name)) << text;
    }
    static std::string metric() {
        const RunFile run = RunFile::open(folder_->path("base.h5"));
        for (const auto& [name, record] : run.cell(run.ids("cells")[0]).metrics)
            if (record.estimate.estimand == "Frechet distance at this n") return name;
        return "";
    }
    static Result gate(const std::string& fresh, const std::string& tolerance, const std::string& more = "") {
        return folder_->run("gate " + fresh + " base.h5 --tolerance '" + metric() + "=" + tolerance + "' " +
                            more);
    }
    /// The cells of a run under the names that the baseline's have: a change inside a sampler, which no
    /// identity sees.
    static void rename_cells(const std::string& from, const std::string& to) {
        const RunFile base = RunFile::open(folder_->path("base.h5")),
                      run = RunFile::open(folder_->path(from));
        const RunLock lock(folder_->path(to));
        RunEdit edit(lock, {});
        for (const std::string& id : base.ids("models")) edit.put(base.model(id));
        for (const std::string& id : base.ids("extractors")) edit.put(base.extractor(id));
        for (const std::string& id : base.ids("data")) edit.put(base.data(id));
        for (const std::string& id : base.ids("reference")) edit.put(base.reference(id));
        for (const std::string& id : base.ids("schedules")) edit.put(base.schedule(id));
        for (const std::string& id : run.ids("cells")) {
            CellRecord cell = run.cell(id, CellParts::all);
            const std::string schedule = run.schedule(cell.schedule).schedule.spec;
            for (const std::string& other : base.ids("cells")) {
                const CellRecord named = base.cell(other);
                if (base.schedule(named.schedule).schedule.spec != schedule) continue;
                cell.id = named.id, cell.schedule = named.schedule, cell.sampler = named.sampler;
                cell.steps = named.steps, cell.nfe = named.nfe, cell.settings = named.settings;
                edit.put_cell(cell);
            }
        }
        edit.commit();
    }

    static Folder* folder_;
};

Folder* GateCli::folder_ = nullptr;

TEST_F(GateCli, AnUnchangedProgramPasses) {
    folder_->ok("sweep a.suite --output same.h5 --quiet");
    const Result result = gate("same.h5", "1e-9", "--json");
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    const auto json = result.json();
    EXPECT_EQ(json["verdict"], "PASS");
    ASSERT_EQ(json["metrics"].size(), 2u);
    for (const auto& row : json["metrics"]) EXPECT_EQ(row["worse"], 0);
    for (const auto& row : folder_->ok("compare same.h5 base.h5 --json").json()) {
        EXPECT_EQ(row["value"], 0);
        EXPECT_EQ(row["se"], 0);
        EXPECT_EQ(row["resolved"], false);
        EXPECT_EQ(row["pairing"], "paired");
    }
}

TEST_F(GateCli, ASlimCopyIsAsGoodABaseline) {
    folder_->ok("export base.h5 --format slim --output slim.h5");
    EXPECT_TRUE(validate_run(folder_->path("slim.h5")).empty());
    EXPECT_LT(std::filesystem::file_size(folder_->path("slim.h5")),
              std::filesystem::file_size(folder_->path("base.h5")) / 2);
    EXPECT_FALSE(std::filesystem::exists(folder_->path("slim.h5.slim.lock")));
    EXPECT_EQ(folder_->run("gate base.h5 slim.h5 --tolerance '" + metric() + "=1e-9'").code, 0);
    const auto rows = folder_->ok("compare base.h5 slim.h5 --json").json();
    EXPECT_EQ(rows, folder_->ok("compare base.h5 base.h5 --json").json());
    folder_->ok("export slim.h5 --format slim --output slim.h5");
    EXPECT_EQ(folder_->ok("compare base.h5 slim.h5 --json").json(), rows);
    folder_->ok("table slim.h5");
}

TEST_F(GateCli, HarmlessReorderingPasses) {
    // Ranks, and the order of their blocks.
    for (const char* rank : {"1", "0"})
        folder_->ok(std::string("sweep a.suite --output ranks.h5 --quiet --world-size 2 --rank ") + rank);
    EXPECT_EQ(gate("ranks.h5", "1e-9").code, 0);
    // Another batch, thread count and instruction set: other ids, other bits, the same images but for
    // rounding.
    write("batch.suite", suite("ddim:eta=0.5", 6, "batch = 50\n"));
    folder_->ok("sweep batch.suite --output other.h5 --quiet --threads 2; true");
    const std::string command =
        "cd '" + folder_->root().string() +
        "' && ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 '" SCHEDBENCH_PROGRAM
        "' sweep batch.suite --output other.h5 --quiet --threads 2 >/dev/null 2>&1";
    std::filesystem::remove(folder_->path("other.h5"));
    ASSERT_EQ(std::system(command.c_str()), 0);
    const RunFile base = RunFile::open(folder_->path("base.h5")),
                  other = RunFile::open(folder_->path("other.h5"));
    EXPECT_NE(base.ids("cells"), other.ids("cells"));
    const Result result = gate("other.h5", "0.001", "--json");
    EXPECT_EQ(result.code, 0) << result.out << result.err;
    for (const auto& row : result.json()["metrics"]) EXPECT_EQ(row["pairing"], "paired");
}

TEST_F(GateCli, ADegradedSamplerFails) {
    // Fewer steps, and another eta, under the names of the baseline's cells.
    write("steps.suite", suite("ddim:eta=0.5", 3));
    write("eta.suite", suite("ddim:eta=1", 6));
    for (const std::string name : {"steps", "eta"}) {
        folder_->ok("sweep " + name + ".suite --output " + name + "0.h5 --quiet");
        rename_cells(name + "0.h5", name + ".h5");
        EXPECT_TRUE(validate_run(folder_->path(name + ".h5")).empty());
        const Result result =
            gate(name + ".h5", "0.001", "--junit " + name + ".xml --json " + name + ".json");
        EXPECT_EQ(result.code, 1) << name << "\n" << result.out << result.err;
        EXPECT_NE(result.out.find("gate: FAIL"), std::string::npos);
        EXPECT_EQ(nlohmann::json::parse(cli::read_text(folder_->path(name + ".json")))["verdict"], "FAIL");
        // The reports are well formed.
        const std::string check =
            "python3 -c \"import sys, xml.etree.ElementTree as E; r = E.parse(sys.argv[1])"
            ".getroot(); s = r[0]; c = s.findall('testcase'); "
            "assert len(c) == int(s.get('tests')) == 2, len(c); "
            "assert len(s.findall('testcase/failure')) == int(s.get('failures')) > 0; "
            "assert all(t.get('classname') and t.get('name') for t in c)\" '" +
            folder_->path(name + ".xml") + "'";
        if (std::system("python3 -c 'import xml.etree' 2>/dev/null") == 0) {
            EXPECT_EQ(std::system(check.c_str()), 0);
        }
    }
    // Under its own name it is another cell: the baseline's is missing, which fails too.
    EXPECT_EQ(gate("eta0.h5", "0.001").code, 1);
    EXPECT_NE(gate("eta0.h5", "0.001").out.find("missing in NEW"), std::string::npos);
}

TEST_F(GateCli, SweepAddsImagesAndTheAdviceDecides) {
    const auto images = [&](const std::string& file) {
        const RunFile run = RunFile::open(folder_->path(file));
        std::vector<int64_t> out;
        for (const std::string& id : run.ids("cells")) out.push_back(run.cell_count(id));
        return out;
    };
    // Two seeds of one thing: no difference in truth, and too few images to tell.
    for (const std::string seed : {"1", "2"}) {
        write("seed" + seed + ".suite", suite("ddim:eta=0.5", 6, "batch = 32\nseed = " + seed + "\n"));
        folder_->ok("sweep seed" + seed + ".suite --images 320 --output seed" + seed + ".h5 --quiet");
        EXPECT_EQ(images("seed" + seed + ".h5"), (std::vector<int64_t>{320, 320}));
    }
    double worst = -INFINITY, se = 0;
    for (const auto& row : folder_->ok("compare seed1.h5 seed2.h5 --json").json()) {
        if (row["metric"] != metric()) continue;
        EXPECT_EQ(row["paired"], false);
        EXPECT_NE(row["pairing"].get<std::string>().find("seed differs (1 and 2)"), std::string::npos);
        worst = std::max(worst, row["value"].get<double>());
        se = row["se"];
    }
    ASSERT_LT(std::abs(worst), 2.33 * se);
    const auto ask = [&] {
        return folder_->run("gate seed1.h5 seed2.h5 --tolerance '" + metric() + "=" +
                            std::to_string(std::max(worst, 0.0) + se) + "' --json");
    };
    const Result open = ask();
    ASSERT_EQ(open.code, 3) << open.out << open.err;
    const int64_t wanted = open.json()["images"];
    EXPECT_GT(wanted, 320);
    EXPECT_EQ((wanted - 320) % 64, 0);
    // The advice names the suite that each run was made with, and that is what decides it.
    EXPECT_NE(open.json()["advice"].dump().find("schedbench sweep seed1.suite --images " +
                                                std::to_string(wanted) + " --output seed1.h5"),
              std::string::npos)
        << open.json()["advice"];
    for (const std::string seed : {"1", "2"}) {
        folder_->ok("sweep seed" + seed + ".suite --images " + std::to_string(wanted) + " --output seed" +
                    seed + ".h5 --quiet");
        EXPECT_EQ(images("seed" + seed + ".h5"), (std::vector<int64_t>{wanted, wanted}));
        EXPECT_TRUE(validate_run(folder_->path("seed" + seed + ".h5")).empty());
    }
    EXPECT_NE(ask().code, 3) << "decided with a chance of 90 %; the seeds are fixed\n" << ask().out;
    // The images that were there are the first of the new ones.
    folder_->ok("sweep seed1.suite --images 320 --output again.h5 --quiet");
    const RunFile grown = RunFile::open(folder_->path("seed1.h5")),
                  small = RunFile::open(folder_->path("again.h5"));
    for (const std::string& id : small.ids("cells")) {
        const auto few = small.cell(id, CellParts::features).features,
                   all = grown.cell(id, CellParts::features).features;
        ASSERT_GT(all.size(), few.size());
        EXPECT_TRUE(std::equal(few.begin(), few.end(), all.begin()));
    }
}

TEST_F(GateCli, SweepAddsImagesForBitsPerDimension) {
    // One model on two draws of one kind of image: no difference in truth, and too few images to tell.
    for (const std::string seed : {"1", "2"}) {
        folder_->ok(
            "sample --model 'exact:gaussian,c=0.3,shape=[1,8,8]' --steps 20 --count 400 --batch 200 --seed " +
            seed + "7 --output images" + seed + ".npy");
        write("bits" + seed + ".suite",
              "model = exact:gaussian,c=0.25,process={linear:T=40},shape=[1,8,8]\nschedule = even\n"
              "sampler = ddpm\nsteps = 5\nimages = 64\nbatch = 32\nreference = npy:file=reference.npy\n"
              "reference-images = 100\nextractor = pixels:size=8\nbpd-cells = true\nstatistics-images = 30\n"
              "heldout = npy:file=images" +
                  seed + ".npy\n");
        folder_->ok("sweep bits" + seed + ".suite --output bits" + seed + ".h5 --quiet");
    }
    double worse = NAN, se = NAN;
    for (const auto& row : folder_->ok("compare bits1.h5 bits2.h5 --json").json()) {
        if (row["metric"] != "bpd") continue;
        EXPECT_EQ(row["paired"], false);
        worse = row["value"], se = row["se"];
    }
    ASSERT_LT(worse, 2.33 * se);
    const auto ask = [&] {
        return folder_->run("gate bits1.h5 bits2.h5 --tolerance bpd=" +
                            std::to_string(std::max(worse, 0.0) + se) + " --json");
    };
    const Result open = ask();
    ASSERT_EQ(open.code, 3) << open.out << open.err;
    EXPECT_TRUE(open.json()["images"].is_null());
    const int64_t wanted = open.json()["statistics_images"];
    EXPECT_GT(wanted, 30);
    EXPECT_EQ(open.json()["metrics"][0]["further_images"], wanted - 30);
    EXPECT_NE(open.json()["advice"].dump().find("schedbench sweep bits1.suite --statistics-images " +
                                                std::to_string(wanted) + " --output bits1.h5"),
              std::string::npos)
        << open.json()["advice"];
    for (const std::string seed : {"1", "2"}) {
        const std::string line = "sweep bits" + seed + ".suite --statistics-images " + std::to_string(wanted);
        folder_->ok(line + " --output bits" + seed + ".h5 --quiet");
        EXPECT_TRUE(validate_run(folder_->path("bits" + seed + ".h5")).empty());
        folder_->ok(line + " --output anew" + seed + ".h5 --quiet");
        // What is added to is what is made at once.
        for (const auto& row : folder_->ok("compare bits" + seed + ".h5 anew" + seed + ".h5 --json").json())
            EXPECT_EQ(row["value"], 0) << row;
    }
    const Result decided = ask();
    EXPECT_NE(decided.code, 3) << "decided with a chance of 90 %; the seeds are fixed\n" << decided.out;
}

TEST_F(GateCli, FaultsAreOneLineAndExitCode2) {
    for (const std::string line :
         {"gate base.h5 base.h5", "gate base.h5 base.h5 --tolerance nothing=1",
          "gate base.h5 none.h5 --tolerance a=1", "gate base.h5 --tolerance a=1",
          "compare base.h5 base.h5:zz", "compare base.h5 reference.npy",
          "gate base.h5 base.h5 --tolerance a=1 --looks 0", "gate base.h5 base.h5 --tolerance a=-1"}) {
        const Result result = folder_->run(line);
        EXPECT_EQ(result.code, 2) << line;
        EXPECT_EQ(result.error_lines().size(), 1u) << line << "\n" << result.err;
    }
    const Result unknown = folder_->run("gate base.h5 base.h5 --tolerance nothing=1");
    EXPECT_NE(unknown.err.find(metric()), std::string::npos) << unknown.err;
    EXPECT_EQ(gate("base.h5", "1", "--junit none/gate.xml").code, 2);
}

}  // namespace
}  // namespace schedbench
