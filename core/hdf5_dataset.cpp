// Data sets of hdf5.h.
#include <H5Cpp.h>

#include <algorithm>
#include <span>

#include "core/hdf5.h"
#include "core/hdf5_detail.h"

namespace schedbench {
using namespace hdf5_detail;
namespace {

bool widens(Hdf5Type from, Hdf5Type to) {
    if (from == to) return true;
    if (to == Hdf5Type::int64) return from == Hdf5Type::uint8;
    return to == Hdf5Type::float64 && from != Hdf5Type::text && from != Hdf5Type::other;
}

std::vector<hsize_t> dimensions(const std::vector<int64_t>& shape) {
    std::vector<hsize_t> dims;
    for (const int64_t extent : shape) {
        SCHEDBENCH_ASSERT(extent >= 0);
        dims.push_back(static_cast<hsize_t>(extent));
    }
    return dims;
}

H5::DataSpace make_space(const std::vector<int64_t>& shape) {
    if (shape.empty()) return H5::DataSpace(H5S_SCALAR);
    const std::vector<hsize_t> dims = dimensions(shape);
    return H5::DataSpace(static_cast<int>(dims.size()), dims.data());
}

int64_t product(std::span<const int64_t> shape) {
    int64_t count = 1;
    for (const int64_t extent : shape) count *= extent;
    return count;
}

Hdf5Info describe(const H5::DataSet& set, const std::string& where) {
    Hdf5Info info;
    info.type = classify(set.getDataType());
    const H5::DataSpace space = set.getSpace();
    const int rank = space.getSimpleExtentNdims();
    std::vector<hsize_t> dims(static_cast<size_t>(rank));
    if (rank > 0) space.getSimpleExtentDims(dims.data());
    hsize_t count = 1;
    for (const hsize_t extent : dims) {
        if (__builtin_mul_overflow(count, extent, &count) || count > (hsize_t{1} << 60)) {
            fail(where, "cannot read the shape", "its extents are damaged");
        }
        info.shape.push_back(static_cast<int64_t>(extent));
    }
    const H5::DSetCreatPropList properties = set.getCreatePlist();
    if (properties.getLayout() == H5D_CHUNKED) {
        properties.getChunk(rank, dims.data());
        for (const hsize_t extent : dims) info.chunk.push_back(static_cast<int64_t>(extent));
    }
    return info;
}

/// Asks for memory only if the file can hold that much: a damaged extent must not take the machine down.
template <class T>
void check_readable(const H5::DataSet& set, hsize_t file_size, const Hdf5Info& info,
                    const std::string& where) {
    if (!widens(info.type, own_type<T>())) {
        fail(where, "cannot read the data set",
             std::string("it holds ") + hdf5_type_name(info.type) + ", expected " +
                 hdf5_type_name(own_type<T>()));
    }
    // 2000 is more than any compression of the standard filters.
    const double bytes = static_cast<double>(info.count()) * sizeof(T);
    const auto stored = static_cast<double>(std::min<hsize_t>(set.getStorageSize(), file_size));
    if (bytes > 1e8 && bytes > 2000.0 * stored) {
        fail(where, "cannot read the data set", "its extents are damaged (much larger than what is stored)");
    }
}

/// One row block of a data set, as a selection in the file.
H5::DataSpace select_rows(const H5::DataSet& set, const Hdf5Info& info, int64_t first, int64_t rows) {
    std::vector<hsize_t> start(info.shape.size(), 0), count = dimensions(info.shape);
    start[0] = static_cast<hsize_t>(first);
    count[0] = static_cast<hsize_t>(rows);
    H5::DataSpace space = set.getSpace();
    space.selectHyperslab(H5S_SELECT_SET, count.data(), start.data());
    return space;
}

/// The same block in memory. It has the axes of the file: with a flat one, the library maps chunks element by
/// element.
H5::DataSpace memory_rows(const Hdf5Info& info, int64_t rows) {
    std::vector<int64_t> shape = info.shape;
    shape[0] = rows;
    return make_space(shape);
}

}  // namespace

const char* hdf5_type_name(Hdf5Type type) {
    switch (type) {
        case Hdf5Type::uint8:
            return "uint8";
        case Hdf5Type::int64:
            return "int64";
        case Hdf5Type::float32:
            return "float32";
        case Hdf5Type::float64:
            return "float64";
        case Hdf5Type::text:
            return "text";
        case Hdf5Type::other:
            return "another type";
    }
    return "another type";
}

int64_t Hdf5Info::count() const {
    return product(shape);
}

int64_t Hdf5Info::row_size() const {
    return shape.empty() ? 1 : product(std::span<const int64_t>(shape).subspan(1));
}

Hdf5Info Hdf5File::info(const std::string& dataset) const {
    return checked(where(dataset), "cannot open the data set",
                   [&] { return describe(handle().openDataSet(dataset), where(dataset)); });
}

template <Hdf5Number T>
void Hdf5File::write(const std::string& dataset, const std::vector<int64_t>& shape,
                     std::span<const T> values) {
    SCHEDBENCH_ASSERT(product(shape) == static_cast<int64_t>(values.size()));
    make_parents(dataset);
    checked(where(dataset), "cannot write the data set", [&] {
        const H5::DataSet set = handle().createDataSet(dataset, file_type<T>(), make_space(shape));
        if (!values.empty()) set.write(values.data(), memory_type<T>());
    });
}

template <Hdf5Number T>
void Hdf5File::create_rows(const std::string& dataset, const std::vector<int64_t>& row_shape,
                           int64_t chunk_rows, int64_t rows, bool allocate) {
    SCHEDBENCH_ASSERT(chunk_rows > 0 && rows >= 0 && product(row_shape) > 0);
    make_parents(dataset);
    checked(where(dataset), "cannot create the data set", [&] {
        std::vector<hsize_t> extent = dimensions(row_shape);
        extent.insert(extent.begin(), static_cast<hsize_t>(rows));
        std::vector<hsize_t> limit = extent, chunk = extent;
        limit[0] = H5S_UNLIMITED;
        chunk[0] = static_cast<hsize_t>(chunk_rows);
        const int rank = static_cast<int>(extent.size());
        H5::DSetCreatPropList properties;
        properties.setChunk(rank, chunk.data());
        if (allocate) {  // a fresh file is sparse: unwritten rows read as zeros without being written
            properties.setAllocTime(H5D_ALLOC_TIME_EARLY);
            properties.setFillTime(H5D_FILL_TIME_NEVER);
        }
        handle().createDataSet(dataset, file_type<T>(), H5::DataSpace(rank, extent.data(), limit.data()),
                               properties);
    });
}

template <Hdf5Number T>
void Hdf5File::write_rows(const std::string& dataset, int64_t first, std::span<const T> values) {
    checked(where(dataset), "cannot write rows", [&] {
        H5::DataSet set = handle().openDataSet(dataset);
        Hdf5Info info = describe(set, where(dataset));
        SCHEDBENCH_ASSERT(!info.shape.empty() && first >= 0 && info.type == own_type<T>());
        const auto count = static_cast<int64_t>(values.size());
        SCHEDBENCH_ASSERT(info.row_size() > 0 && count % info.row_size() == 0);
        const int64_t rows = count / info.row_size();
        if (rows == 0) return;
        if (first + rows > info.shape[0]) {
            info.shape[0] = first + rows;
            set.extend(dimensions(info.shape).data());
        }
        set.write(values.data(), memory_type<T>(), memory_rows(info, rows),
                  select_rows(set, info, first, rows));
    });
}

template <Hdf5Number T>
std::vector<T> Hdf5File::read(const std::string& dataset) const {
    return checked(where(dataset), "cannot read the data set", [&] {
        const H5::DataSet set = handle().openDataSet(dataset);
        const Hdf5Info info = describe(set, where(dataset));
        check_readable<T>(set, handle().getFileSize(), info, where(dataset));
        std::vector<T> values(static_cast<size_t>(info.count()));
        if (!values.empty()) set.read(values.data(), memory_type<T>());
        return values;
    });
}

template <Hdf5Number T>
void Hdf5File::read_rows_into(const std::string& dataset, int64_t first, int64_t rows,
                              std::span<T> values) const {
    checked(where(dataset), "cannot read rows", [&] {
        const H5::DataSet set = handle().openDataSet(dataset);
        const Hdf5Info info = describe(set, where(dataset));
        check_readable<T>(set, handle().getFileSize(), info, where(dataset));
        if (info.shape.empty() || first < 0 || rows < 0 || first + rows > info.shape[0]) {
            fail(where(dataset), "cannot read rows",
                 "rows " + std::to_string(first) + " to " + std::to_string(first + rows) +
                     " were asked for, it has " + std::to_string(info.rows()));
        }
        SCHEDBENCH_ASSERT(static_cast<int64_t>(values.size()) == rows * info.row_size());
        if (values.empty()) return;
        set.read(values.data(), memory_type<T>(), memory_rows(info, rows),
                 select_rows(set, info, first, rows));
    });
}

template <Hdf5Number T>
std::vector<T> Hdf5File::read_rows(const std::string& dataset, int64_t first, int64_t rows) const {
    const Hdf5Info shape = info(dataset);
    // A wrong range is reported by read_rows_into, before any memory is asked for.
    const bool inside = first >= 0 && rows >= 0 && first + rows <= shape.rows();
    std::vector<T> values(inside ? static_cast<size_t>(rows * shape.row_size()) : 0);
    read_rows_into<T>(dataset, first, rows, values);
    return values;
}

void Hdf5File::write_text(const std::string& dataset, const std::string& value) {
    check_text(where(dataset), value);
    make_parents(dataset);
    checked(where(dataset), "cannot write the text", [&] {
        const H5::StrType type = text_type(value.size());
        const H5::DataSet set = handle().createDataSet(dataset, type, H5::DataSpace(H5S_SCALAR));
        set.write(static_cast<const void*>(value.c_str()), type);
    });
}

void Hdf5File::write_texts(const std::string& dataset, const std::vector<std::string>& values) {
    size_t longest = 1;
    for (const std::string& value : values) {
        check_text(where(dataset), value);
        longest = std::max(longest, value.size());
    }
    std::string cells(longest * values.size(), '\0');
    for (size_t i = 0; i < values.size(); ++i) values[i].copy(cells.data() + i * longest, values[i].size());
    make_parents(dataset);
    checked(where(dataset), "cannot write the texts", [&] {
        const H5::StrType type = text_type(longest);
        const H5::DataSet set =
            handle().createDataSet(dataset, type, make_space({static_cast<int64_t>(values.size())}));
        if (!values.empty()) set.write(static_cast<const void*>(cells.data()), type);
    });
}

std::vector<std::string> Hdf5File::read_texts(const std::string& dataset) const {
    return checked(where(dataset), "cannot read the texts", [&] {
        const H5::DataSet set = handle().openDataSet(dataset);
        const Hdf5Info info = describe(set, where(dataset));
        if (info.type != Hdf5Type::text) {
            fail(where(dataset), "cannot read the texts",
                 std::string("it holds ") + hdf5_type_name(info.type) + ", expected text");
        }
        const auto size = static_cast<double>(set.getDataType().getSize());
        if (static_cast<double>(info.count()) * size >
            1e6 + 2000.0 * static_cast<double>(handle().getFileSize())) {
            fail(where(dataset), "cannot read the texts",
                 "its extents are damaged (much larger than what is stored)");
        }
        return read_strings(set);
    });
}

std::string Hdf5File::read_text(const std::string& dataset) const {
    const std::vector<std::string> texts = read_texts(dataset);
    if (texts.size() != 1) {
        fail(where(dataset), "cannot read the text",
             "it holds " + std::to_string(texts.size()) + ", expected one");
    }
    return texts[0];
}

#define SCHEDBENCH_HDF5_TYPE(T)                                                                            \
    template void Hdf5File::write<T>(const std::string&, const std::vector<int64_t>&, std::span<const T>); \
    template void Hdf5File::create_rows<T>(const std::string&, const std::vector<int64_t>&, int64_t,       \
                                           int64_t, bool);                                                 \
    template void Hdf5File::write_rows<T>(const std::string&, int64_t, std::span<const T>);                \
    template std::vector<T> Hdf5File::read<T>(const std::string&) const;                                   \
    template std::vector<T> Hdf5File::read_rows<T>(const std::string&, int64_t, int64_t) const;            \
    template void Hdf5File::read_rows_into<T>(const std::string&, int64_t, int64_t, std::span<T>) const;
SCHEDBENCH_HDF5_TYPE(uint8_t)
SCHEDBENCH_HDF5_TYPE(int64_t)
SCHEDBENCH_HDF5_TYPE(float)
SCHEDBENCH_HDF5_TYPE(double)
#undef SCHEDBENCH_HDF5_TYPE

}  // namespace schedbench
