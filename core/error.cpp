#include "core/error.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace schedbench {

namespace {
std::string one_line(const std::string& message, const std::string& where, const std::string& hint) {
    std::string text = where.empty() ? message : where + ": " + message;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
}
}  // namespace

Error::Error(std::string kind, std::string message, std::string where, std::string hint)
    : std::runtime_error(one_line(message, where, hint)),
      kind_(std::move(kind)),
      message_(std::move(message)),
      where_(std::move(where)),
      hint_(std::move(hint)) {}

void assertion_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "schedbench: internal error: %s does not hold (%s:%d); please report this\n",
                 condition, file, line);
    std::abort();
}

}  // namespace schedbench
