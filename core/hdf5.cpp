#include "core/hdf5.h"

#include <H5Cpp.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/hdf5_detail.h"

namespace schedbench {
namespace hdf5_detail {
namespace {
thread_local std::string description;

// HDF5 calls this at the moment of failure. Later is too late: handles that close while the exception travels
// clear the stack. It also keeps the library from printing.
herr_t keep_description(hid_t stack, void*) {
    description.clear();
    H5Ewalk2(
        stack, H5E_WALK_UPWARD,
        [](unsigned, const H5E_error2_t* entry, void*) -> herr_t {
            if (description.empty() && entry->desc != nullptr) description = entry->desc;
            return 0;
        },
        nullptr);
    return 0;
}

}  // namespace

std::recursive_mutex& library_lock() {
    static std::recursive_mutex lock;
    return lock;
}

const std::string& last_description() {
    return description;
}

void begin_call() {
    thread_local bool prepared = false;  // error stack and handler belong to the thread
    if (!prepared) {
        H5::Exception::dontPrint();
        H5E_auto2_t handler = keep_description;
        H5::Exception::setAutoPrint(handler, nullptr);
        prepared = true;
    }
    description.clear();
}

void fail(const std::string& where, const std::string& action, std::string detail, std::string hint) {
    std::replace(detail.begin(), detail.end(), '\n', ' ');
    if (hint.empty() && detail.find("to lock file") != std::string::npos) {
        hint =
            "another process has the file open for writing or reading: wait for it; on a file system without "
            "locks set HDF5_USE_FILE_LOCKING=FALSE";
    } else if (hint.empty() && detail.find("truncated") != std::string::npos) {
        hint = "the file is incomplete: copy it again, or delete it so that it is made again";
    }
    throw Error("store", action + ": " + (detail.empty() ? "HDF5 gave no reason" : detail), where, hint);
}

}  // namespace hdf5_detail

using namespace hdf5_detail;
namespace {

template <class Action>
auto with_object(const H5::H5File& file, const std::string& object, Action&& action) {
    if (object == "/" || file.childObjType(object) == H5O_TYPE_GROUP) {
        const H5::Group group = file.openGroup(object);
        return action(static_cast<const H5::H5Object&>(group));
    }
    const H5::DataSet set = file.openDataSet(object);
    return action(static_cast<const H5::H5Object&>(set));
}

}  // namespace

Hdf5File::Hdf5File(std::string path, std::unique_ptr<H5::H5File> file)
    : path_(std::move(path)), file_(std::move(file)) {}
Hdf5File::Hdf5File(Hdf5File&&) noexcept = default;

Hdf5File& Hdf5File::operator=(Hdf5File&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(file_, other.file_);
    return *this;
}

Hdf5File::~Hdf5File() {
    const std::lock_guard<std::recursive_mutex> guard(library_lock());
    file_.reset();
}

namespace {
std::unique_ptr<H5::H5File> open_file(const std::string& path, unsigned flags) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) throw Error("store", "no such file", path, "check the path");
    if (!std::filesystem::is_regular_file(path, ignored)) throw Error("store", "not a regular file", path);
    if (::access(path.c_str(), flags == H5F_ACC_RDONLY ? R_OK : R_OK | W_OK) != 0) {
        throw Error("store", std::string("cannot open: ") + std::strerror(errno), path,
                    "check its permissions");
    }
    return checked(path, "cannot open", [&] {
        if (!H5::H5File::isHdf5(path)) fail(path, "cannot open", "it is not an HDF5 file");
        return std::make_unique<H5::H5File>(path, flags);
    });
}
}  // namespace

Hdf5File Hdf5File::open(const std::string& path) {
    return {path, open_file(path, H5F_ACC_RDONLY)};
}

Hdf5File Hdf5File::open_for_writing(const std::string& path) {
    return {path, open_file(path, H5F_ACC_RDWR)};
}

Hdf5File Hdf5File::create(const std::string& path, bool overwrite) {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    std::error_code ignored;
    if (!folder.empty() && !std::filesystem::is_directory(folder, ignored)) {
        throw Error("store", "cannot create: its folder does not exist", path, "make the folder first");
    }
    if (!overwrite && std::filesystem::exists(path, ignored)) {
        throw Error("store", "cannot create: the file exists", path, "choose another name or delete it");
    }
    return {path, checked(path, "cannot create", [&] {
                return std::make_unique<H5::H5File>(path, overwrite ? H5F_ACC_TRUNC : H5F_ACC_EXCL);
            })};
}

H5::H5File& Hdf5File::handle() const {
    SCHEDBENCH_ASSERT(file_ != nullptr);
    return *file_;
}

void Hdf5File::close() {
    if (file_ == nullptr) return;
    checked(path_, "cannot close", [&] {
        file_->close();
        file_.reset();
    });
}

void Hdf5File::flush() {
    checked(path_, "cannot flush", [&] { handle().flush(H5F_SCOPE_GLOBAL); });
}

void Hdf5File::sync() {
    flush();
    checked(path_, "cannot sync", [&] {
        void* descriptor = nullptr;
        handle().getVFDHandle(&descriptor);
        if (::fsync(*static_cast<int*>(descriptor)) != 0) fail(path_, "cannot sync", std::strerror(errno));
    });
}

bool Hdf5File::exists(const std::string& object) const {
    if (object == "/") return true;
    return checked(where(object), "cannot look up", [&] {
        for (size_t slash = object.find('/', 1);; slash = object.find('/', slash + 1)) {
            if (!handle().nameExists(object.substr(0, slash))) return false;
            if (slash == std::string::npos) return true;
            if (handle().childObjType(object.substr(0, slash)) != H5O_TYPE_GROUP) return false;
        }
    });
}

bool Hdf5File::is_group(const std::string& object) const {
    if (object == "/") return true;
    return exists(object) && checked(where(object), "cannot look up",
                                     [&] { return handle().childObjType(object) == H5O_TYPE_GROUP; });
}

bool Hdf5File::is_dataset(const std::string& object) const {
    return object != "/" && exists(object) && checked(where(object), "cannot look up", [&] {
               return handle().childObjType(object) == H5O_TYPE_DATASET;
           });
}

std::vector<std::string> Hdf5File::list(const std::string& group) const {
    return checked(where(group), "cannot list", [&] {
        const H5::Group opened = handle().openGroup(group);
        std::vector<std::string> names;
        for (hsize_t i = 0; i < opened.getNumObjs(); ++i) names.push_back(opened.getObjnameByIdx(i));
        std::sort(names.begin(), names.end());
        return names;
    });
}

void Hdf5File::create_group(const std::string& group) {
    if (exists(group)) {
        if (!is_group(group)) fail(where(group), "cannot create a group", "a data set has this name");
        return;
    }
    make_parents(group);
    checked(where(group), "cannot create a group", [&] { handle().createGroup(group); });
}

void Hdf5File::make_parents(const std::string& object) {
    const size_t slash = object.rfind('/');
    if (slash != std::string::npos && slash > 0) create_group(object.substr(0, slash));
}

void Hdf5File::remove(const std::string& object) {
    checked(where(object), "cannot remove", [&] { handle().unlink(object); });
}

void Hdf5File::rename(const std::string& from, const std::string& to) {
    make_parents(to);
    checked(where(from), "cannot rename", [&] { handle().moveLink(from, to); });
}

void Hdf5File::copy_from(const Hdf5File& source, const std::string& from, const std::string& to) {
    make_parents(to);
    checked(source.where(from), "cannot copy", [&] {
        // The C++ library has no wrapper for this call.
        if (H5Ocopy(source.handle().getId(), from.c_str(), handle().getId(), to.c_str(), H5P_DEFAULT,
                    H5P_DEFAULT) < 0) {
            fail(source.where(from), "cannot copy to " + where(to), last_description());
        }
    });
}

namespace {
template <class Read>
auto read_attribute(const H5::H5File& file, const std::string& where, const std::string& object,
                    const std::string& name, Read&& read) {
    return checked(where, "cannot read the attribute", [&] {
        return with_object(file, object, [&](const H5::H5Object& opened) {
            if (!opened.attrExists(name)) fail(where, "cannot read the attribute", "it does not exist");
            return read(opened.openAttribute(name));
        });
    });
}

template <class T>
T number_attribute(const H5::Attribute& attribute, const std::string& where, const char* expected) {
    const Hdf5Type type = classify(attribute.getDataType());
    const bool integer = type == Hdf5Type::int64 || type == Hdf5Type::uint8;
    const bool real = type == Hdf5Type::float32 || type == Hdf5Type::float64;
    if (attribute.getSpace().getSimpleExtentNpoints() != 1 ||
        !(integer || (real && std::same_as<T, double>))) {
        fail(where, "cannot read the attribute",
             std::string("it holds ") + hdf5_type_name(type) + ", expected one " + expected);
    }
    T value{};
    attribute.read(memory_type<T>(), &value);
    return value;
}

template <class Write>
void replace_attribute(const H5::H5File& file, const std::string& where, const std::string& object,
                       const std::string& name, const H5::DataType& type, Write&& write) {
    checked(where, "cannot write the attribute", [&] {
        with_object(file, object, [&](const H5::H5Object& opened) {
            if (opened.attrExists(name)) opened.removeAttr(name);
            write(opened.createAttribute(name, type, H5::DataSpace(H5S_SCALAR)));
        });
    });
}
}  // namespace

void Hdf5File::set_attribute(const std::string& object, const std::string& name, const std::string& value) {
    check_text(where(object) + "@" + name, value);
    const std::string place = where(object) + "@" + name;
    if (value.size() > kLongText) {
        replace_attribute(handle(), place, object, name, long_text_type(),
                          [&](const H5::Attribute& attribute) {
                              const char* pointer = value.c_str();
                              attribute.write(long_text_type(), static_cast<const void*>(&pointer));
                          });
        return;
    }
    const H5::StrType type = text_type(value.size());
    replace_attribute(handle(), place, object, name, type, [&](const H5::Attribute& attribute) {
        attribute.write(type, static_cast<const void*>(value.c_str()));
    });
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, const char* value) {
    set_attribute(object, name, std::string(value));
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, int64_t value) {
    replace_attribute(
        handle(), where(object) + "@" + name, object, name, file_type<int64_t>(),
        [&](const H5::Attribute& attribute) { attribute.write(memory_type<int64_t>(), &value); });
}

void Hdf5File::set_attribute(const std::string& object, const std::string& name, double value) {
    replace_attribute(
        handle(), where(object) + "@" + name, object, name, file_type<double>(),
        [&](const H5::Attribute& attribute) { attribute.write(memory_type<double>(), &value); });
}

bool Hdf5File::has_attribute(const std::string& object, const std::string& name) const {
    return checked(where(object) + "@" + name, "cannot look up", [&] {
        return with_object(handle(), object,
                           [&](const H5::H5Object& opened) { return opened.attrExists(name); });
    });
}

std::vector<std::string> Hdf5File::attribute_names(const std::string& object) const {
    return checked(where(object), "cannot list the attributes", [&] {
        return with_object(handle(), object, [&](const H5::H5Object& opened) {
            std::vector<std::string> names;
            const auto count = static_cast<unsigned>(opened.getNumAttrs());
            for (unsigned i = 0; i < count; ++i) names.push_back(opened.openAttribute(i).getName());
            std::sort(names.begin(), names.end());
            return names;
        });
    });
}

Hdf5Type Hdf5File::attribute_type(const std::string& object, const std::string& name) const {
    return read_attribute(handle(), where(object) + "@" + name, object, name,
                          [](const H5::Attribute& attribute) { return classify(attribute.getDataType()); });
}

std::string Hdf5File::text_attribute(const std::string& object, const std::string& name) const {
    const std::string place = where(object) + "@" + name;
    return read_attribute(handle(), place, object, name, [&](const H5::Attribute& attribute) {
        const Hdf5Type type = classify(attribute.getDataType());
        if (type != Hdf5Type::text || attribute.getSpace().getSimpleExtentNpoints() != 1) {
            fail(place, "cannot read the attribute",
                 std::string("it holds ") + hdf5_type_name(type) + ", expected one text");
        }
        return read_strings(attribute)[0];
    });
}

int64_t Hdf5File::integer_attribute(const std::string& object, const std::string& name) const {
    const std::string place = where(object) + "@" + name;
    return read_attribute(handle(), place, object, name, [&](const H5::Attribute& attribute) {
        return number_attribute<int64_t>(attribute, place, "integer");
    });
}

double Hdf5File::real_attribute(const std::string& object, const std::string& name) const {
    const std::string place = where(object) + "@" + name;
    return read_attribute(handle(), place, object, name, [&](const H5::Attribute& attribute) {
        return number_attribute<double>(attribute, place, "number");
    });
}

namespace {
void sync_path(const std::string& path, int flags) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
    if (descriptor < 0) throw Error("file", std::string("cannot open: ") + std::strerror(errno), path);
    const int result = ::fsync(descriptor);
    const int reason = errno;
    ::close(descriptor);
    if (result != 0) throw Error("file", std::string("cannot sync: ") + std::strerror(reason), path);
}
}  // namespace

void replace_file(const std::string& temporary, const std::string& target) {
    sync_path(temporary, O_RDONLY);
    if (::rename(temporary.c_str(), target.c_str()) != 0) {
        throw Error("file", "cannot rename to " + target + ": " + std::strerror(errno), temporary);
    }
    const std::string folder = std::filesystem::path(target).parent_path().string();
    sync_path(folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY);
}

}  // namespace schedbench
