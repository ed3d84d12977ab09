// One array of an .npz archive, whose elements are read in pieces: the array may be larger than memory.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/inflater.h"
#include "data/npy.h"
#include "data/zip_archive.h"

namespace schedbench {

class NpzMember {
  public:
    /// Error("file") as for read_npz(); an unknown name is answered with those there are.
    NpzMember(std::shared_ptr<const ZipArchive> archive, const std::string& name);
    NpzMember(const std::string& path, const std::string& name)
        : NpzMember(std::make_shared<const ZipArchive>(path), name) {}

    const NpyLayout& layout() const { return layout_; }
    const std::string& origin() const { return origin_; }  ///< file and array, for messages
    uint64_t size() const { return member_.size; }

    /// Bytes [offset, offset + out.size()) of the .npy file that the member is; the elements begin at
    /// layout().data_at. Deflated bytes are unpacked from where the last call ended, or from the start where
    /// `offset` lies before that. The checksum is compared when all bytes have been read in order.
    void read(uint64_t offset, std::span<uint8_t> out);

  private:
    void unpack(std::span<uint8_t> out);
    void restart();

    std::shared_ptr<const ZipArchive> archive_;
    ZipMember member_;
    uint64_t packed_at_ = 0;  ///< byte of the file at which packed_ begins, and is set with it
    std::span<const uint8_t> packed_;
    std::string origin_;
    std::unique_ptr<Inflater> inflater_;
    uint64_t position_ = 0;  ///< bytes unpacked, or read in order, so far
    uint32_t crc_ = 0;       ///< of those
    NpyLayout layout_;
};

/// "mu" for the member "mu.npy" of an archive; Error("file") for a member that is no array.
std::string npz_array_name(const ZipArchive& archive, const ZipMember& member);

}  // namespace schedbench
