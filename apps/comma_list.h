// Option values that are lists with commas: --steps 10,20,50.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

/// The words between the commas; an empty text is an empty list. Error("option") for an empty word.
std::vector<std::string> comma_words(const std::string& text, const std::string& where);
/// The same as whole numbers >= 1.
std::vector<int> comma_integers(const std::string& text, const std::string& where);

}  // namespace schedbench
