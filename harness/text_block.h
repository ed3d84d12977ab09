// Blocks of text in the formats of tables, and numbers with their errors.
#pragma once

#include <string>
#include <vector>

namespace schedbench {

enum class TableFormat { terminal, markdown, csv, latex };

/// One rectangular block of text; the first row is the headers, the first column is left-aligned. Not for
/// csv.
std::string print_block(const std::vector<std::vector<std::string>>& rows, TableFormat format);

/// A field of a CSV line, quoted where it must be; and a number, empty where there is none.
std::string csv_field(const std::string& text);
std::string number_field(double value);

/// Value and error with two significant digits of the error: "12.34 ±0.45".
std::string format_estimate(double value, double se, const char* plus_minus = "±");
/// The same, short: "12.34(45)" is 12.34 ± 0.45. Where the error is above 1, "12.3±1.2".
std::string format_estimate_short(double value, double se);

}  // namespace schedbench
