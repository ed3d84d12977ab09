#include "schedules/learned_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace schedbench {
namespace {

class LearnedFile : public ::testing::Test {
  protected:
    void SetUp() override {
        file_ = (std::filesystem::path(SCHEDBENCH_BINARY_DIR) / "learned_schedule_test.json").string();
    }
    void TearDown() override { std::filesystem::remove(file_); }
    Schedule build(const std::string& noise, int steps, const std::string& end = "zero") const {
        return build_schedule(Spec::parse("learned:file='" + file_ + "',end=" + end),
                              NoiseProcess(Spec::parse(noise)), {steps});
    }
    std::string file_;
};

LearnedSchedule log_curve() {
    LearnedSchedule out;
    out.spec = "score-optimal:cost=corrector";
    out.process = "continuous:sigma-max=80,sigma-min=0.002";
    for (int i = 0; i <= 20; ++i) {
        out.curve.sigma.push_back(i == 20 ? 80 : 0.002 * std::pow(40000.0, i / 20.0));
        out.curve.length.push_back(i / 20.0);
    }
    out.provenance["images"] = 512;
    return out;
}

TEST_F(LearnedFile, ACurveOfEqualLengthInLogSigmaIsTheLogLinearSchedule) {
    log_curve().write(file_);
    const NoiseProcess process(Spec::parse("continuous"));
    for (int steps : {1, 2, 7, 18})
        for (const std::string end : {"zero", "sigma-min"}) {
            const Schedule ours = build("continuous", steps, end);
            const Schedule known = build_schedule(Spec::parse("log-linear:end=" + end), process, {steps});
            ASSERT_EQ(ours.effective.size(), known.effective.size());
            for (size_t i = 0; i < ours.effective.size(); ++i)
                EXPECT_NEAR(ours.effective[i], known.effective[i], 1e-12 * 80);
        }
    const LearnedSchedule back = LearnedSchedule::read(file_), curve = log_curve();
    EXPECT_EQ(back.curve.sigma, curve.curve.sigma);
    EXPECT_EQ(back.curve.length, curve.curve.length);
    EXPECT_EQ(back.spec, curve.spec);
    EXPECT_EQ(back.provenance.at("images"), 512);
    EXPECT_THROW(build("continuous", 0), Error);
    const Schedule named =
        schedule_from_curve(curve.curve, Spec::parse("score-optimal"), "zero", process, {5});
    EXPECT_EQ(named.coordinate, "arc length");
    EXPECT_EQ(named.effective, build("continuous", 5).effective);
}

TEST_F(LearnedFile, TextKeepsEverything) {
    LearnedSchedule learned = log_curve();
    learned.curve.interpolant = parse_interpolant("pchip-root", "test", 3);
    const LearnedSchedule back = LearnedSchedule::parse(learned.text(), "test");
    EXPECT_EQ(back.text(), learned.text());
    EXPECT_EQ(back.curve.interpolant, learned.curve.interpolant);
    EXPECT_NE(back.curve.interpolant, parse_interpolant("pchip-root", "test", 4));
}

TEST_F(LearnedFile, ItIsForTheModelItWasLearnedFrom) {
    LearnedSchedule learned = log_curve();
    const Spec spec = Spec::parse("learned:file='" + file_ + "'");
    learned.write(file_);
    check_learned_model(spec, "native:file=b", "test");  // names no model
    learned.provenance["model"] = "native:file=a";
    learned.write(file_);
    check_learned_model(spec, "native:file=a", "test");
    EXPECT_THROW(check_learned_model(spec, "native:file=b", "test"), Error);
    check_learned_model(Spec::parse("learned:file='" + file_ + "',transfer=true"), "native:file=b", "test");
    check_learned_model(Spec::parse("edm"), "native:file=b", "test");
}

TEST_F(LearnedFile, PathsThroughATable) {
    LearnedSchedule learned;
    learned.spec = "dp-elbo:variance=beta";
    learned.process = NoiseProcess(Spec::parse("linear:T=1000")).spec().print();
    learned.paths = {{1, {1000}}, {4, {11, 45, 137, 1000}}};
    learned.write(file_);
    EXPECT_EQ(build("linear:T=1000", 4).index, (std::vector<int64_t>{1000, 137, 45, 11, 0}));
    EXPECT_EQ(build("linear", 1).index, (std::vector<int64_t>{1000, 0}));
    EXPECT_THROW(build("linear", 2), Error);
    EXPECT_THROW(build("cosine", 4), Error);
    EXPECT_THROW(build("linear", 4, "sigma-min"), Error);
}

TEST_F(LearnedFile, DamagedFilesAreErrorsThatNameTheFile) {
    for (const char* text :
         {"", "{", "[]", "{}", "{\"format\":\"else\"}",
          "{\"format\":\"schedbench learned schedule\",\"version\":99}",
          "{\"format\":\"schedbench learned schedule\",\"version\":1,\"spec\":\"a\",\"process\":\"b\"}",
          "{\"format\":\"schedbench learned "
          "schedule\",\"version\":1,\"spec\":\"a\",\"process\":\"b\",\"paths\":{\"3\":[1,2]}}",
          "{\"format\":\"schedbench learned "
          "schedule\",\"version\":1,\"spec\":\"a\",\"process\":\"b\",\"curve\":"
          "{\"sigma\":[1,null],\"length\":[0,1],\"interpolant\":\"linear\"}}",
          "{\"format\":\"schedbench learned "
          "schedule\",\"version\":1,\"spec\":\"a\",\"process\":\"b\",\"curve\":"
          "{\"sigma\":[2,1],\"length\":[0,1],\"interpolant\":\"linear\"}}"}) {
        std::ofstream(file_) << text;
        try {
            build("continuous", 4);
            ADD_FAILURE() << text;
        } catch (const Error& e) {
            EXPECT_EQ(e.where(), file_) << text;
        }
    }
    std::filesystem::remove(file_);
    EXPECT_THROW(build("continuous", 4), Error);
    EXPECT_THROW(log_curve().write("/nonexistent-folder/x.json"), Error);
}

}  // namespace
}  // namespace schedbench
