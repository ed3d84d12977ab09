// Hdf5File: a thin layer over the HDF5 C++ library. One checked call a wrapper; objects are named by their
// path in the file; handles live only inside a call, so nothing can be left open. Every fault is an
// Error("store") whose `where` is FILE:/object and whose message ends with HDF5's own description. Calls are
// serialised by one lock a process, because the C++ library is not thread-safe.
//
// Files have the library's default format bounds: with a flush after each block they survive a kill at any
// time, which the "latest" bounds do not.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace H5 {
class H5File;
}

namespace schedbench {

enum class Hdf5Type { uint8, int64, float32, float64, text, other };
const char* hdf5_type_name(Hdf5Type type);

template <class T>
concept Hdf5Number =
    std::same_as<T, uint8_t> || std::same_as<T, int64_t> || std::same_as<T, float> || std::same_as<T, double>;

/// What a data set is, without its values.
struct Hdf5Info {
    Hdf5Type type = Hdf5Type::other;  ///< `int64` for any integer but unsigned 8 bit, `text` for any string
    std::vector<int64_t> shape;       ///< empty for a scalar
    std::vector<int64_t> chunk;       ///< empty if it is not chunked
    int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
    int64_t count() const;     ///< number of elements
    int64_t row_size() const;  ///< elements in one row (product of shape[1..])
};

class Hdf5File {
  public:
    /// Read only. Error if it is absent, not HDF5, truncated, or locked by a writer.
    static Hdf5File open(const std::string& path);
    /// An existing file, for reading and writing.
    static Hdf5File open_for_writing(const std::string& path);
    /// A new file. An existing one is an Error unless `overwrite`.
    static Hdf5File create(const std::string& path, bool overwrite = false);

    Hdf5File(Hdf5File&&) noexcept;
    Hdf5File& operator=(Hdf5File&&) noexcept;
    ~Hdf5File();  ///< closes; faults are lost here, so a writer calls close()
    void close();
    bool is_open() const { return file_ != nullptr; }
    const std::string& path() const { return path_; }

    void flush();  ///< H5Fflush, global scope: all that was written survives the death of this process
    void sync();   ///< flush, then fsync: survives the death of the machine too

    // Groups and links. Parents are created where they are missing.
    bool exists(const std::string& object) const;  ///< false where any part of the path is missing
    bool is_group(const std::string& object) const;
    bool is_dataset(const std::string& object) const;
    std::vector<std::string> list(const std::string& group) const;  ///< names of its members, sorted
    void create_group(const std::string& group);                    ///< nothing happens if it exists
    void remove(const std::string& object);                       ///< deletes the link; Error if it is absent
    void rename(const std::string& from, const std::string& to);  ///< moves a link within the file
    /// Copies a group or data set, with all below it, from another open file.
    void copy_from(const Hdf5File& source, const std::string& from, const std::string& to);

    // Attributes of a group or data set. Setting one that exists replaces it. Texts are UTF-8.
    void set_attribute(const std::string& object, const std::string& name, const std::string& value);
    void set_attribute(const std::string& object, const std::string& name, const char* value);
    void set_attribute(const std::string& object, const std::string& name, int64_t value);
    void set_attribute(const std::string& object, const std::string& name, double value);
    bool has_attribute(const std::string& object, const std::string& name) const;
    std::vector<std::string> attribute_names(const std::string& object) const;  ///< sorted
    Hdf5Type attribute_type(const std::string& object, const std::string& name) const;
    std::string text_attribute(const std::string& object, const std::string& name) const;
    int64_t integer_attribute(const std::string& object, const std::string& name) const;
    double real_attribute(const std::string& object, const std::string& name) const;

    // Data sets of numbers: row-major, the first axis counts rows.
    Hdf5Info info(const std::string& dataset) const;
    /// A new data set of fixed shape with all its values. shape {} is a scalar.
    template <Hdf5Number T>
    void write(const std::string& dataset, const std::vector<int64_t>& shape, std::span<const T> values);
    /// A new extendable data set [rows, row_shape...], chunked by `chunk_rows` rows, filled with zeros.
    /// `allocate` makes room in the file for all `rows` at once, so that writing them changes no metadata of
    /// the file any more.
    template <Hdf5Number T>
    void create_rows(const std::string& dataset, const std::vector<int64_t>& row_shape, int64_t chunk_rows,
                     int64_t rows = 0, bool allocate = false);
    /// Writes whole rows from row `first` on; the data set grows where it is too short.
    template <Hdf5Number T>
    void write_rows(const std::string& dataset, int64_t first, std::span<const T> values);
    /// All values. Widening is allowed (any integer to int64, any number to float64); anything else is an
    /// Error.
    template <Hdf5Number T>
    std::vector<T> read(const std::string& dataset) const;
    template <Hdf5Number T>
    std::vector<T> read_rows(const std::string& dataset, int64_t first, int64_t rows) const;
    /// The same into memory of the caller; `values` must hold exactly `rows` rows.
    template <Hdf5Number T>
    void read_rows_into(const std::string& dataset, int64_t first, int64_t rows, std::span<T> values) const;

    // Texts of any length: a scalar data set, or a list of texts.
    void write_text(const std::string& dataset, const std::string& value);
    std::string read_text(const std::string& dataset) const;
    void write_texts(const std::string& dataset, const std::vector<std::string>& values);
    std::vector<std::string> read_texts(const std::string& dataset) const;

    /// FILE:/object, the form in which errors name an object.
    std::string where(const std::string& object) const { return path_ + ":" + object; }

  private:
    Hdf5File(std::string path, std::unique_ptr<H5::H5File> file);
    H5::H5File& handle() const;
    void make_parents(const std::string& object);

    std::string path_;
    std::unique_ptr<H5::H5File> file_;
};

/// fsync of `temporary`, rename to `target`, fsync of the folder: at any time `target` is the old or the new
/// file, whole. Error("file") names the step that failed.
void replace_file(const std::string& temporary, const std::string& target);

}  // namespace schedbench
