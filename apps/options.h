// Options of a subcommand, through Boost.Program_options. Each --some-option has an environment twin
// SCHEDBENCH_SOME_OPTION, used where the command line does not give it.
#pragma once

#include <boost/program_options.hpp>
#include <string>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "core/device.h"
#include "eval/feature_cache.h"

namespace schedbench {

class Options {
  public:
    explicit Options(const Command& command);

    /// Adds an option with a value; an empty fallback means "not set".
    Options& value(const std::string& name, const std::string& fallback, const std::string& help);
    Options& list(const std::string& name, const std::string& help);  ///< may be repeated
    Options& flag(const std::string& name, const std::string& help);
    Options& positional(const std::string& name, int count,
                        const std::string& help);  ///< count -1: any number
    Options& runtime();                            ///< --device --threads --profile --quiet
    Options& json();                               ///< --json
    Options& cache();                              ///< --cache --cache-limit

    /// false if --help was asked for (and printed). Error("option") names the option.
    bool parse(const std::vector<std::string>& arguments);

    bool has(const std::string& name) const;
    std::string text(const std::string& name) const;  ///< Error if not set
    std::string text_or(const std::string& name, const std::string& fallback) const;
    std::vector<std::string> texts(const std::string& name) const;
    int64_t integer(const std::string& name, int64_t minimum = 1) const;
    double number(const std::string& name) const;
    bool on(const std::string& name) const;
    CacheSettings feature_cache() const;
    RuntimeSettings runtime_settings() const;  ///< applied: threads are set
    /// Of a command that runs on the CPU alone, which `auto` then means; Error("device") for another device.
    RuntimeSettings cpu_settings() const;

  private:
    const Command& command_;
    boost::program_options::options_description described_{"Options"}, hidden_;
    boost::program_options::positional_options_description positions_;
    boost::program_options::variables_map values_;
    std::vector<std::string> position_help_;
};

void print_help(const Command& command);
/// The command line as typed, for provenance.
const std::string& command_line();
void set_command_line(int argc, char** argv);

}  // namespace schedbench
