// NPY and NPZ: round trips of random arrays, and what damaged files are answered with.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>

#include "data/npy.h"
#include "data/npz.h"
#include "deflated.h"
#include "temporary_folder.h"

namespace schedbench {
namespace {

NpyArray random_array(std::mt19937& rng) {
    NpyArray array;
    for (auto d = rng() % 5; d > 0; --d) array.shape.push_back(static_cast<int64_t>(rng() % 6));
    const size_t count = static_cast<size_t>(array.count());
    auto fill = [&]<class T>(std::vector<T> values) {
        values.resize(count);
        for (T& value : values) {
            if constexpr (std::is_floating_point_v<T>)
                value = static_cast<T>(
                    std::ldexp(static_cast<double>(rng()) - 2e9, static_cast<int>(rng() % 60) - 40));
            else
                value = static_cast<T>(static_cast<uint64_t>(rng()) << 32 | rng());
        }
        array.values = std::move(values);
    };
    switch (rng() % 4) {
        case 0:
            fill(std::vector<float>());
            break;
        case 1:
            fill(std::vector<double>());
            break;
        case 2:
            fill(std::vector<int64_t>());
            break;
        default:
            fill(std::vector<uint8_t>());
    }
    return array;
}

// A .npy file from its parts, written here without the code under test.
std::vector<uint8_t> npy_file(const std::string& header, size_t data_bytes, int version = 1) {
    std::vector<uint8_t> out = {0x93, 'N', 'U', 'M', 'P', 'Y', static_cast<uint8_t>(version), 0};
    for (int i = 0; i < (version == 1 ? 2 : 4); ++i)
        out.push_back(static_cast<uint8_t>(header.size() >> 8 * i & 0xff));
    out.insert(out.end(), header.begin(), header.end());
    for (size_t i = 0; i < data_bytes; ++i) out.push_back(static_cast<uint8_t>(i));
    return out;
}

void append(std::vector<uint8_t>& out, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) out.push_back(static_cast<uint8_t>(value >> 8 * i & 0xff));
}

// A zip archive of one deflated member as numpy.savez_compressed makes it (sizes of 0xffffffff and a zip64
// extra field in the local header), written here without the code under test.
std::vector<uint8_t> deflated_npz(const std::string& name, const std::vector<uint8_t>& npy) {
    const std::vector<uint8_t> packed = deflated(npy, kRawDeflate);
    const uint64_t crc = crc32(0, npy.data(), static_cast<uInt>(npy.size()));

    std::vector<uint8_t> out;
    append(out, 0x04034b50, 4);
    for (uint64_t field : {45, 0, 8, 0, 0x21}) append(out, field, 2);
    append(out, crc, 4);
    append(out, 0xffffffff, 4);
    append(out, 0xffffffff, 4);
    append(out, name.size(), 2);
    append(out, 20, 2);
    out.insert(out.end(), name.begin(), name.end());
    append(out, 1, 2);
    append(out, 16, 2);
    append(out, npy.size(), 8);
    append(out, packed.size(), 8);
    out.insert(out.end(), packed.begin(), packed.end());
    const size_t directory = out.size();
    append(out, 0x02014b50, 4);
    for (uint64_t field : {45, 45, 0, 8, 0, 0x21}) append(out, field, 2);
    append(out, crc, 4);
    append(out, packed.size(), 4);
    append(out, npy.size(), 4);
    append(out, name.size(), 2);
    append(out, 0, 2 + 2);
    append(out, 0, 2 + 2);
    append(out, 0, 4);
    append(out, 0, 4);
    out.insert(out.end(), name.begin(), name.end());
    const size_t end = out.size();
    append(out, 0x06054b50, 4);
    append(out, 0, 4);
    append(out, 1, 2);
    append(out, 1, 2);
    append(out, end - directory, 4);
    append(out, directory, 4);
    append(out, 0, 2);
    return out;
}

TEST(Npy, WriteThenReadIsIdentityOnRandomArrays) {
    const TemporaryFolder folder;
    std::mt19937 rng(3);
    for (int i = 0; i < 300; ++i) {
        const NpyArray array = random_array(rng);
        write_npy(folder.file("a.npy"), array);
        const std::vector<uint8_t> bytes = bytes_of(folder.file("a.npy"));
        const NpyArray back = read_npy(folder.file("a.npy"));
        ASSERT_EQ(back.shape, array.shape);
        ASSERT_EQ(back.values, array.values);
        ASSERT_EQ((bytes[8] | bytes[9] << 8) % 64, 54) << "the data must begin at a multiple of 64";
        ASSERT_FALSE(std::filesystem::exists(folder.file("a.npy.part")));
    }
}

TEST(Npy, ReadsBothVersionsAndEveryFormOfTheHeader) {
    const TemporaryFolder folder;
    for (int version : {1, 2})
        for (const char* header :
             {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n",
              "{\"shape\":(2,3),\"descr\":\"|u1\",\"fortran_order\":False}",
              "{ 'fortran_order' : False , 'shape' : ( 2 , 3 , ) , 'descr' : '<u1' }  \n"}) {
            const NpyArray array = read_npy(folder.write("a.npy", npy_file(header, 6, version)));
            EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
            EXPECT_EQ(array.as<uint8_t>(), (std::vector<uint8_t>{0, 1, 2, 3, 4, 5}));
            EXPECT_EQ(array.as_doubles()[5], 5.0);
        }
}

TEST(Npy, FaultsNameFileAndByte) {
    const TemporaryFolder folder;
    auto fault = [&](const std::vector<uint8_t>& bytes, std::vector<std::string> parts) {
        const std::string path = folder.write("bad.npy", bytes);
        parts.push_back(path + ", byte ");
        expect_error("file", parts, [&] { read_npy(path); });
    };
    auto header = [](const std::string& descr, const std::string& order, const std::string& shape) {
        return "{'descr': " + descr + ", 'fortran_order': " + order + ", 'shape': " + shape + ", }";
    };
    fault({}, {"ends within the first 10 bytes", "byte 0"});
    fault({'P', 'K', 3, 4, 0, 0, 0, 0, 0, 0, 0, 0}, {"magic bytes", "byte 0"});
    fault(npy_file(header("'<f4'", "False", "(2,)"), 8, 3), {"version 3.0", "byte 6"});
    fault(npy_file(header("'<f4'", "False", "(2,)"), 7),
          {"claims more elements than the 1 that the file holds"});
    fault(npy_file(header("'<f4'", "False", "(2,)"), 9), {"1 bytes follow the last element"});
    fault(npy_file(header("'<f4'", "False", "()"), 0), {"the element is missing"});
    fault(npy_file(header("'<f4'", "True", "(2,)"), 8), {"Fortran order", "ascontiguousarray"});
    fault(npy_file(header("'|O'", "False", "(2,)"), 8), {"Python objects"});
    fault(npy_file(header("'>f4'", "False", "(2,)"), 8), {"element type >f4", "expected <f4"});
    fault(npy_file(header("[('x', '<f4')]", "False", "(2,)"), 8), {"structured"});
    fault(npy_file(header("'<f4'", "False", "(4294967296, 4294967296, 4294967296)"), 8),
          {"claims more elements"});
    fault(npy_file(header("'<f4'", "False", "(99999999999999999999,)"), 8), {"too large"});
    fault(npy_file(header("'<f4'", "False", "(-1,)"), 8), {"expected a length"});
    fault(npy_file("{'descr': '<f4', 'shape': (2,)}", 8), {"missing"});
    fault(npy_file("{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", 8), {"twice"});
    fault(npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8), {"expected '}'"});
    std::vector<uint8_t> cut = npy_file(header("'<f4'", "False", "(2,)"), 8);
    cut.resize(30);
    fault(cut, {"ends within the header", "byte 30"});
    expect_error("file", {"no such file", "absent.npy"}, [&] { read_npy(folder.file("absent.npy")); });
    expect_error("file", {"is a folder"}, [&] { read_npy(folder.path()); });
    write_npy(folder.file("d.npy"), {{2}, std::vector<double>{1, 2}});
    expect_error("file", {"d.npy", "holds float64, expected float32"},
                 [&] { read_npy(folder.file("d.npy")).as<float>(); });
    expect_error("file", {"cannot be opened for writing"}, [&] {
        write_npy(folder.file("no/where.npy"), {{1}, std::vector<double>{1}});
    });
}

TEST(Npy, EveryCutOfAFileIsAnError) {
    const TemporaryFolder folder;
    write_npy(folder.file("a.npy"), {{3}, std::vector<int64_t>{1, 2, 3}});
    const std::vector<uint8_t> whole = bytes_of(folder.file("a.npy"));
    for (size_t size = 0; size < whole.size(); ++size) {
        folder.write("cut.npy", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
        ASSERT_THROW(read_npy(folder.file("cut.npy")), Error) << size;
    }
}

TEST(Npz, WriteThenReadIsIdentityOnRandomArrays) {
    const TemporaryFolder folder;
    std::mt19937 rng(4);
    for (int i = 0; i < 60; ++i) {
        std::map<std::string, NpyArray> arrays;
        for (auto n = rng() % 5; n > 0; --n) arrays["name" + std::to_string(rng() % 100)] = random_array(rng);
        write_npz(folder.file("a.npz"), arrays);
        const auto back = read_npz(folder.file("a.npz"));
        ASSERT_EQ(back.size(), arrays.size());
        for (const auto& [name, array] : arrays) {
            ASSERT_EQ(back.at(name).shape, array.shape);
            ASSERT_EQ(back.at(name).values, array.values);
            ASSERT_EQ(read_npz(folder.file("a.npz"), name).values, array.values);
        }
        const std::vector<uint8_t> first = bytes_of(folder.file("a.npz"));
        write_npz(folder.file("a.npz"), arrays);
        ASSERT_EQ(bytes_of(folder.file("a.npz")), first);
    }
}

TEST(Npz, ReadsADeflatedMember) {
    const TemporaryFolder folder;
    const std::vector<uint8_t> npy =
        npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (100, 256), }", 25600);
    const std::vector<uint8_t> archive = deflated_npz("mu.npy", npy);
    ASSERT_LT(archive.size(), npy.size() / 4);
    const auto arrays = read_npz(folder.write("a.npz", archive));
    ASSERT_EQ(arrays.size(), 1u);
    const std::vector<uint8_t>& values = arrays.at("mu").as<uint8_t>();
    ASSERT_EQ(values.size(), 25600u);
    for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], i & 0xff);
}

TEST(Npz, FaultsNameFileAndByte) {
    const TemporaryFolder folder;
    const std::vector<uint8_t> npy =
        npy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (40,), }", 40);
    const std::vector<uint8_t> deflated = deflated_npz("mu.npy", npy);
    write_npz(folder.file("a.npz"), {{"mu", {{40}, std::vector<uint8_t>(40, 7)}}});
    const std::vector<uint8_t> stored = bytes_of(folder.file("a.npz"));
    auto fault = [&](const std::vector<uint8_t>& bytes, std::vector<std::string> parts) {
        const std::string path = folder.write("bad.npz", bytes);
        parts.push_back(path);
        expect_error("file", parts, [&] { read_npz(path); });
    };
    auto changed = [](std::vector<uint8_t> bytes, size_t at, uint8_t value) {
        bytes[at] = value;
        return bytes;
    };
    for (const auto& whole : {stored, deflated})
        for (size_t size = 0; size < whole.size(); ++size) {
            folder.write("cut.npz", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
            ASSERT_THROW(read_npz(folder.file("cut.npz")), Error) << size;
        }
    fault({'n', 'o', ' ', 'z', 'i', 'p'}, {"zip archive", "byte 0"});
    fault(changed(stored, 30 + 6 + 128 + 5, 8), {"CRC-32", "\"mu\"", "byte 36"});
    const size_t central = stored.size() - 22 - 6 - 46;
    fault(changed(stored, central + 10, 12), {"compression method 12", "expected 0 (stored) or 8 (deflate)"});
    fault(changed(stored, central + 8, 1), {"encrypted"});
    fault(changed(stored, central + 24, 1), {"two different sizes"});
    fault(changed(stored, 30, 'x'), {"name differs", "byte 30"});
    fault(changed(deflated_npz("mu.txt", npy), 0, 'P'), {"\"mu.txt\" is not a .npy array"});
    const size_t data_at = 30 + 6 + 20;
    fault(changed(deflated, data_at, 0xff), {"damaged compressed data", "byte "});
    const size_t deflated_central = deflated.size() - 22 - 6 - 46;
    fault(changed(deflated, deflated_central + 24, static_cast<uint8_t>(npy.size() - 1)),
          {"claims more elements than the 39 that the file holds"});
    fault(changed(deflated, deflated_central + 27, 0x7f), {"claims more bytes than it can hold"});
    expect_error("file", {"holds no array \"sigma\"", "it holds mu"},
                 [&] { read_npz(folder.file("a.npz"), "sigma"); });
    // Any single damaged byte is either found or does no harm (it lies in a field of no meaning here); never
    // a crash.
    for (const auto& whole : {stored, deflated})
        for (size_t at = 0; at < whole.size(); ++at) {
            folder.write("flip.npz", changed(whole, at, static_cast<uint8_t>(whole[at] ^ 0x55)));
            try {
                const auto arrays = read_npz(folder.file("flip.npz"));
                for (const auto& [name, array] : arrays) ASSERT_EQ(array.count(), 40) << at;
            } catch (const Error& e) {
                ASSERT_EQ(e.kind(), "file");
            }
        }
}

// NumPy itself, where the virtual environment has it: both directions.
TEST(Npz, NumpyReadsWhatWeWriteAndTheOtherWayRound) {
    const std::string python = std::string(SCHEDBENCH_SOURCE_DIR) + "/.venv/bin/python";
    if (!std::filesystem::exists(python) ||
        std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) != 0)
        GTEST_SKIP() << "no Python with NumPy in .venv: the exchange with NumPy is not tested";
    const TemporaryFolder folder;
    write_npy(folder.file("ours.npy"), {{2, 3}, std::vector<double>{0.5, -1, 1e300, 3, 4, 5}});
    write_npz(folder.file("ours.npz"), {{"mu", {{3}, std::vector<float>{1.5F, 2, 3}}},
                                        {"n", {{}, std::vector<int64_t>{-7}}},
                                        {"x", {{2, 1, 0}, std::vector<uint8_t>{}}}});
    std::ofstream(folder.file("check.py")) << R"(
import numpy as np, zipfile
a = np.load('ours.npy')
assert a.dtype == np.float64 and a.flags.c_contiguous and a.tolist() == [[0.5, -1, 1e300], [3, 4, 5]]
z = np.load('ours.npz')
assert sorted(z.files) == ['mu', 'n', 'x'] and z['mu'].dtype == np.float32 and z['mu'].tolist() == [1.5, 2, 3]
assert z['n'].shape == () and z['n'] == -7 and z['x'].shape == (2, 1, 0)
assert zipfile.ZipFile('ours.npz').testzip() is None
sigma = np.arange(12.).reshape(3, 4)
np.savez('plain.npz', mu=np.arange(5, dtype=np.float32), sigma=sigma, k=np.int64(3), u=np.zeros(9, np.uint8))
np.savez_compressed('packed.npz', sigma=sigma, big=np.zeros(100000))
np.save('fortran.npy', np.asfortranarray(sigma))
np.save('objects.npy', np.array([None, 1], dtype=object))
np.save('half.npy', np.zeros(3, np.float16))
)";
    ASSERT_EQ(std::system(("cd '" + folder.path() + "' && '" + python + "' check.py").c_str()), 0);
    const auto plain = read_npz(folder.file("plain.npz"));
    EXPECT_EQ(plain.size(), 4u);
    EXPECT_EQ(plain.at("mu").as<float>(), (std::vector<float>{0, 1, 2, 3, 4}));
    EXPECT_EQ(plain.at("sigma").shape, (std::vector<int64_t>{3, 4}));
    EXPECT_EQ(plain.at("k").as<int64_t>(), std::vector<int64_t>{3});
    const auto packed = read_npz(folder.file("packed.npz"));
    EXPECT_EQ(packed.at("sigma").values, plain.at("sigma").values);
    EXPECT_EQ(packed.at("big").as<double>(), std::vector<double>(100000, 0.0));
    expect_error("file", {"Fortran order"}, [&] { read_npy(folder.file("fortran.npy")); });
    expect_error("file", {"Python objects"}, [&] { read_npy(folder.file("objects.npy")); });
    expect_error("file", {"<f2"}, [&] { read_npy(folder.file("half.npy")); });
}

}  // namespace
}  // namespace schedbench
