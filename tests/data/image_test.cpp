// Images in and out, folders and grids.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "data/dataset.h"
#include "data/image_file.h"
#include "data/image_folder.h"
#include "data/image_grid.h"
#include "temporary_folder.h"

namespace schedbench {
namespace {

Image random_image(std::mt19937& rng, int64_t channels, int64_t height, int64_t width) {
    Image image{channels, height, width, {}};
    for (int64_t i = 0; i < channels * height * width; ++i)
        image.pixels.push_back(static_cast<uint8_t>(rng() & 0xff));
    return image;
}

TEST(ImageFolder, NaturalOrder) {
    std::vector<std::string> names = {"img10.png",
                                      "img2.png",
                                      "img1.png",
                                      "a",
                                      "img",
                                      "img02.png",
                                      "img2a.png",
                                      "9",
                                      "10",
                                      "B",
                                      "x18446744073709551617.png",
                                      "x18446744073709551616.png"};
    std::sort(names.begin(), names.end(), natural_less);
    EXPECT_EQ(names, (std::vector<std::string>{"9", "10", "B", "a", "img", "img1.png", "img02.png",
                                               "img2.png", "img2a.png", "img10.png",
                                               "x18446744073709551616.png", "x18446744073709551617.png"}));
    // A strict weak order over random names of few letters.
    std::mt19937 rng(2);
    auto name = [&] {
        std::string out;
        for (auto n = rng() % 5; n > 0; --n) out += "a01"[rng() % 3];
        return out;
    };
    for (int i = 0; i < 20000; ++i) {
        const std::string a = name(), b = name(), c = name();
        ASSERT_EQ(natural_less(a, b) || natural_less(b, a), a != b) << a << " " << b;
        ASSERT_FALSE(natural_less(a, b) && natural_less(b, a)) << a << " " << b;
        ASSERT_TRUE(!natural_less(a, b) || !natural_less(b, c) || natural_less(a, c))
            << a << " " << b << " " << c;
    }
}

#ifdef SCHEDBENCH_HAVE_OPENCV

TEST(ImageFile, PngRoundTripIsExact) {
    const TemporaryFolder folder;
    std::mt19937 rng(1);
    for (int64_t channels : {1, 3}) {
        const Image image = random_image(rng, channels, 13, 17);
        write_png(folder.file("a.png"), image);
        const Image back = read_image(folder.file("a.png"), channels == 1);
        EXPECT_EQ(back.channels, channels);
        EXPECT_EQ(back.height, 13);
        EXPECT_EQ(back.width, 17);
        EXPECT_EQ(back.pixels, image.pixels);
    }
}

TEST(ImageFile, ChannelsAreRedGreenBlue) {
    // A 1x1 PNG of pure red, byte by byte (PNG specification; zlib stream with one stored block).
    const std::vector<uint8_t> red = {
        0x89, 'P',  'N',  'G', 13,  10,   26,   10,   0,    0,    0,    13,   'I',  'H',  'D',  'R', 0, 0,
        0,    1,    0,    0,   0,   1,    8,    2,    0,    0,    0,    0x90, 0x77, 0x53, 0xde, 0,   0, 0,
        12,   'I',  'D',  'A', 'T', 0x78, 0x9c, 0x63, 0xf8, 0xcf, 0xc0, 0,    0,    3,    1,    1,   0, 0xc9,
        0xfe, 0x92, 0xef, 0,   0,   0,    0,    'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};
    const TemporaryFolder folder;
    EXPECT_EQ(read_image(folder.write("red.png", red)).pixels, (std::vector<uint8_t>{255, 0, 0}));
}

// A JPEG image of 8x8 gray pixels of value 120, byte by byte (ITU-T T.81): quantisers all 2, so that the only
// coefficient, the mean, is 8 (120 - 128) / 2 = -32. One Huffman code for DC differences of 6 bits, one for
// "end of block".
std::vector<uint8_t> gray_jpeg() {
    std::vector<uint8_t> out = {0xff, 0xd8, 0xff, 0xdb, 0, 67, 0};
    out.insert(out.end(), 64, 2);
    out.insert(out.end(), {0xff, 0xc0, 0, 11, 8, 0, 8, 0, 8, 1, 1, 0x11, 0});
    for (const std::vector<uint8_t>& table : {std::vector<uint8_t>{0x00, 6}, std::vector<uint8_t>{0x10, 0}}) {
        out.insert(out.end(), {0xff, 0xc4, 0, 20, table[0], 1});
        out.insert(out.end(), 15, 0);
        out.push_back(table[1]);
    }
    out.insert(out.end(), {0xff, 0xda, 0, 8, 1, 1, 0, 0, 0x3f, 0});
    // 0: six bits follow; 011111: -32; 0: end of block.
    out.insert(out.end(), {0b00111110, 0xff, 0xd9});
    return out;
}

TEST(ImageFile, ReadsJpegAndFindsCuts) {
    const TemporaryFolder folder;
    const std::vector<uint8_t> jpeg = gray_jpeg();
    EXPECT_EQ(read_image(folder.write("a.jpg", jpeg), true).pixels, std::vector<uint8_t>(64, 120));
    EXPECT_EQ(read_image(folder.file("a.jpg")).pixels, std::vector<uint8_t>(192, 120));
    EXPECT_EQ(load_dataset(Spec::parse("folder:size=4,path='" + folder.path() + "'")).pixels,
              std::vector<uint8_t>(48, 120));
    for (size_t size = 0; size < jpeg.size(); ++size) {
        folder.write("a.jpg", {jpeg.begin(), jpeg.begin() + static_cast<std::ptrdiff_t>(size)});
        ASSERT_THROW(read_image(folder.file("a.jpg")), Error) << size;
    }
}

TEST(ImageFile, CropsTheCentreAndAveragesAreas) {
    std::mt19937 rng(5);
    const Image image = random_image(rng, 3, 8, 13);  // crop columns 2..9, halve: means of 2x2 pixels
    const Image half = crop_and_resize(image, 4);
    for (int64_t c = 0; c < 3; ++c)
        for (int64_t y = 0; y < 4; ++y)
            for (int64_t x = 0; x < 4; ++x) {
                double sum = 0;
                for (int64_t dy = 0; dy < 2; ++dy)
                    for (int64_t dx = 0; dx < 2; ++dx)
                        sum += image.pixels[static_cast<size_t>((c * 8 + 2 * y + dy) * 13 + 2 + 2 * x + dx)];
                EXPECT_NEAR(half.pixels[static_cast<size_t>((c * 4 + y) * 4 + x)], sum / 4, 0.5);
            }
    const Image same = crop_and_resize(image, 8);
    for (int64_t c = 0; c < 3; ++c)
        for (int64_t y = 0; y < 8; ++y)
            for (int64_t x = 0; x < 8; ++x)
                EXPECT_EQ(same.pixels[static_cast<size_t>((c * 8 + y) * 8 + x)],
                          image.pixels[static_cast<size_t>((c * 8 + y) * 13 + 2 + x)]);
}

TEST(ImageFolder, IsReadInNaturalOrderAndFaultsNameTheImage) {
    const TemporaryFolder folder;
    std::mt19937 rng(6);
    std::vector<Image> images;
    for (int i = 0; i < 12; ++i) {
        images.push_back(random_image(rng, 3, 8, 8));
        write_png(folder.file("img" + std::to_string(i) + ".png"), images.back());
    }
    folder.write("notes.txt", {'x'});
    const std::string spec = "folder:path='" + folder.path() + "',size=8";
    const Dataset data = load_dataset(Spec::parse(spec));
    ASSERT_EQ(data.count, 12);
    EXPECT_EQ(data.channels, 3);
    EXPECT_TRUE(data.labels.empty());
    for (int64_t i = 0; i < 12; ++i)
        EXPECT_TRUE(std::ranges::equal(data.image(i), images[static_cast<size_t>(i)].pixels)) << i;
    EXPECT_EQ(load_dataset(Spec::parse(spec), "--data", 3).count, 3);

    const Dataset gray = load_dataset(Spec::parse(spec + ",gray=true"));
    EXPECT_EQ(gray.channels, 1);
    for (size_t p = 0; p < 64; ++p) {  // luminance of ITU-R BT.601
        const double luma = 0.299 * images[0].pixels[p] + 0.587 * images[0].pixels[64 + p] +
                            0.114 * images[0].pixels[128 + p];
        EXPECT_NEAR(gray.pixels[p], luma, 0.51);
    }

    auto load = [&] { load_dataset(Spec::parse(spec)); };
    std::vector<uint8_t> png = bytes_of(folder.file("img7.png"));
    std::vector<uint8_t> cut(png.begin(), png.end() - 30);
    folder.write("img7.png", cut);
    expect_error("file", {"img7.png, byte " + std::to_string(cut.size()), "cut short"}, load);
    std::vector<uint8_t> damaged = png;
    damaged[60] ^= 0xff;
    folder.write("img7.png", damaged);
    expect_error("file", {"img7.png", "the checksum (CRC-32) of a PNG chunk", "img7.png, byte 33"}, load);
    folder.write("img7.png", {'G', 'I', 'F'});
    expect_error("file", {"img7.png, byte 0", "neither a PNG nor a JPEG"}, load);
    folder.write("img7.png", {0xff, 0xd8, 0xff, 0xe0, 0, 16, 'J', 'F'});
    expect_error("file", {"img7.png, byte 8", "cut short"}, load);
    folder.write("img7.png", {});
    expect_error("file", {"img7.png", "is empty"}, load);
    expect_error("spec", {"size=0"},
                 [&] { load_dataset(Spec::parse("folder:path='" + folder.path() + "',size=0")); });
    const TemporaryFolder empty;
    expect_error("file", {"holds no .png"}, [&] { list_images(empty.path()); });
    expect_error("file", {"no such folder"}, [&] { list_images(empty.file("absent")); });
    expect_error("file", {"not a folder"}, [&] { list_images(folder.file("notes.txt")); });
}

TEST(ImageGrid, PutsImagesRowByRow) {
    const TemporaryFolder folder;
    std::mt19937 rng(8);
    const Image block = random_image(rng, 3, 5 * 4, 6);  // any 5 * 3 * 4 * 6 bytes
    write_image_grid(folder.file("grid.png"), block.pixels, {5, 3, 4, 6}, 3);
    const Image grid = read_image(folder.file("grid.png"));
    ASSERT_EQ(grid.height, 2 * 4);
    ASSERT_EQ(grid.width, 3 * 6);
    for (int64_t c = 0; c < 3; ++c)
        for (int64_t y = 0; y < 8; ++y)
            for (int64_t x = 0; x < 18; ++x) {
                const int64_t i = y / 4 * 3 + x / 6;
                const int expected =
                    i < 5 ? block.pixels[static_cast<size_t>(((i * 3 + c) * 4 + y % 4) * 6 + x % 6)] : 0;
                ASSERT_EQ(grid.pixels[static_cast<size_t>((c * 8 + y) * 18 + x)], expected);
            }
    const Image squares = random_image(rng, 1, 10 * 4, 4);
    write_image_grid(folder.file("auto.png"), squares.pixels, {10, 1, 4, 4});
    EXPECT_EQ(read_image(folder.file("auto.png")).width, 4 * 4);
    expect_error("shape", {"[10, 2, 4, 2]", "1 or 3 channels"}, [&] {
        write_image_grid(folder.file("x.png"), squares.pixels, {10, 2, 4, 2});
    });
}

#else

TEST(ImageFile, WithoutOpenCvSaysSo) {
    expect_error("option", {"without OpenCV", "SCHEDBENCH_OPENCV"}, [] { read_image("a.png"); });
    expect_error("option", {"without OpenCV", "x.png"}, [] {
        write_image_grid("x.png", std::vector<uint8_t>(16), {1, 1, 4, 4});
    });
}

#endif

}  // namespace
}  // namespace schedbench
