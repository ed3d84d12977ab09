// Aligned columns of text for people: numbers to the right, the first column of words to the left.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace schedbench {

class TextTable {
  public:
    /// A header that starts with '<' (not shown) makes its column left-aligned.
    explicit TextTable(std::vector<std::string> headers);
    void add(std::vector<std::string> cells);  ///< as many as there are headers
    void print(std::ostream& out) const;

  private:
    std::vector<bool> left_;
    std::vector<std::vector<std::string>> rows_;  ///< the first is the headers
};

/// A number with `digits` significant digits: "0.002", "1.23e-09".
std::string short_number(double value, int digits = 6);
/// A number with `decimals` digits behind the point.
std::string fixed_number(double value, int decimals);

}  // namespace schedbench
