// User errors. A user error (bad file, option, spec, shape, a mismatched run) is an Error with four parts;
// the program prints it on one line and ends with exit code 2. Bugs are SCHEDBENCH_ASSERT, never an Error.
#pragma once

#include <stdexcept>
#include <string>

namespace schedbench {

class Error : public std::runtime_error {
  public:
    /// kind: one word for machines ("spec", "file", "option", "shape", "number", "store", "run", "device").
    /// message: what is wrong and what was expected. where: the option, file and offset, or object that is
    /// wrong. hint: what to do about it (may be empty).
    Error(std::string kind, std::string message, std::string where = {}, std::string hint = {});

    const std::string& kind() const { return kind_; }
    const std::string& message() const { return message_; }
    const std::string& where() const { return where_; }
    const std::string& hint() const { return hint_; }

  private:
    std::string kind_, message_, where_, hint_;
};

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace schedbench

#define SCHEDBENCH_ASSERT(condition) \
    ((condition) ? static_cast<void>(0) : ::schedbench::assertion_failed(#condition, __FILE__, __LINE__))
