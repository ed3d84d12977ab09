// What files that are programs (TorchScript, AOTInductor packages) have in common: how they begin, and the one
// boundary where exceptions of LibTorch become ours.
#pragma once

#include <c10/util/Exception.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "core/error.h"

namespace schedbench {

inline std::string first_line(const std::string& text) {
    return text.substr(0, text.find('\n'));
}

/// Error("file") unless there is such a file and it begins as a zip archive. noun: "TorchScript file".
inline void check_program_file(const std::string& path, const std::string& noun, const char* hint) {
    std::error_code code;
    if (path.empty() || !std::filesystem::is_regular_file(path, code))
        throw Error("file", "there is no such " + noun, path.empty() ? "file=" : path, hint);
    char start[4] = {};
    std::ifstream(path, std::ios::binary).read(start, 4);
    if (std::string_view(start, 4) != "PK\x03\x04")
        throw Error("file", "is no " + noun + " (it does not begin as a zip archive)", path, hint);
}

/// What `work` returns. Whatever it throws becomes an Error; `line` picks one line of its text.
template <class Work, class Line>
auto guarded(const char* kind, const std::string& what, const std::string& where, const char* hint, Line line,
             Work&& work) {
    try {
        return work();
    } catch (const Error&) {
        throw;
    } catch (const c10::Error& e) {
        throw Error(kind, what + ": " + line(e.what_without_backtrace()), where, hint);
    } catch (const std::exception& e) {
        throw Error(kind, what + ": " + line(e.what()), where, hint);
    }
}

}  // namespace schedbench
