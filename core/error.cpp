#include "core/error.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace schedbench {

namespace {

/// Messages quote what files say: a line break in it would make two lines of one.
std::string printable(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x20 && byte != 0x7f) {
            out += c;
            continue;
        }
        char code[8];
        std::snprintf(code, sizeof code, "\\x%02x", byte);
        out += code;
    }
    return out;
}

std::string one_line(const std::string& message, const std::string& where, const std::string& hint) {
    std::string text = where.empty() ? message : where + ": " + message;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
}
}  // namespace

Error::Error(std::string kind, std::string message, std::string where, std::string hint)
    : std::runtime_error(printable(one_line(message, where, hint))),
      kind_(std::move(kind)),
      message_(printable(message)),
      where_(printable(where)),
      hint_(printable(hint)) {}

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "schedbench: internal error: %s does not hold (%s:%d); please report this\n",
                 condition, file, line);
    std::abort();
}

}  // namespace schedbench
