#include "data/npz_member.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

namespace {

constexpr const char* kHint = "the .npz file is cut short or damaged";

const ZipMember& member_of(const ZipArchive& archive, const std::string& name) {
    std::string known;
    for (const ZipMember& member : archive.members()) {
        const std::string other = npz_array_name(archive, member);
        if (other == name) return member;
        known += (known.empty() ? "" : ", ") + other;
    }
    throw Error("file", "holds no array \"" + name + "\"", archive.path(),
                known.empty() ? "it is empty" : "it holds " + known);
}

}  // namespace

std::string npz_array_name(const ZipArchive& archive, const ZipMember& member) {
    if (member.name.size() <= 4 || !member.name.ends_with(".npy"))
        throw Error("file", "the member \"" + member.name + "\" is not a .npy array", archive.path(),
                    "save it with numpy.savez");
    return member.name.substr(0, member.name.size() - 4);
}

NpzMember::NpzMember(std::shared_ptr<const ZipArchive> archive, const std::string& name)
    : archive_(std::move(archive)),
      member_(member_of(*archive_, name)),
      packed_(archive_->packed(member_, packed_at_)),
      origin_(archive_->path() + ":" + name) {
    if (member_.deflated && member_.size / Inflater::kLargestExpansion > member_.packed_size)
        throw Error("file", "the member \"" + name + "\" claims more bytes than it can hold",
                    at_byte(archive_->path(), packed_at_), kHint);
    restart();
    layout_ = decode_npy_layout(
        member_.size, [this](uint64_t offset, std::span<uint8_t> out) { read(offset, out); }, origin_);
}

void NpzMember::restart() {
    position_ = 0, crc_ = 0;
    if (member_.deflated)
        inflater_ = std::make_unique<Inflater>(Inflater::Format::raw, packed_, archive_->path(), packed_at_);
}

/// The next bytes in order.
void NpzMember::unpack(std::span<uint8_t> out) {
    const auto fail = [&](const std::string& message) {
        throw Error("file", message, at_byte(archive_->path(), packed_at_), kHint);
    };
    if (out.empty()) return;
    if (!member_.deflated)
        std::memcpy(out.data(), packed_.data() + position_, out.size());
    else if (inflater_->read(out) != out.size())
        fail("the member \"" + npz_array_name(*archive_, member_) +
             "\" is not as long as the directory says");
    position_ += out.size();
    crc_ = static_cast<uint32_t>(crc32_z(crc_, out.data(), out.size()));
    if (position_ < member_.size) return;
    std::array<uint8_t, 1> extra{};
    if (member_.deflated && inflater_->read(extra) != 0)
        fail("the member \"" + npz_array_name(*archive_, member_) +
             "\" is not as long as the directory says");
    if (crc_ != member_.crc)
        fail("the checksum (CRC-32) of the member \"" + npz_array_name(*archive_, member_) +
             "\" does not agree");
    archive_->file().forget();
}

void NpzMember::read(uint64_t offset, std::span<uint8_t> out) {
    SCHEDBENCH_ASSERT(offset <= member_.size && out.size() <= member_.size - offset);
    if (offset < position_) restart();
    if (!member_.deflated && offset != position_) {  // out of order: no need to look at what lies between
        std::memcpy(out.data(), packed_.data() + offset, out.size());
        return;
    }
    std::vector<uint8_t> skipped(std::min<uint64_t>(offset - position_, 1 << 20));
    while (position_ < offset)
        unpack(std::span(skipped).first(std::min<uint64_t>(skipped.size(), offset - position_)));
    unpack(out);
}

}  // namespace schedbench
