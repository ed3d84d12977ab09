#include "data/inflater.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

struct Inflater::State {
    z_stream stream{};
    size_t taken = 0;  ///< bytes of the input handed to zlib so far (avail_in is 32 bits wide)
};

Inflater::Inflater(Format format, std::span<const uint8_t> input, std::string path, uint64_t input_offset)
    : state_(std::make_unique<State>()),
      format_(format),
      input_(input),
      path_(std::move(path)),
      input_offset_(input_offset) {
    // zlib's window bits: 15 is the largest window, +16 asks for a gzip header, a negative number for no
    // header.
    SCHEDBENCH_ASSERT(inflateInit2(&state_->stream, format == Format::gzip ? 15 + 16 : -15) == Z_OK);
}

Inflater::~Inflater() {
    inflateEnd(&state_->stream);
}

// A gzip file may be several members one after another (as `cat a.gz b.gz` makes); anything else behind the
// end is a fault.
bool Inflater::next_member() {
    z_stream& stream = state_->stream;
    const size_t at = state_->taken - stream.avail_in;
    if (at == input_.size()) return false;
    if (format_ == Format::gzip && input_.size() - at >= 2 && input_[at] == 0x1f && input_[at + 1] == 0x8b) {
        SCHEDBENCH_ASSERT(inflateReset(&stream) == Z_OK);
        return true;
    }
    throw Error("file", std::to_string(input_.size() - at) + " bytes follow the end of the compressed data",
                at_byte(path_, input_offset_ + at), "the file is damaged: fetch it again");
}

size_t Inflater::read(std::span<uint8_t> out) {
    constexpr size_t kPiece = size_t{1} << 30;
    z_stream& stream = state_->stream;
    size_t done = 0;
    while (done < out.size() && !ended_) {
        if (stream.avail_in == 0 && state_->taken < input_.size()) {
            const size_t piece = std::min(kPiece, input_.size() - state_->taken);
            stream.next_in = const_cast<Bytef*>(input_.data() + state_->taken);  // zlib does not write to it
            stream.avail_in = static_cast<uInt>(piece);
            state_->taken += piece;
        }
        const size_t room = std::min(kPiece, out.size() - done);
        stream.next_out = out.data() + done;
        stream.avail_out = static_cast<uInt>(room);
        const int result = inflate(&stream, Z_NO_FLUSH);
        done += room - stream.avail_out;
        if (result == Z_STREAM_END) {
            ended_ = !next_member();
        } else if (result ==
                   Z_BUF_ERROR) {  // no progress is possible: there is room, so the input has run out
            throw Error("file", "the compressed data end too early",
                        at_byte(path_, input_offset_ + input_.size()),
                        "the file is cut short: fetch it again");
        } else if (result != Z_OK) {
            throw Error("file",
                        std::string("damaged compressed data: ") +
                            (stream.msg ? stream.msg : "zlib cannot read them"),
                        at_byte(path_, input_offset_ + state_->taken - stream.avail_in),
                        "the file is damaged: fetch it again");
        }
    }
    return done;
}

}  // namespace schedbench
