// Arrays of .npz files read in pieces, and zip64: what numpy.savez writes where an array or the whole file is
// larger than 4 GiB, here with small arrays whose sizes stand in the zip64 fields.
#include <gtest/gtest.h>
#include <zlib.h>

#include <random>

#include "data/image_source.h"
#include "data/npz.h"
#include "data/npz_member.h"
#include "deflated.h"
#include "temporary_folder.h"

namespace schedbench {
namespace {

class Bytes {
  public:
    Bytes& number(uint64_t value, int width) {
        for (int i = 0; i < width; ++i) bytes.push_back(static_cast<uint8_t>(value >> 8 * i & 0xff));
        return *this;
    }
    Bytes& text(const std::string& value) {
        bytes.insert(bytes.end(), value.begin(), value.end());
        return *this;
    }
    Bytes& append(const std::vector<uint8_t>& value) {
        bytes.insert(bytes.end(), value.begin(), value.end());
        return *this;
    }
    uint64_t size() const { return bytes.size(); }
    std::vector<uint8_t> bytes;
};

/// Every size, offset and count in zip64 records (APPNOTE 4.3.14, 4.3.15, 4.5.3), after a foreign extra
/// field.
std::vector<uint8_t> zip64(const std::vector<std::pair<std::string, std::vector<uint8_t>>>& members,
                           bool pack) {
    Bytes file, directory;
    for (const auto& [name, data] : members) {
        const std::vector<uint8_t> packed = pack ? deflated(data, kRawDeflate) : data;
        const uint64_t crc = crc32(0, data.data(), static_cast<uInt>(data.size())), local = file.size();
        file.number(0x04034b50, 4).number(45, 2).number(0, 2).number(pack ? 8 : 0, 2).number(0, 4);
        file.number(crc, 4).number(0xffffffff, 4).number(0xffffffff, 4).number(name.size(), 2).number(20, 2);
        file.text(name).number(1, 2).number(16, 2).number(data.size(), 8).number(packed.size(), 8);
        file.append(packed);
        directory.number(0x02014b50, 4).number(45, 2).number(45, 2).number(0, 2).number(pack ? 8 : 0, 2);
        directory.number(0, 4).number(crc, 4).number(0xffffffff, 4).number(0xffffffff, 4);
        directory.number(name.size(), 2).number(6 + 28, 2).number(0, 2).number(0, 2).number(0, 6);
        directory.number(0xffffffff, 4).text(name).number(0x7777, 2).number(2, 2).number(9, 2);
        directory.number(1, 2).number(24, 2).number(data.size(), 8).number(packed.size(), 8);
        directory.number(local, 8);
    }
    const uint64_t directory_at = file.size();
    file.append(directory.bytes);
    const uint64_t end = file.size();
    file.number(0x06064b50, 4).number(44, 8).number(45, 2).number(45, 2).number(0, 4).number(0, 4);
    file.number(members.size(), 8).number(members.size(), 8).number(directory.size(), 8);
    file.number(directory_at, 8);
    file.number(0x07064b50, 4).number(0, 4).number(end, 8).number(1, 4);
    file.number(0x06054b50, 4).number(0, 4).number(0xffff, 2).number(0xffff, 2).number(0xffffffff, 4);
    file.number(0xffffffff, 4).number(0, 2);
    return file.bytes;
}

std::vector<uint8_t> npy(const NpyArray& array) {
    std::vector<uint8_t> out = npy_header(array);
    const auto data = npy_data(array);
    out.insert(out.end(), data.begin(), data.end());
    return out;
}

NpyArray random_images(int64_t n) {
    std::mt19937 rng(7);
    std::vector<uint8_t> pixels(static_cast<size_t>(n * 5 * 4 * 3));
    for (uint8_t& value : pixels) value = static_cast<uint8_t>(rng() % 9);
    return {{n, 5, 4, 3}, std::move(pixels)};
}

TEST(Npz, Zip64) {
    const TemporaryFolder folder;
    const NpyArray images = random_images(10), mu{{3}, std::vector<double>{1, 2, 3}};
    for (const bool pack : {false, true}) {
        const auto whole = zip64({{"arr_0.npy", npy(images)}, {"mu.npy", npy(mu)}}, pack);
        const std::string path = folder.write("a.npz", whole);
        EXPECT_EQ(npz_names(path), (std::vector<std::string>{"arr_0", "mu"}));
        EXPECT_EQ(read_npz(path).at("arr_0").values, images.values);
        EXPECT_EQ(read_npz(path, "mu").values, mu.values);
        for (size_t size = 0; size < whole.size(); size += size < 8 ? 1 : 31) {
            folder.write("cut.npz", {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
            EXPECT_THROW(read_npz(folder.file("cut.npz")), Error) << size;
        }
        for (size_t at = 0; at < whole.size(); at += at < 60 || at + 320 > whole.size() ? 3 : 41) {
            std::vector<uint8_t> flipped = whole;
            flipped[at] ^= 0x55;
            folder.write("flip.npz", flipped);
            try {
                for (const auto& [name, array] : read_npz(folder.file("flip.npz")))
                    EXPECT_EQ(array.values, name == "mu" ? mu.values : images.values) << at;
            } catch (const Error& e) {
                EXPECT_EQ(e.kind(), "file");
            }
        }
        std::vector<uint8_t> lost = whole;
        lost[lost.size() - 22 - 20] = 'x';
        expect_error("file", {"zip64 locator", "is missing"},
                     [&] { npz_names(folder.write("lost.npz", lost)); });
    }
}

TEST(NpzMember, PiecesInAnyOrderAreThoseOfTheWhole) {
    const TemporaryFolder folder;
    const NpyArray images = random_images(300);
    const std::vector<uint8_t> bytes = npy(images);
    std::mt19937 rng(8);
    for (const bool pack : {false, true}) {
        NpzMember member(folder.write("a.npz", zip64({{"arr_0.npy", bytes}}, pack)), "arr_0");
        EXPECT_EQ(member.layout().shape, images.shape);
        EXPECT_EQ(member.layout().type, "uint8");
        ASSERT_EQ(member.size(), bytes.size());
        for (int i = 0; i < 200; ++i) {
            const size_t from = rng() % bytes.size(), size = rng() % (bytes.size() - from + 1);
            std::vector<uint8_t> piece(size);
            member.read(from, piece);
            ASSERT_TRUE(
                std::equal(piece.begin(), piece.end(), bytes.begin() + static_cast<std::ptrdiff_t>(from)));
        }
    }
    // The checksum is compared at the end of a reading in order, by pieces too.
    std::vector<uint8_t> damaged = zip64({{"arr_0.npy", bytes}}, false);
    damaged[30 + 9 + 20 + 128 + 1000] ^= 1;
    NpzMember member(folder.write("bad.npz", damaged), "arr_0");
    std::vector<uint8_t> half(bytes.size() / 2), rest(bytes.size() - half.size());
    member.read(0, half);
    expect_error("file", {"bad.npz, byte 59", "CRC-32", "\"arr_0\""},
                 [&] { member.read(half.size(), rest); });
    expect_error("file", {"holds no array \"x\"", "it holds arr_0"},
                 [&] { NpzMember(folder.file("bad.npz"), "x"); });
}

TEST(ImageSource, OfNpzIsThatOfNpy) {
    const TemporaryFolder folder;
    const NpyArray images = random_images(300);
    write_npy(folder.file("a.npy"), images);
    const auto plain = open_npy_images(folder.file("a.npy"));
    for (const bool pack : {false, true}) {
        folder.write("a.npz", zip64({{"arr_0.npy", npy(images)}}, pack));
        const auto source = open_npz_images(folder.file("a.npz"), "arr_0");
        EXPECT_EQ(source->count(), 300);
        EXPECT_EQ(source->hash(), plain->hash());
        for (const int64_t first : {0, 128, 250, 17})
            for (int64_t i = 0; i < 50; ++i)
                ASSERT_EQ(source->read(first, 50)[static_cast<size_t>(i)].pixels,
                          plain->read(first, 50)[static_cast<size_t>(i)].pixels);
        EXPECT_EQ(open_npz_images(folder.file("a.npz"), "arr_0", "auto", 7)->hash(),
                  open_npy_images(folder.file("a.npy"), "auto", 7)->hash());
        const Dataset few = load_dataset(Spec::parse("npz:file=" + folder.file("a.npz"), ""), "", 20);
        EXPECT_EQ(few.count, 20);
        EXPECT_EQ(few.hash, load_dataset(Spec::parse("npy:file=" + folder.file("a.npy"), ""), "", 20).hash);
    }
    write_npz(folder.file("f.npz"), {{"arr_0", {{2, 3, 8, 8}, std::vector<float>(384)}}});
    expect_error("file", {"f.npz", "holds float32", "uint8"},
                 [&] { open_npz_images(folder.file("f.npz"), "arr_0"); });
    expect_error("file", {"f.npz:arr_0", "holds float32", "uint8"},
                 [&] { load_dataset(Spec::parse("npz:file=" + folder.file("f.npz"), ""), ""); });
}

}  // namespace
}  // namespace schedbench
