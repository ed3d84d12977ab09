// Inflater: reads a gzip or raw deflate stream that lies in memory, through zlib. Sizes and checksums are
// checked.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace schedbench {

class Inflater {
  public:
    enum class Format { gzip, raw };  ///< raw: a member of a zip archive

    /// `input` must outlive this. `path` and `input_offset` (of input in the file) are for error messages.
    Inflater(Format format, std::span<const uint8_t> input, std::string path, uint64_t input_offset = 0);
    ~Inflater();
    Inflater(const Inflater&) = delete;
    Inflater& operator=(const Inflater&) = delete;

    /// Fills `out` as far as the stream goes and returns how many bytes that were: fewer than out.size() only
    /// at the stream's proper end. Error("file") where the compressed data are damaged or cut short.
    size_t read(std::span<uint8_t> out);

    /// Deflate cannot expand by more than 1032 to 1 (a length of 258 bytes in 2 bits), so a header that
    /// claims more than this is wrong, and nothing need be allocated to find that out.
    static constexpr uint64_t kLargestExpansion = 1032;

  private:
    bool next_member();
    struct State;
    std::unique_ptr<State> state_;
    Format format_;
    std::span<const uint8_t> input_;
    std::string path_;
    uint64_t input_offset_;
    bool ended_ = false;
};

}  // namespace schedbench
