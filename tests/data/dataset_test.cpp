// The readers behind data specs, on small files written here, whole and damaged.
#include "data/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/hdf5.h"
#include "data/cifar10.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/npz.h"
#include "deflated.h"
#include "temporary_folder.h"

namespace schedbench {
namespace {

using Bytes = std::vector<uint8_t>;

Dataset load(const std::string& text, int64_t limit = 0) {
    return load_dataset(Spec::parse(text), "--data", limit);
}

Bytes random_bytes(size_t count, unsigned seed) {
    std::mt19937 rng(seed);
    Bytes out(count);
    for (uint8_t& byte : out) byte = static_cast<uint8_t>(rng() >> 9 & 0xff);
    return out;
}

Bytes idx(const std::vector<uint32_t>& shape, const Bytes& values, uint8_t type = 8) {
    Bytes out = {0, 0, type, static_cast<uint8_t>(shape.size())};
    for (uint32_t extent : shape)
        for (int shift : {24, 16, 8, 0}) out.push_back(static_cast<uint8_t>(extent >> shift & 0xff));
    out.insert(out.end(), values.begin(), values.end());
    return out;
}

Bytes gzip(const Bytes& plain) {
    return deflated(plain, kGzip);
}

Bytes cut(Bytes bytes, size_t by) {
    bytes.resize(bytes.size() - by);
    return bytes;
}

Bytes joined(Bytes a, const Bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

const Bytes kImages = random_bytes(6 * 28 * 28, 1);
const Bytes kLabels = {3, 9, 0, 0, 1, 2};

TEST(Idx, ReadsPlainAndGzipAlike) {
    const TemporaryFolder folder;
    const Bytes plain = idx({6, 28, 28}, kImages);
    for (const Bytes& file : {plain, gzip(plain),
                              joined(gzip(Bytes(plain.begin(), plain.begin() + 999)),
                                     gzip(Bytes(plain.begin() + 999, plain.end())))}) {
        const IdxArray array = read_idx(folder.write("x", file), 3);
        EXPECT_EQ(array.shape, (std::vector<int64_t>{6, 28, 28}));
        EXPECT_EQ(array.values, kImages);
    }
}

TEST(Idx, FaultsNameFileAndByte) {
    const TemporaryFolder folder;
    auto fault = [&](const Bytes& bytes, int dimensions, std::vector<std::string> parts) {
        const std::string path = folder.write("x", bytes);
        parts.push_back(path + ", byte ");
        expect_error("file", parts, [&] { read_idx(path, dimensions); });
    };
    const Bytes good = idx({6, 28, 28}, kImages), packed = gzip(good);
    fault({}, 3, {"magic number", "byte 0", "cut short"});
    fault({'h', 'e', 'l', 'l', 'o'}, 3, {"0x68 0x65, expected 0x00 0x00", "byte 0"});
    fault(idx({6, 28, 28}, kImages, 0x0d), 3, {"element type 0x0d, expected 0x08", "byte 2"});
    fault(good, 1, {"has 3 dimensions, expected 1", "byte 3"});
    fault(Bytes(good.begin(), good.begin() + 10), 3, {"dimension 1", "byte 10"});
    fault(cut(good, 5), 3,
          {"ends after 4699 of the 4704 bytes of the elements", "byte " + std::to_string(good.size() - 5)});
    fault(joined(good, {0}), 3, {"goes on after the last byte", "byte " + std::to_string(good.size())});
    fault(idx({0xffffffff, 0xffffffff, 0xffffffff}, kImages), 3, {"claims more elements", "byte "});
    fault(gzip(idx({60000, 28, 28}, kImages)), 3, {"claims more elements"});
    fault(gzip(idx({60, 28, 28}, kImages)), 3,
          {"ends after 4704 of the 47040 bytes", "of the uncompressed data"});
    fault(gzip(joined(good, {0})), 3, {"goes on after the last byte", "of the uncompressed data"});
    fault(cut(packed, 100), 3,
          {"compressed data end too early", "byte " + std::to_string(packed.size() - 100)});
    fault(cut(packed, 4), 3, {"compressed data end too early"});
    fault(joined(packed, {1, 2, 3}), 3,
          {"3 bytes follow the end of the compressed data", "byte " + std::to_string(packed.size())});
    Bytes flipped = packed;
    flipped[packed.size() - 8] ^= 1;  // the CRC-32 of the trailer
    fault(flipped, 3, {"damaged compressed data", "incorrect data check"});
    for (size_t size = 2; size < packed.size(); size += 7) {
        folder.write("x", Bytes(packed.begin(), packed.begin() + static_cast<std::ptrdiff_t>(size)));
        ASSERT_THROW(read_idx(folder.file("x"), 3), Error) << size;
    }
}

TEST(MnistFamily, PadsKeepsTheFirstAndChecksLabels) {
    const TemporaryFolder folder;
    folder.write("train-images-idx3-ubyte.gz", gzip(idx({6, 28, 28}, kImages)));
    folder.write("train-labels-idx1-ubyte", idx({6}, kLabels));
    const std::string spec = "mnist:path='" + folder.path() + "'";
    const Dataset plain = load(spec + ",pad=0"), padded = load(spec), four = load(spec, 4);
    EXPECT_EQ(plain.pixels, kImages);
    EXPECT_EQ(plain.labels, (std::vector<int64_t>{3, 9, 0, 0, 1, 2}));
    EXPECT_EQ(padded.height, 32);
    EXPECT_EQ(padded.width, 32);
    EXPECT_EQ(padded.classes, 10);
    for (int64_t i = 0; i < 6; ++i)
        for (int64_t y = 0; y < 32; ++y)
            for (int64_t x = 0; x < 32; ++x) {
                const bool inside = y >= 2 && y < 30 && x >= 2 && x < 30;
                const int expected = inside ? kImages[static_cast<size_t>((i * 28 + y - 2) * 28 + x - 2)] : 0;
                ASSERT_EQ(padded.image(i)[static_cast<size_t>(y * 32 + x)], expected);
            }
    EXPECT_EQ(four.count, 4);
    EXPECT_EQ(four.pixels.size(), 4u * 1024);
    EXPECT_EQ(four.labels.size(), 4u);
    EXPECT_EQ(load(spec, 100).count, 6);
    EXPECT_EQ(padded.spec, "mnist:pad=true,path=" + folder.path() + ",split=train");
    EXPECT_NE(plain.hash, padded.hash);
    EXPECT_NE(four.hash, padded.hash);
    EXPECT_EQ(load(spec, 6).hash, padded.hash);

    auto fault = [&](std::vector<std::string> parts) { expect_error("file", parts, [&] { load(spec); }); };
    folder.write("train-labels-idx1-ubyte", idx({5}, cut(kLabels, 1)));
    fault({"holds 5 labels for the 6 images of", "train-labels-idx1-ubyte, byte 4",
           "train-images-idx3-ubyte.gz"});
    folder.write("train-labels-idx1-ubyte", idx({6}, {3, 9, 0, 10, 1, 2}));
    fault({"label 3 is 10, expected 0 to 9", "train-labels-idx1-ubyte, byte 11"});
    folder.write("train-labels-idx1-ubyte", idx({6, 28, 28}, kImages));
    fault({"has 3 dimensions, expected 1", "exchanged?"});
    expect_error("file", {"neither t10k-images-idx3-ubyte.gz", folder.path(), "path="},
                 [&] { load(spec + ",split=test"); });
    folder.write("train-images-idx3-ubyte.gz", gzip(idx({0, 28, 28}, {})));
    folder.write("train-labels-idx1-ubyte", idx({0}, {}));
    fault({"holds no images"});
}

TEST(MnistFamily, AbsentFashionMnistSaysHowToGetIt) {
    const TemporaryFolder folder;
    expect_error("file", {"no such folder", "/absent", "apt-get install dataset-fashion-mnist", "path=DIR"},
                 [&] { load("fashion-mnist:path='" + folder.file("absent") + "'"); });
}

TEST(Cifar10, ReadsRecordsAndFaultsNameTheByte) {
    const TemporaryFolder folder;
    const Bytes all = random_bytes(5 * 3 * 3073, 2);
    auto batch = [&](int b) {
        Bytes out(all.begin() + b * 3 * 3073, all.begin() + (b + 1) * 3 * 3073);
        for (size_t i = 0; i < 3; ++i)
            out[i * 3073] = static_cast<uint8_t>((static_cast<size_t>(b) * 3 + i) % 10);
        return out;
    };
    for (int b = 0; b < 5; ++b) folder.write("data_batch_" + std::to_string(b + 1) + ".bin", batch(b));
    const std::string spec = "cifar10:path='" + folder.path() + "'";
    const Dataset data = load(spec);
    ASSERT_EQ(data.count, 15);
    EXPECT_EQ(data.channels, 3);
    for (int64_t i = 0; i < 15; ++i) {
        EXPECT_EQ(data.labels[static_cast<size_t>(i)], i % 10);
        EXPECT_TRUE(std::ranges::equal(data.image(i),
                                       std::span(all).subspan(static_cast<size_t>(i) * 3073 + 1, 3072)))
            << i;
    }
    const Dataset seven = load(spec, 7);
    EXPECT_EQ(seven.count, 7);
    EXPECT_TRUE(std::ranges::equal(seven.pixels, std::span(data.pixels).first(7 * 3072)));

    auto fault = [&](std::vector<std::string> parts) { expect_error("file", parts, [&] { load(spec); }); };
    expect_error("file", {"test_batch.bin", "no such file", "binary version"},
                 [&] { load(spec + ",split=test"); });
    folder.write("data_batch_4.bin", cut(batch(3), 73));
    fault({"record 2 has only 3000 of its 3073 bytes", "data_batch_4.bin, byte 6146"});
    folder.write("data_batch_4.bin", cut(batch(3), 3073));
    fault({"data_batch_4.bin", "holds 2 records", "data_batch_1.bin holds 3"});
    folder.write("data_batch_4.bin", {});
    fault({"data_batch_4.bin, byte 0", "is empty"});
    Bytes wrong = batch(3);
    wrong[3073] = 77;
    folder.write("data_batch_4.bin", wrong);
    fault({"label of record 1 is 77", "data_batch_4.bin, byte 3073"});
    expect_error("file", {"not a folder"},
                 [&] { load("cifar10:path='" + folder.file("data_batch_1.bin") + "'"); });
}

// The same six RGB images in every format and layout are the same data set.
TEST(Arrays, EveryFormatAndLayoutGivesTheSameHash) {
    const TemporaryFolder folder;
    const int64_t n = 6, side = 5;
    const Bytes nchw = random_bytes(static_cast<size_t>(n * 3 * side * side), 3);
    Bytes nhwc(nchw.size());
    for (int64_t i = 0; i < n; ++i)
        for (int64_t c = 0; c < 3; ++c)
            for (int64_t p = 0; p < side * side; ++p)
                nhwc[static_cast<size_t>((i * side * side + p) * 3 + c)] =
                    nchw[static_cast<size_t>((i * 3 + c) * side * side + p)];
    const std::vector<int64_t> labels = {0, 1, 2, 3, 4, 1};
    write_npy(folder.file("first.npy"), {{n, 3, side, side}, nchw});
    write_npy(folder.file("last.npy"), {{n, side, side, 3}, nhwc});
    write_npy(folder.file("labels.npy"), {{n}, labels});
    write_npz(folder.file("both.npz"), {{"arr_0", {{n, side, side, 3}, nhwc}}, {"arr_1", {{n}, labels}}});
    {
        Hdf5File file = Hdf5File::create(folder.file("both.h5"));
        file.write<uint8_t>("/images", {n, 3, side, side}, nchw);
        file.write<uint8_t>("/other/nhwc", {n, side, side, 3}, nhwc);
        file.write<int64_t>("/labels", {n}, labels);
        file.write<float>("/features", {2}, std::vector<float>{1, 2});
        file.close();
    }
    auto at = [&](const std::string& text, const std::string& file, const std::string& rest = "") {
        return text + ":file='" + folder.file(file) + "'" + rest;
    };
    const Dataset data = load(at("npy", "first.npy", ",labels='" + folder.file("labels.npy") + "'"));
    EXPECT_EQ(data.pixels, nchw);
    EXPECT_EQ(data.labels, labels);
    EXPECT_EQ(data.classes, 5);
    EXPECT_EQ(load(at("npy", "last.npy", ",labels='" + folder.file("labels.npy") + "',layout=nhwc")).hash,
              data.hash);
    EXPECT_EQ(load(at("npz", "both.npz", ",labels=arr_1")).hash, data.hash);
    EXPECT_EQ(load(at("hdf5", "both.h5", ",labels=/labels")).hash, data.hash);
    EXPECT_EQ(load(at("hdf5", "both.h5", ",object=/other/nhwc,labels=/labels")).hash, data.hash);
    const std::string four = load(at("npy", "first.npy"), 4).hash;
    EXPECT_NE(four, data.hash);
    EXPECT_EQ(load(at("npz", "both.npz"), 4).hash, four);
    EXPECT_EQ(load(at("hdf5", "both.h5"), 4).hash, four);

    write_npy(folder.file("gray.npy"), {{n, side, side}, Bytes(static_cast<size_t>(n * side * side), 1)});
    EXPECT_EQ(load(at("npy", "gray.npy")).channels, 1);

    auto fault = [&](const std::string& kind, const std::string& text, std::vector<std::string> parts) {
        expect_error(kind, parts, [&] { load(text); });
    };
    write_npy(folder.file("square.npy"), {{2, 3, 4, 3}, Bytes(72, 0)});
    fault("shape", at("npy", "square.npy"), {"[2, 3, 4, 3]", "layout=nchw or layout=nhwc", "square.npy"});
    EXPECT_EQ(load(at("npy", "square.npy", ",layout=nhwc")).width, 4);
    EXPECT_EQ(load(at("npy", "square.npy", ",layout=nchw")).height, 4);
    write_npy(folder.file("four.npy"), {{2, 4, 5, 5}, Bytes(200, 0)});
    fault("shape", at("npy", "four.npy"), {"[2, 4, 5, 5]", "1 or 3 channels", "four.npy"});
    write_npy(folder.file("float.npy"), {{1, 3, 1, 1}, std::vector<float>{1, 2, 3}});
    fault("file", at("npy", "float.npy"), {"float.npy", "holds float32, expected uint8"});
    write_npy(folder.file("flat.npy"), {{4, 5}, Bytes(20, 0)});
    fault("shape", at("npy", "flat.npy"), {"flat.npy", "[4, 5]", "expected images [N,H,W]"});
    fault("file", at("npy", "labels.npy"), {"labels.npy", "holds int64, expected uint8"});
}

TEST(Arrays, FaultsOfHdf5NameTheObject) {
    const TemporaryFolder folder;
    {
        Hdf5File file = Hdf5File::create(folder.file("a.h5"));
        file.write<uint8_t>("/images", {2, 1, 3, 4}, Bytes(24, 5));
        file.write<float>("/features", {2}, std::vector<float>{1, 2});
        file.write<int64_t>("/labels", {3}, std::vector<int64_t>{0, 1, 2});
        file.write<int64_t>("/negative", {2}, std::vector<int64_t>{0, -1});
        file.close();
    }
    const std::string spec = "hdf5:file='" + folder.file("a.h5") + "'";
    EXPECT_EQ(load(spec).count, 2);
    expect_error("file", {"a.h5", "/absent"}, [&] { load(spec + ",object=/absent"); });
    expect_error("file", {"a.h5:/features", "holds float32, expected uint8"},
                 [&] { load(spec + ",object=/features"); });
    expect_error("shape", {"a.h5:/labels", "[3]"}, [&] { load(spec + ",labels=/labels"); });
    expect_error("file", {"a.h5:/negative", "label 1 is -1"}, [&] { load(spec + ",labels=/negative"); });
    folder.write("b.h5", cut(bytes_of(folder.file("a.h5")), 100));
    expect_error("file", {"b.h5"}, [&] { load("hdf5:file='" + folder.file("b.h5") + "'"); });
    expect_error("file", {"c.h5"}, [&] { load("hdf5:file='" + folder.file("c.h5") + "'"); });
}

TEST(Dataset, UnknownNamesAndKeysAreAnsweredWithTheKnownOnes) {
    expect_error("spec", {"--data", "did you mean \"fashion-mnist\""}, [] { load("fashion-mnst"); });
    expect_error("spec", {"--data", "did you mean \"split\""}, [] { load("cifar10:path=x,splt=test"); });
    expect_error("spec", {"--data", "needs path"}, [] { load("cifar10"); });
    expect_error("spec", {"train, test"}, [] { load("fashion-mnist:split=val"); });
    for (const SpecEntry& entry : dataset_entries()) {
        EXPECT_FALSE(entry.summary.empty()) << entry.name;
        for (const SpecParam& param : entry.params)
            EXPECT_FALSE(param.help.empty()) << entry.name << " " << param.key;
    }
}

}  // namespace
}  // namespace schedbench
