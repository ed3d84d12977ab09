#include "models/safetensors.h"

#include <ATen/ATen.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/error.h"

namespace schedbench {

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

namespace {

struct DtypeName {
    const char* name;
    at::ScalarType type;
};
constexpr DtypeName kDtypes[] = {{"F64", at::kDouble},    {"F32", at::kFloat}, {"F16", at::kHalf},
                                 {"BF16", at::kBFloat16}, {"I64", at::kLong},  {"I32", at::kInt},
                                 {"U8", at::kByte},       {"BOOL", at::kBool}};

[[noreturn]] void bad(const std::string& path, uint64_t offset, const std::string& what) {
    throw Error("file", what, path + " at byte " + std::to_string(offset),
                "the file is not a valid safetensors file");
}

at::ScalarType dtype_of(const std::string& name, const std::string& path, const std::string& tensor) {
    for (const auto& dtype : kDtypes)
        if (name == dtype.name) return dtype.type;
    bad(path, 8,
        "tensor \"" + tensor + "\" has dtype \"" + name +
            "\"; known are F64, F32, F16, BF16, I64, I32, U8, BOOL");
}

const char* dtype_name(at::ScalarType type) {
    for (const auto& dtype : kDtypes)
        if (type == dtype.type) return dtype.name;
    throw Error("file", "a tensor has a dtype that safetensors cannot hold", "safetensors");
}

struct Entry {
    std::string name;
    at::ScalarType type;
    std::vector<int64_t> shape;
    uint64_t begin, end;
};

Entry read_entry(const std::string& name, const nlohmann::json& json, const std::string& path) {
    Entry entry{name, at::kFloat, {}, 0, 0};
    try {
        entry.type = dtype_of(json.at("dtype").get<std::string>(), path, name);
        entry.shape = json.at("shape").get<std::vector<int64_t>>();
        entry.begin = json.at("data_offsets").at(0).get<uint64_t>();
        entry.end = json.at("data_offsets").at(1).get<uint64_t>();
    } catch (const nlohmann::json::exception&) {
        bad(path, 8,
            "the header entry of tensor \"" + name + "\" lacks a proper dtype, shape or data_offsets");
    }
    uint64_t bytes = at::elementSize(entry.type);
    for (int64_t size : entry.shape) {
        if (size < 0 || (size > 0 && bytes > UINT64_MAX / static_cast<uint64_t>(size)))
            bad(path, 8, "tensor \"" + name + "\" has an impossible shape");
        bytes *= static_cast<uint64_t>(size);
    }
    if (entry.end < entry.begin || entry.end - entry.begin != bytes)
        bad(path, 8,
            "tensor \"" + name + "\" needs " + std::to_string(bytes) +
                " bytes but its data_offsets say otherwise");
    return entry;
}

}  // namespace

const at::Tensor& SafetensorsFile::at(const std::string& name) const {
    const auto it = tensors.find(name);
    if (it == tensors.end()) throw Error("file", "has no tensor \"" + name + "\"", path);
    return it->second;
}

const std::string& SafetensorsFile::meta(const std::string& key) const {
    const auto it = metadata.find(key);
    if (it == metadata.end()) throw Error("file", "has no metadata entry \"" + key + "\"", path);
    return it->second;
}

SafetensorsFile read_safetensors(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw Error("file", "cannot be opened for reading", path);
    std::error_code code;
    const uint64_t size = std::filesystem::file_size(path, code);
    if (code) throw Error("file", "has no size (" + code.message() + ")", path);
    uint64_t header_size = 0;
    if (size < 8 || !in.read(reinterpret_cast<char*>(&header_size), 8))
        bad(path, 0, "the file is shorter than 8 bytes");
    if (header_size > size - 8 || header_size > (uint64_t{100} << 20))
        bad(path, 0,
            "the header length " + std::to_string(header_size) + " does not fit a file of " +
                std::to_string(size) + " bytes");
    std::string header(header_size, '\0');
    if (!in.read(header.data(), static_cast<std::streamsize>(header_size)))
        bad(path, 8, "the header cannot be read");

    nlohmann::json json = nlohmann::json::parse(header, nullptr, false);
    if (json.is_discarded() || !json.is_object()) bad(path, 8, "the header is not a JSON object");

    SafetensorsFile file;
    file.path = path;
    std::vector<Entry> entries;
    for (const auto& [name, value] : json.items()) {
        if (name != "__metadata__") {
            entries.push_back(read_entry(name, value, path));
            continue;
        }
        for (const auto& [key, text] : value.items()) {
            if (!text.is_string()) bad(path, 8, "metadata entry \"" + key + "\" is not text");
            file.metadata[key] = text.get<std::string>();
        }
    }
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
        return a.begin < b.begin || (a.begin == b.begin && a.end < b.end);
    });
    const uint64_t data_start = 8 + header_size;
    uint64_t expected = 0;
    for (const Entry& entry : entries) {
        if (entry.begin != expected)
            bad(path, data_start + expected,
                "tensor \"" + entry.name + "\" leaves a hole or overlaps its neighbour");
        expected = entry.end;
    }
    if (data_start + expected != size)
        bad(path, size,
            "the header describes " + std::to_string(data_start + expected) + " bytes but the file has " +
                std::to_string(size));
    for (const Entry& entry : entries) {
        at::Tensor tensor = at::empty(entry.shape, at::TensorOptions().dtype(entry.type));
        const auto bytes = static_cast<std::streamsize>(entry.end - entry.begin);
        if (bytes > 0 && !in.read(static_cast<char*>(tensor.data_ptr()), bytes))
            bad(path, data_start + entry.begin, "tensor \"" + entry.name + "\" cannot be read");
        file.tensors.emplace(entry.name, std::move(tensor));
    }
    return file;
}

void write_safetensors(const std::string& path, const std::map<std::string, at::Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
    nlohmann::json json = nlohmann::json::object();
    if (!metadata.empty()) json["__metadata__"] = metadata;
    uint64_t offset = 0;
    for (const auto& [name, tensor] : tensors) {
        const uint64_t bytes = static_cast<uint64_t>(tensor.nbytes());
        json[name] = {{"dtype", dtype_name(tensor.scalar_type())},
                      {"shape", tensor.sizes().vec()},
                      {"data_offsets", {offset, offset + bytes}}};
        offset += bytes;
    }
    std::string header = json.dump();
    header.append((8 - header.size() % 8) % 8, ' ');
    const uint64_t header_size = header.size();
    const std::string temporary = path + ".part";
    {
        std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
        if (!out) throw Error("file", "cannot be opened for writing", temporary);
        out.write(reinterpret_cast<const char*>(&header_size), 8);
        out.write(header.data(), static_cast<std::streamsize>(header.size()));
        for (const auto& [name, tensor] : tensors) {
            const at::Tensor dense = tensor.detach().cpu().contiguous();
            out.write(static_cast<const char*>(dense.data_ptr()),
                      static_cast<std::streamsize>(dense.nbytes()));
        }
        if (!out.flush()) throw Error("file", "writing failed (disk full?)", temporary);
    }
    std::error_code code;
    std::filesystem::rename(temporary, path, code);
    if (code) throw Error("file", "cannot be replaced (" + code.message() + ")", path);
}

}  // namespace schedbench
