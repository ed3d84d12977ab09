// NPY: one array of numbers a file, NumPy's format, versions 1.0 and 2.0.
// Source: NumPy reference, numpy.lib.format. Read and written: float32, float64, int64, uint8, little-endian,
// C order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace schedbench {

struct NpyArray {
    std::vector<int64_t> shape;  ///< empty for a single number
    std::variant<std::vector<float>, std::vector<double>, std::vector<int64_t>, std::vector<uint8_t>>
        values;            ///< C order
    std::string origin{};  ///< file (and member) it was read from, for error messages

    int64_t count() const;          ///< product of the shape
    const char* type_name() const;  ///< "float32", "float64", "int64", "uint8"

    /// The values as T; Error("file") that names the array if it holds another type.
    template <class T>
    const std::vector<T>& as() const {
        const auto* found = std::get_if<std::vector<T>>(&values);
        if (!found) wrong_type(NpyArray{{}, std::vector<T>{}}.type_name());
        return *found;
    }
    /// The values as double, from any of the four types.
    std::vector<double> as_doubles() const;

  private:
    [[noreturn]] void wrong_type(const char* wanted) const;
};

/// Error("file") with file and byte for a wrong magic or version, a header that cannot be understood, an
/// element type other than the four, Fortran order, and a file shorter or longer than its header says.
NpyArray read_npy(const std::string& path);

/// The same from any bytes: `read(offset, out)` copies out.size() of the `size` bytes. `origin` is for
/// messages.
NpyArray decode_npy(uint64_t size, const std::function<void(uint64_t, std::span<uint8_t>)>& read,
                    const std::string& origin);

/// What the header of a .npy file says; the file is as long as it says.
struct NpyLayout {
    std::vector<int64_t> shape;
    std::string type;      ///< "float32", "float64", "int64", "uint8"
    uint64_t data_at = 0;  ///< byte of the first element
};
/// The header alone, with the faults of read_npy().
NpyLayout read_npy_layout(const std::string& path);
/// The same from any bytes, see decode_npy().
NpyLayout decode_npy_layout(uint64_t size, const std::function<void(uint64_t, std::span<uint8_t>)>& read,
                            const std::string& origin);

/// Version 1.0, data aligned to 64 bytes. The values must fill the shape (an assertion).
void write_npy(const std::string& path, const NpyArray& array);

/// The two parts of a .npy file.
std::vector<uint8_t> npy_header(const NpyArray& array);
std::span<const uint8_t> npy_data(const NpyArray& array);

}  // namespace schedbench
