// Where reports go: the terminal, and files beside it.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

/// Columns of the terminal on stdout; COLUMNS, or 100, where it is none. At least 60.
int terminal_width();

/// Takes "--json FILE.json" and "--json=FILE" out of the arguments and returns FILE; "--json" alone stays.
std::string take_json_file(std::vector<std::string>& arguments);

/// Through a temporary file, so that no half-written one is left. Error("file").
void write_report(const std::string& path, const std::string& text);

}  // namespace schedbench
