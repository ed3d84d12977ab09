// Mistakes of a user: exit code 2, one line on stderr that names the place, nothing on stdout, and the JSON
// form.
#include "cli.h"

namespace schedbench {
namespace {

using cli::Folder;
using cli::Result;

struct Mistake {
    std::string line, kind, text;  ///< `text` is somewhere in the message
};

const std::vector<Mistake>& mistakes() {
    static const std::string gaussian = "--model exact:gaussian,c=0.5 ";
    static const std::vector<Mistake> list = {
        {"knotss edm", "option", "did you mean \"knots\""},
        {"knots edm --stpes 3", "option", "did you mean --steps"},
        {"knots edm", "option", "--steps: is needed"},
        {"knots --steps 3", "option", "--spec: is needed"},
        {"knots edm --steps", "option", "--steps"},
        {"knots edm heun --steps 3", "spec", "\"heun\" is not one of the known schedules"},
        {"knots quadratic --steps 3", "spec", "quadratic-kt"},
        {"knots beta --steps 3", "spec", "beta-index"},
        {"knots edm --steps 3 --plot x.png", "option", ".svg"},
        {"knots edm --steps 3 --plot absent/x.svg", "file", "absent/x.svg"},
        {"knots edm:rho=0 --steps 3", "number", "rho must be positive"},
        {"sample --steps 3 --output x.npy --sampler ddpm:variance=learned " + gaussian, "option",
         "variance channels"},
        {"knots edm --steps 0", "option", "--steps: wants a whole number"},
        {"knots edm --steps 2.5", "option", "--steps: wants a whole number"},
        {"knots edm --steps 99999999999", "option", "--steps: wants at most"},
        {"knots edmm --steps 3", "spec", "did you mean \"edm\""},
        {"knots edm:rhoo=3 --steps 3", "spec", "did you mean \"rho\""},
        {"knots 'edm:rho=[' --steps 3", "spec", "SPEC"},
        {"knots edm --steps 3 --sigma-min 90", "number", "sigma-min < sigma-max"},
        {"knots edm:sigma-min=1 --sigma-min 2 --steps 3", "option", "--sigma-min"},
        {"knots edm --steps 3 --time often", "option", "--time"},
        {"knots even --steps 3", "spec", "continuous"},
        {"knots edm --process linear:T=50 --steps 60", "spec", "both round to"},
        {"knots edm --process lineal --steps 6", "spec", "did you mean \"linear\""},
        {"knots edm --process linear --model exact:gaussian --steps 6", "option", "--process"},
        {"knots learned:file=absent.json --steps 3", "file", "absent.json"},
        {"knots score-optimal --steps 3", "option", "schedbench learn"},
        {"knots edm --model native:file=absent.safetensors --steps 3", "file", "absent.safetensors"},
        {"learn edm --steps 3 " + gaussian, "spec", "score-optimal"},
        {"learn score-optimal --steps 3", "option", "--model"},
        {"learn score-optimal --steps 3 --model exact:gausian", "spec", "did you mean \"exact:gaussian\""},
        {"learn score-optimal --steps 3 --data npy:file=absent.npy " + gaussian, "file", "absent.npy"},
        {"learn dp-elbo:decoder=tanh --steps 3 " + gaussian, "option", "decoder"},
        {"learn dp-elbo:grid=20 --steps 30 --draws 4 " + gaussian, "option", "--steps"},
        {"learn dp-elbo --steps 3 --statistics absent.h5 " + gaussian, "store", "absent.h5"},
        {"learn score-optimal --steps 3 --statistics absent.h5 " + gaussian, "option", "--statistics"},
        {"learn score-optimal --steps 3 --output absent/so.json " + gaussian, "file", "absent/so.json"},
        {"statistics " + gaussian, "option", "--output"},
        {"statistics --output st.h5 --clip maybe " + gaussian, "option", "--clip"},
        {"statistics --output st.h5 --images 5 --draws 4 " + gaussian, "option", "--images"},
        {"statistics --output st.h5 --decoder tan " + gaussian, "spec", "tan"},
        {"statistics --output st.h5 --grid 99999999 " + gaussian, "option", "grid"},
        {"bpd", "option", "--statistics"},
        {"bpd --statistics absent.h5", "store", "absent.h5"},
        {"sample --steps 3 --output x.npy", "option", "--model"},
        {"sample --output x.npy " + gaussian, "option", "--steps N or --budget B"},
        {"sample --steps 3 --budget 3 --output x.npy " + gaussian, "option", "--steps N or --budget B"},
        {"sample --steps 3 --output x.jpg " + gaussian, "option", ".png"},
        {"sample --steps 3 --output x.png " + gaussian, "option", "--output"},
        {"sample --steps 3 --output absent/x.npy " + gaussian, "file", "absent"},
        {"sample --steps 3 --output x.h5 --raw " + gaussian, "option", "--raw"},
        {"sample --steps 3 --output x.npy --sampler hein " + gaussian, "spec", "did you mean \"heun\""},
        {"sample --steps 3 --output x.npy --quantise round " + gaussian, "spec", "quantise"},
        {"sample --steps 3 --output x.npy --schedule dp-elbo " + gaussian, "option", "learned:file="},
        {"sample --steps 3 --output x.npy --device cuda:99 " + gaussian, "device", "--device"},
        {"sample --steps 3 --output x.npy --device tpu " + gaussian, "option",
         "known: cpu, cuda, cuda:N, auto"},
        {"spectrum --device cuda", "device", "runs on the CPU only"},
        {"sample --steps 3 --output x.npy --profile quick " + gaussian, "option", "--profile"},
        {"list schedule", "option", "did you mean \"schedules\""},
        {"verify", "option", "one or two files"},
        {"verify one.safetensors", "file", "one.safetensors"},
        {"verify one.safetensors two.safetensors", "file", "one.safetensors"},
        {"train-features --data npy:file=absent.npy --output x.safetensors", "file", "absent.npy"},
        {"train-features --output absent/x.safetensors", "file", "absent"},
        {"train-features", "option", "--output"},
    };
    return list;
}

void expect_failure(const Mistake& mistake, const Result& result) {
    EXPECT_EQ(result.code, 2) << mistake.line;
    EXPECT_EQ(result.out, "") << mistake.line;
    EXPECT_EQ(result.error_lines().size(), 1u) << mistake.line << "\n" << result.err;
}

TEST(CliErrors, OneLineThatNamesThePlace) {
    const Folder folder;
    const auto& list = mistakes();
    for (size_t i = 0; i < list.size(); i += 6) {  // the JSON form below has the same parts for all of them
        const Result result = folder.run(list[i].line);
        expect_failure(list[i], result);
        EXPECT_TRUE(result.err.starts_with("schedbench: ")) << result.err;
        EXPECT_NE(result.err.find(list[i].text), std::string::npos) << list[i].line << "\n" << result.err;
    }
}

#ifndef __SANITIZE_ADDRESS__  // whose shadow memory is not to be had below a limit
TEST(CliErrors, TooLittleMemory) {
    const Folder folder;
    const std::string command =
        "ulimit -v 2600000 && SCHEDBENCH_THREADS=1 '" SCHEDBENCH_PROGRAM
        "' sample --model native:file='" SCHEDBENCH_SOURCE_DIR
        "/weights/fashion-edm.safetensors' --steps 2 --count 1 --batch 300000 --output '" +
        folder.path("x.npy") + "' 2>'" + folder.path("stderr") + "'";
    const int status = std::system(command.c_str());
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 2);
    const std::string error = cli::read_text(folder.path("stderr"));
    EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
    EXPECT_NE(error.find("not enough memory for "), std::string::npos) << error;
    EXPECT_NE(error.find(" bytes more (lower --batch"), std::string::npos) << error;
}
#endif

TEST(CliErrors, JsonForm) {
    const Folder folder;
    for (const Mistake& mistake : mistakes()) {
        const Result result = folder.run(mistake.line + (mistake.line.ends_with("--steps") ? "" : " --json"));
        expect_failure(mistake, result);
        if (mistake.line.ends_with("--steps")) continue;
        const auto object = nlohmann::json::parse(result.err, nullptr, false);
        ASSERT_TRUE(object.is_object() && object.size() == 1 && object.contains("error")) << result.err;
        const auto& error = object["error"];
        EXPECT_EQ(cli::keys(error), (std::vector<std::string>{"hint", "kind", "message", "where"}));
        EXPECT_EQ(error["kind"], mistake.kind) << mistake.line << "\n" << result.err;
        const std::string line = error["where"].get<std::string>() + ": " +
                                 error["message"].get<std::string>() + " (" +
                                 error["hint"].get<std::string>() + ")";
        EXPECT_NE(line.find(mistake.text), std::string::npos) << mistake.line << "\n" << line;
    }
}

}  // namespace
}  // namespace schedbench
