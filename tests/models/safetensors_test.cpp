// The safetensors reader on good files, and on each way in which a file can be wrong: refused by name, in one
// line.
#include "models/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/error.h"
#include "golden.h"
#include "message_of.h"
#include "models/native.h"

namespace schedbench {
namespace {

class Safetensors : public testing::Test {
  protected:
    void SetUp() override {
        folder_ =
            std::filesystem::temp_directory_path() / ("schedbench-safetensors-" + std::to_string(::getpid()));
        std::filesystem::create_directory(folder_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::string file(const std::string& content) const {
        const std::string path = (folder_ / "file.safetensors").string();
        std::ofstream(path, std::ios::binary) << content;
        return path;
    }
    /// Header length, header and data.
    std::string whole(const std::string& header, const std::string& data) const {
        const uint64_t size = header.size();
        std::string length(8, '\0');
        std::memcpy(length.data(), &size, 8);
        return file(length + header + data);
    }
    std::string refusal(const std::string& path) const {
        return message_of([&] { read_safetensors(path); });
    }

    std::filesystem::path folder_;
};

TEST_F(Safetensors, WriteThenReadIsIdentity) {
    at::manual_seed(1);
    std::map<std::string, at::Tensor> tensors;
    for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16})
        tensors[std::string("f.") + c10::toString(type)] = at::randn({2, 3, 1}).to(type);
    tensors["i"] = at::arange(5, at::kLong), tensors["b"] = at::arange(3) > 1,
    tensors["none"] = at::zeros({0, 4});
    tensors["scalar"] = at::ones({}, at::kInt);
    const std::string path = (folder_ / "net.safetensors").string();
    write_safetensors(path, tensors, {{"key", "a \"quoted\" value"}});
    const SafetensorsFile read = read_safetensors(path);
    EXPECT_EQ(read.meta("key"), "a \"quoted\" value");
    ASSERT_EQ(read.tensors.size(), tensors.size());
    for (const auto& [name, value] : tensors) {
        EXPECT_EQ(read.at(name).scalar_type(), value.scalar_type()) << name;
        EXPECT_TRUE(at::equal(read.at(name), value)) << name;
    }
    // What is done to a tensor stays with it, and it outlives the file.
    at::Tensor changed = read.at("f.Float");
    changed.mul_(2);
    EXPECT_TRUE(at::equal(read_safetensors(path).at("f.Float"), tensors["f.Float"]));
    std::filesystem::remove(path);
    EXPECT_TRUE(at::equal(changed, tensors["f.Float"] * 2));
}

TEST_F(Safetensors, DataThatAreNotAlignedAreRead) {
    const float value = 1.5;
    std::string data(4, '\0');
    std::memcpy(data.data(), &value, 4);
    for (size_t spaces = 0; spaces < 8; ++spaces) {
        const std::string header =
            R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})" + std::string(spaces, ' ');
        EXPECT_EQ(read_safetensors(whole(header, data)).at("x").item<float>(), 1.5f);
    }
}

TEST_F(Safetensors, EveryFaultIsNamed) {
    const auto entry = [](const std::string& name, const std::string& dtype, const std::string& shape,
                          const std::string& offsets) {
        return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
               ",\"data_offsets\":" + offsets + "}";
    };
    const std::string a = entry("a", "F32", "[2]", "[0,8]"), eight(8, '\1');
    ASSERT_EQ(refusal(whole("{" + a + "}", eight)), "no error");
    struct Case {
        std::string path_text, wanted;
    };
    const auto expect = [&](const std::string& path, const std::string& wanted) {
        const std::string said = refusal(path);
        EXPECT_NE(said.find(wanted), std::string::npos) << said << "\ninstead of " << wanted;
        EXPECT_EQ(said.find('\n'), std::string::npos) << said;
    };
    expect((folder_ / "absent").string(), "cannot be opened");
    expect(folder_.string(), "no file");
    expect(file(""), "shorter than 8 bytes");
    expect(file("1234567"), "shorter than 8 bytes");
    expect(file(std::string("\xff\xff\xff\xff\xff\xff\xff\x7f", 8)), "header length");
    expect(file(std::string("\x40\0\0\0\0\0\0\0{}", 10)), "header length 64 does not fit");
    expect(whole("{" + a, eight), "not a JSON object");
    expect(whole("[]", ""), "not a JSON object");
    expect(whole("{" + a + "}", eight.substr(1)), "describes");
    expect(whole("{" + a + "}", eight + "x"), "describes");
    expect(whole("{" + a + "," + a + "}", eight), "\"a\" twice");
    expect(whole("{" + a + "," + entry("b", "F32", "[1]", "[4,8]") + "}", eight),
           "\"b\" leaves a hole or overlaps");
    expect(whole("{" + entry("a", "F32", "[1]", "[4,8]") + "}", eight), "\"a\" leaves a hole");
    expect(whole("{" + entry("a", "F32", "[2]", "[8,0]") + "}", eight), "data_offsets say otherwise");
    expect(whole("{" + entry("a", "F32", "[2]", "[0,16]") + "}", eight), "data_offsets say otherwise");
    expect(whole("{" + entry("a", "F32", "[2]", "[-8,0]") + "}", eight), "\"a\"");
    expect(whole("{" + entry("a", "F8", "[2]", "[0,8]") + "}", eight), "dtype \"F8\"");
    expect(whole("{" + entry("a", "F32", "[-2]", "[0,8]") + "}", eight), "impossible shape");
    expect(whole("{" + entry("a", "F32", "[4611686018427387904,4]", "[0,0]") + "}", ""), "impossible shape");
    expect(whole("{" + entry("a", "F32", "[4611686018427387904,4611686018427387904,0]", "[0,0]") + "}", ""),
           "impossible shape");
    expect(whole("{" + entry("a", "F32", "\"x\"", "[0,8]") + "}", eight), "lacks a proper dtype, shape");
    expect(whole("{" + entry("a", "BOOL", "[8]", "[0,8]") + "}", std::string(8, '\2')),
           "BOOL with other values");
    expect(whole("{\"__metadata__\":3," + a + "}", eight), "__metadata__ is not");
    expect(whole("{\"__metadata__\":{\"x\":3}," + a + "}", eight), "\"x\" is not text");
    expect(file("PK\x03\x04 an archive of torch.save"), "is a pickle or an archive of PyTorch");
    expect(file("\x80\x02}q the older form of it"), "is a pickle or an archive of PyTorch");
}

TEST_F(Safetensors, ACutFileIsRefusedWhereverItIsCut) {
    const std::string path = (folder_ / "net.safetensors").string();
    write_safetensors(path, {{"a", at::ones({3})}, {"b", at::zeros({2, 2})}}, {{"k", "v"}});
    std::ifstream in(path, std::ios::binary);
    const std::string content{std::istreambuf_iterator<char>(in), {}};
    for (size_t n = 0; n < content.size(); ++n)
        EXPECT_NE(refusal(file(content.substr(0, n))), "no error") << n;
}

TEST_F(Safetensors, WeightsThatCannotBeTheNetworksAreRefused) {
    // A golden network with one thing wrong at a time.
    const std::string source = (golden::root() / "nets" / "ho_ddpm.safetensors").string();
    const SafetensorsFile good = read_safetensors(source);
    const auto load = [&](const std::map<std::string, at::Tensor>& tensors,
                          const std::map<std::string, std::string>& metadata) {
        const std::string path = (folder_ / "net.safetensors").string();
        write_safetensors(path, tensors, metadata);
        const Spec spec = Spec::parse("native:file='" + path + "',process='linear:T=1000'");
        return message_of([&] { load_native(complete(spec, native_entries().front(), ""), ""); });
    };
    ASSERT_EQ(load(good.tensors, good.metadata), "no error");
    const std::string name = good.tensors.begin()->first;
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
        auto tensors = good.tensors;
        tensors[name] = tensors[name].clone();
        tensors[name].view(-1)[0] = value;
        EXPECT_NE(load(tensors, good.metadata).find("\"" + name + "\" holds a value that is not finite"),
                  std::string::npos);
    }
    auto tensors = good.tensors;
    tensors[name] = at::zeros_like(tensors[name], at::kLong);
    EXPECT_NE(load(tensors, good.metadata).find(name), std::string::npos);
    tensors.erase(name);
    EXPECT_NE(load(tensors, good.metadata).find("missing tensors: " + name), std::string::npos);
    auto metadata = good.metadata;
    metadata["family"] = "improved_diffusion.UNetModel";
    EXPECT_NE(load(good.tensors, metadata).find("config"), std::string::npos);
}

}  // namespace
}  // namespace schedbench
