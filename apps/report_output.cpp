#include "apps/report_output.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/error.h"

namespace schedbench {

int terminal_width() {
    winsize size{};
    int width = 0;
    if (isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
    if (const char* columns = std::getenv("COLUMNS"); width == 0 && columns) width = std::atoi(columns);
    return width == 0 ? 100 : std::max(width, 60);
}

std::string take_json_file(std::vector<std::string>& arguments) {
    for (auto it = arguments.begin(); it != arguments.end(); ++it) {
        std::string file;
        if (it->starts_with("--json=")) {
            file = it->substr(7);
            arguments.erase(it);
        } else if (*it == "--json" && it + 1 != arguments.end() && (it + 1)->ends_with(".json")) {
            file = *(it + 1);
            arguments.erase(it, it + 2);
        } else {
            continue;
        }
        if (file.empty())
            throw Error("option", "names no file", "--json=", "give --json, or --json FILE.json");
        return file;
    }
    return "";
}

void write_report(const std::string& path, const std::string& text) {
    const std::string part = path + ".part";
    std::ofstream out(part, std::ios::binary);
    out << text;
    out.close();
    std::error_code code;
    if (out) std::filesystem::rename(part, path, code);
    if (!out || code)
        throw Error("file", "cannot be written", path, "check that its folder exists and has space");
}

}  // namespace schedbench
