// Shared by hdf5.cpp and hdf5_dataset.cpp only: the boundary where HDF5's exceptions become ours, and the
// types.
#pragma once

#include <H5Cpp.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/hdf5.h"

namespace schedbench::hdf5_detail {

std::recursive_mutex& library_lock();
/// Installs our error handler for this thread and forgets the last description.
void begin_call();
const std::string& last_description();  ///< innermost entry of the error stack of the last call that failed

[[noreturn]] void fail(const std::string& where, const std::string& action, std::string detail,
                       std::string hint = {});

/// The one boundary where exceptions of HDF5 become ours.
template <class Work>
auto checked(const std::string& where, const char* action, Work&& work) {
    const std::lock_guard<std::recursive_mutex> guard(library_lock());
    begin_call();
    try {
        return work();
    } catch (const H5::Exception& e) {
        fail(where, action, last_description().empty() ? e.getDetailMsg() : last_description());
    } catch (const std::bad_alloc&) {
        fail(where, action, "not enough memory, or a damaged size in the file");
    } catch (const std::length_error&) {
        fail(where, action, "a size in the file is damaged");
    }
}

template <class T>
inline const H5::PredType& memory_type() {
    if constexpr (std::same_as<T, uint8_t>) return H5::PredType::NATIVE_UINT8;
    if constexpr (std::same_as<T, int64_t>) return H5::PredType::NATIVE_INT64;
    if constexpr (std::same_as<T, float>) return H5::PredType::NATIVE_FLOAT;
    if constexpr (std::same_as<T, double>) return H5::PredType::NATIVE_DOUBLE;
}

/// Files are little-endian on every machine, so equal content is equal bytes.
template <class T>
inline const H5::PredType& file_type() {
    if constexpr (std::same_as<T, uint8_t>) return H5::PredType::STD_U8LE;
    if constexpr (std::same_as<T, int64_t>) return H5::PredType::STD_I64LE;
    if constexpr (std::same_as<T, float>) return H5::PredType::IEEE_F32LE;
    if constexpr (std::same_as<T, double>) return H5::PredType::IEEE_F64LE;
}

template <class T>
constexpr Hdf5Type own_type() {
    if constexpr (std::same_as<T, uint8_t>) return Hdf5Type::uint8;
    if constexpr (std::same_as<T, int64_t>) return Hdf5Type::int64;
    if constexpr (std::same_as<T, float>) return Hdf5Type::float32;
    if constexpr (std::same_as<T, double>) return Hdf5Type::float64;
}

inline Hdf5Type classify(const H5::DataType& type) {
    switch (type.getClass()) {
        case H5T_STRING:
            return Hdf5Type::text;
        case H5T_INTEGER: {
            if (type.getSize() > 8) return Hdf5Type::other;
            return type.getSize() == 1 && H5Tget_sign(type.getId()) == H5T_SGN_NONE ? Hdf5Type::uint8
                                                                                    : Hdf5Type::int64;
        }
        case H5T_FLOAT:
            if (type.getSize() > 8) return Hdf5Type::other;
            return type.getSize() <= 4 ? Hdf5Type::float32 : Hdf5Type::float64;
        default:
            return Hdf5Type::other;
    }
}

/// Fixed length: the heap in which texts of variable length lie is not checked when it is read, and damage
/// there takes the process down (HDF5 1.10.8). No text is too long for a data set; an attribute ends at 64
/// KB, so a long one must be of variable length after all.
constexpr size_t kLongText = 32000;

inline H5::StrType text_type(size_t length) {
    H5::StrType type(H5::PredType::C_S1, std::max<size_t>(length, 1));
    type.setCset(H5T_CSET_UTF8);
    type.setStrpad(H5T_STR_NULLPAD);
    return type;
}

inline H5::StrType long_text_type() {
    H5::StrType type(H5::PredType::C_S1, H5T_VARIABLE);
    type.setCset(H5T_CSET_UTF8);
    return type;
}

inline void check_text(const std::string& where, const std::string& value) {
    if (value.find('\0') != std::string::npos) {
        fail(where, "cannot write a text",
             "it holds a zero byte at offset " + std::to_string(value.find('\0')));
    }
}

/// Texts of an attribute or data set, of fixed or variable length.
template <class Object>
std::vector<std::string> read_strings(const Object& object) {
    const H5::DataSpace space = object.getSpace();
    const auto count = static_cast<size_t>(space.getSimpleExtentNpoints());
    const H5::StrType stored = object.getStrType();
    std::vector<std::string> texts(count);
    if (count == 0) return texts;
    const auto read_raw = [&](const H5::DataType& type, void* buffer) {
        if constexpr (std::same_as<Object, H5::Attribute>) {
            object.read(type, buffer);
        } else {
            object.read(buffer, type);
        }
    };
    if (stored.isVariableStr()) {
        H5::StrType type(H5::PredType::C_S1, H5T_VARIABLE);
        type.setCset(stored.getCset());
        std::vector<char*> pointers(count, nullptr);
        read_raw(type, pointers.data());
        for (size_t i = 0; i < count; ++i) texts[i] = pointers[i] == nullptr ? "" : pointers[i];
        H5Dvlen_reclaim(type.getId(), space.getId(), H5P_DEFAULT, pointers.data());
    } else {
        const size_t size = stored.getSize();
        std::vector<char> buffer(count * size);
        read_raw(stored, buffer.data());
        for (size_t i = 0; i < count; ++i) {
            const char* begin = buffer.data() + i * size;
            texts[i].assign(begin, strnlen(begin, size));
        }
    }
    return texts;
}

}  // namespace schedbench::hdf5_detail
