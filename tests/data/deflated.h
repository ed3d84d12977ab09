// What zlib packs, for files that the tests build byte by byte.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <vector>

namespace schedbench {

inline constexpr int kRawDeflate = -15,
                     kGzip = 15 + 16;  ///< zlib's windowBits: a member of a zip archive; .gz

inline std::vector<uint8_t> deflated(const std::vector<uint8_t>& plain, int window_bits) {
    std::vector<uint8_t> out(plain.size() + plain.size() / 10 + 1000);
    z_stream stream{};
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = const_cast<Bytef*>(plain.data());
    stream.avail_in = static_cast<uInt>(plain.size());
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

}  // namespace schedbench
