// Text of reports on differences: numbers of any size, labels between the lines of a table, wrapped remarks.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace schedbench {

/// With as many decimals as two digits of `se` need; small ones with an exponent.
std::string format_with(double value, double se);
std::string format_difference(double value, double se);           ///< "-0.20 ±0.05", "1.2e-07 ±3e-08"
std::string format_interval(double low, double high, double se);  ///< "[-0.30, -0.10]"

/// Characters of UTF-8 text, and those of the longest of several lines.
size_t text_width(const std::string& text);
size_t block_width(const std::string& block);

/// A block of lines with a label above line i where labels[i] is not empty.
std::string with_labels(const std::string& block, const std::vector<std::string>& labels, int width);
/// Lines of at most `width` characters, broken at spaces; those after the first are indented.
std::string wrapped(const std::string& text, int width, int indent);

/// Remarks below a table, each named by a letter in it: equal ones share theirs.
class Remarks {
  public:
    std::string mark(const std::string& remark);  ///< its letter; "" for no remark
    std::string print(int width) const;

  private:
    std::vector<std::string> remarks_;
};

}  // namespace schedbench
