// A subcommand of the program: one file each, listed in main.cpp.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

struct Command {
    const char* name;
    const char* summary;   ///< one line for the list
    const char* usage;     ///< "schedbench sweep SUITE [options]"
    const char* examples;  ///< a few lines, each a command that works
    int (*run)(const std::vector<std::string>& arguments);
};

}  // namespace schedbench
