#include "apps/options.h"

#include <cctype>
#include <iostream>
#include <sstream>

#include "core/error.h"
#include "core/progress.h"
#include "core/spec.h"
#include "core/spec_schema.h"

namespace po = boost::program_options;

namespace schedbench {

namespace {
std::string g_command_line;

std::string environment_name(const std::string& option) {
    std::string out = "SCHEDBENCH_";
    for (char c : option)
        out += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}
}  // namespace

const std::string& command_line() {
    return g_command_line;
}

void set_command_line(int argc, char** argv) {
    for (int i = 0; i < argc; ++i) {
        const std::string word = argv[i];
        const bool plain = word.find_first_of(" '\"$;&|<>*?()[]{}\\") == std::string::npos && !word.empty();
        g_command_line += (i ? " " : "") + (plain ? word : "'" + word + "'");
    }
}

Options::Options(const Command& command) : command_(command) {
    described_.add_options()("help,h", "show this text");
}

Options& Options::value(const std::string& name, const std::string& fallback, const std::string& help) {
    auto semantic = po::value<std::string>();
    if (!fallback.empty()) semantic->default_value(fallback);
    described_.add_options()(name.c_str(), semantic->value_name("X"), help.c_str());
    return *this;
}

Options& Options::list(const std::string& name, const std::string& help) {
    described_.add_options()(
        name.c_str(), po::value<std::vector<std::string>>()->composing()->value_name("X"), help.c_str());
    return *this;
}

Options& Options::flag(const std::string& name, const std::string& help) {
    described_.add_options()(name.c_str(), po::bool_switch(), help.c_str());
    return *this;
}

Options& Options::positional(const std::string& name, int count, const std::string& help) {
    hidden_.add_options()(name.c_str(), po::value<std::vector<std::string>>(), help.c_str());
    positions_.add(name.c_str(), count);
    position_help_.push_back(name + ": " + help);
    return *this;
}

Options& Options::runtime() {
    value("device", "cpu",
          "cpu, cuda (the device of the local rank), cuda:N, or auto: cuda where there is one");
    value("threads", "0", "threads of this process; 0: all cores it may use (part of a result's identity)");
    value("profile", "reproducible",
          "reproducible: float32, deterministic; fast: convolutions and attention of native networks in "
          "bfloat16, "
          "refused where the CPU has no instructions for it");
    return flag("quiet", "no progress on stderr");
}

Options& Options::json() {
    return flag("json", "results as JSON on stdout, errors as JSON on stderr");
}

Options& Options::cache() {
    value("cache", "", "folder of the feature cache, or none; default ~/.cache/schedbench/features");
    return value("cache-limit", "20", "GB that the feature cache may keep; least recently used goes first");
}

bool Options::parse(const std::vector<std::string>& arguments) {
    po::options_description all;
    all.add(described_).add(hidden_);
    std::vector<std::string> known;
    for (const auto& option : all.options()) known.push_back(option->long_name());
    try {
        po::store(po::command_line_parser(arguments).options(all).positional(positions_).run(), values_);
        po::store(po::parse_environment(all,
                                        [&](const std::string& variable) -> std::string {
                                            for (const auto& name : known)
                                                if (name != "help" && environment_name(name) == variable)
                                                    return name;
                                            return "";
                                        }),
                  values_);
        if (values_.count("help")) {
            std::cout << "usage: " << command_.usage << "\n\n" << command_.summary << "\n";
            for (const auto& help : position_help_) std::cout << "  " << help << "\n";
            std::cout << "\n"
                      << described_
                      << "\nEvery option has an environment twin: --steps is SCHEDBENCH_STEPS.\n\nExamples:\n"
                      << command_.examples;
            return false;
        }
        po::notify(values_);
    } catch (const po::unknown_option& e) {
        std::string name = e.get_option_name();
        while (name.starts_with("-")) name.erase(0, 1);
        const std::string match = nearest_match(name, known);
        throw Error("option", "is not an option of " + std::string(command_.name), "--" + name,
                    (match.empty() ? "" : "did you mean --" + match + "? ") +
                        std::string("see schedbench help ") + command_.name);
    } catch (const po::too_many_positional_options_error&) {
        throw Error("option", "too many arguments", command_.name, std::string("usage: ") + command_.usage);
    } catch (const po::error& e) {
        throw Error("option", e.what(), command_.name, std::string("see schedbench help ") + command_.name);
    }
    if (values_.count("quiet") && on("quiet")) Progress::set_quiet(true);
    return true;
}

bool Options::has(const std::string& name) const {
    return values_.count(name) > 0;
}

std::string Options::text(const std::string& name) const {
    const auto all = texts(name);
    if (all.empty()) throw Error("option", "is needed", "--" + name, std::string("usage: ") + command_.usage);
    if (all.size() > 1) throw Error("option", "is given more than once", "--" + name);
    return all[0];
}

std::string Options::text_or(const std::string& name, const std::string& fallback) const {
    return has(name) ? text(name) : fallback;
}

std::vector<std::string> Options::texts(const std::string& name) const {
    if (!has(name)) return {};
    const auto& any = values_[name].value();
    if (const auto* one = boost::any_cast<std::string>(&any)) return {*one};
    return values_[name].as<std::vector<std::string>>();
}

double Options::number(const std::string& name) const {
    const std::string value = text(name);
    const auto parsed = parse_number(value);
    if (!parsed) throw Error("option", "wants a number, not \"" + value + "\"", "--" + name);
    return *parsed;
}

int64_t Options::integer(const std::string& name, int64_t minimum) const {
    const double value = number(name);
    if (value != static_cast<double>(static_cast<int64_t>(value)) || value < static_cast<double>(minimum))
        throw Error("option",
                    "wants a whole number of at least " + std::to_string(minimum) + ", not " + text(name),
                    "--" + name);
    return static_cast<int64_t>(value);
}

bool Options::on(const std::string& name) const {
    return has(name) && values_[name].as<bool>();
}

CacheSettings Options::feature_cache() const {
    CacheSettings out;
    const std::string folder = text_or("cache", "");
    out.is_default = folder.empty();
    out.folder = folder.empty() ? default_feature_cache() : folder == "none" ? "" : folder;
    const double limit = number("cache-limit");
    if (!(limit >= 0 && limit <= 1e9))
        throw Error("option", "wants gigabytes, not \"" + text("cache-limit") + "\"", "--cache-limit",
                    "--cache none keeps nothing");
    out.limit = static_cast<int64_t>(limit * 1e9);
    return out;
}

RuntimeSettings Options::runtime_settings() const {
    const RuntimeSettings effective =
        apply_runtime({text("device"), static_cast<int>(integer("threads", 0)), text("profile")});
    if (!effective.device_reason.empty() && !on("quiet"))
        std::cerr << "device " << effective.device << ": " << effective.device_reason << "\n";
    return effective;
}

RuntimeSettings Options::cpu_settings() const {
    const std::string device = text("device");
    if (device != "cpu" && device != "auto")
        throw Error("device", std::string(command_.name) + " runs on the CPU only", "--device " + device,
                    "leave --device out");
    return apply_runtime({"cpu", static_cast<int>(integer("threads", 0)), text("profile")});
}

}  // namespace schedbench
