#include "data/npy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>

#include "core/error.h"
#include "data/byte_file.h"

namespace schedbench {

namespace {

static_assert(std::endian::native == std::endian::little,
              "NPY data are read and written as they lie in memory");

constexpr uint8_t kMagic[6] = {0x93, 'N', 'U', 'M', 'P', 'Y'};

// The header is a Python dictionary with exactly the keys descr, fortran_order and shape; this reads that and
// no more.
class HeaderParser {
  public:
    HeaderParser(std::string_view text, uint64_t offset, const std::string& origin)
        : text_(text), offset_(offset), origin_(origin) {}

    struct Header {
        std::string descr;
        std::vector<int64_t> shape;
    };

    Header parse() {
        expect('{');
        Header header;
        std::optional<size_t> descr_at, order_at, shape_at;
        while (!accept('}')) {
            const std::string key = quoted();
            expect(':');
            skip_space();
            std::optional<size_t>& at = key == "descr"           ? descr_at
                                        : key == "fortran_order" ? order_at
                                                                 : shape_at;
            if (key != "descr" && key != "fortran_order" && key != "shape")
                fail("unknown key \"" + key + "\"");
            if (at) fail("the key \"" + key + "\" comes twice");
            at = position_;
            if (key == "descr") {
                if (peek() == '[')
                    fail("a structured element type", "save each field as an array of its own");
                header.descr = quoted();
            } else if (key == "fortran_order") {
                if (word("True"))
                    fail("the array is stored in Fortran order, expected C order",
                         "save numpy.ascontiguousarray(array) instead");
                if (!word("False")) fail("fortran_order is neither True nor False");
            } else {
                header.shape = tuple();
            }
            if (!accept(',')) {
                expect('}');
                break;
            }
        }
        skip_space();
        if (position_ != text_.size()) fail("something follows the closing brace");
        if (!descr_at || !order_at || !shape_at) fail("descr, fortran_order or shape is missing");
        position_ = *descr_at;
        return header;
    }

    [[noreturn]] void fail(const std::string& message,
                           const std::string& hint = "this is not a sound .npy file") const {
        throw Error("file", message, at_byte(origin_, offset_ + position_), hint);
    }

  private:
    void skip_space() {
        while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
    }
    char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
    bool accept(char c) {
        skip_space();
        if (peek() != c) return false;
        ++position_;
        return true;
    }
    void expect(char c) {
        if (!accept(c)) fail(std::string("expected '") + c + "' in the header");
    }
    bool word(std::string_view wanted) {
        if (text_.substr(position_, wanted.size()) != wanted) return false;
        position_ += wanted.size();
        return true;
    }
    std::string quoted() {
        skip_space();
        const char quote = peek();
        if (quote != '\'' && quote != '"') fail("expected a quoted text in the header");
        const size_t end = text_.find(quote, position_ + 1);
        if (end == std::string_view::npos) fail("a quoted text does not end");
        std::string out(text_.substr(position_ + 1, end - position_ - 1));
        position_ = end + 1;
        return out;
    }
    std::vector<int64_t> tuple() {
        std::vector<int64_t> out;
        expect('(');
        while (!accept(')')) {
            skip_space();
            if (peek() < '0' || peek() > '9') fail("expected a length in the shape");
            int64_t value = 0;
            for (; peek() >= '0' && peek() <= '9'; ++position_) {
                if (value > std::numeric_limits<int64_t>::max() / 10 - 1)
                    fail("a length in the shape is too large");
                value = 10 * value + (peek() - '0');
            }
            out.push_back(value);
            if (!accept(',')) {
                expect(')');
                break;
            }
        }
        return out;
    }

    std::string_view text_;
    size_t position_ = 0;
    uint64_t offset_;
    std::string origin_;
};

template <class T>
std::span<uint8_t> writable_bytes(std::vector<T>& values) {
    return {reinterpret_cast<uint8_t*>(values.data()), values.size() * sizeof(T)};
}

}  // namespace

int64_t NpyArray::count() const {
    int64_t total = 1;
    for (int64_t extent : shape) total *= extent;
    return total;
}

const char* NpyArray::type_name() const {
    constexpr std::array<const char*, 4> names = {"float32", "float64", "int64", "uint8"};
    return names[values.index()];
}

std::vector<double> NpyArray::as_doubles() const {
    return std::visit(
        [](const auto& from) {
            std::vector<double> out(from.size());
            std::transform(from.begin(), from.end(), out.begin(),
                           [](auto x) { return static_cast<double>(x); });
            return out;
        },
        values);
}

void NpyArray::wrong_type(const char* wanted) const {
    throw Error("file", std::string("holds ") + type_name() + ", expected " + wanted,
                origin.empty() ? "array" : origin,
                std::string("save array.astype(\"") + wanted + "\") instead");
}

namespace {

using ReadBytes = std::function<void(uint64_t, std::span<uint8_t>)>;

/// An array without its elements; `data_at` becomes the byte of the first.
NpyArray decode_header(uint64_t size, const ReadBytes& read, const std::string& origin, uint64_t& data_at,
                       uint64_t& count) {
    auto need = [&](uint64_t bytes, const char* what) {
        if (size < bytes)
            throw Error(
                "file",
                std::string("ends within ") + what + ", " + std::to_string(bytes) + " bytes were expected",
                at_byte(origin, size), "the file is cut short");
    };
    std::array<uint8_t, 12> start{};
    need(10, "the first 10 bytes of a .npy file");
    read(0, std::span(start).first(10));
    if (!std::equal(std::begin(kMagic), std::end(kMagic), start.begin()))
        throw Error("file", "does not begin with the magic bytes of a .npy file", at_byte(origin, 0),
                    "save it with numpy.save");
    const int version = start[6];
    if ((version != 1 && version != 2) || start[7] != 0)
        throw Error("file",
                    "version " + std::to_string(version) + "." + std::to_string(start[7]) +
                        " of the .npy format, expected 1.0 or 2.0",
                    at_byte(origin, 6), "save a plain array of numbers with numpy.save");
    uint64_t header_size = start[8] | uint64_t{start[9]} << 8, header_at = 10;
    if (version == 2) {
        header_at = 12;
        need(12, "the first 12 bytes of a .npy file");
        read(10, std::span(start).subspan(10, 2));
        header_size |= uint64_t{start[10]} << 16 | uint64_t{start[11]} << 24;
    }
    data_at = header_at + header_size;
    need(data_at, "the header");
    std::vector<uint8_t> text(header_size);
    read(header_at, text);
    HeaderParser parser({reinterpret_cast<const char*>(text.data()), text.size()}, header_at, origin);
    const HeaderParser::Header header = parser.parse();

    NpyArray array;
    array.origin = origin;
    array.shape = header.shape;
    if (header.descr == "<f4")
        array.values = std::vector<float>();
    else if (header.descr == "<f8")
        array.values = std::vector<double>();
    else if (header.descr == "<i8")
        array.values = std::vector<int64_t>();
    else if (header.descr == "|u1" || header.descr == "<u1")
        array.values = std::vector<uint8_t>();
    else if (header.descr.find('O') != std::string::npos)
        parser.fail("holds Python objects (" + header.descr + "), expected numbers",
                    "save an array of float32, float64, int64 or uint8");
    else
        parser.fail("element type " + header.descr + ", expected <f4, <f8, <i8 or |u1",
                    "save array.astype(\"float32\"), or float64, int64, uint8");
    std::visit(
        [&](const auto& values) {
            constexpr uint64_t width = sizeof(values[0]);
            // No extent may be multiplied in before it is known to fit: the product of a damaged header can
            // overflow.
            const uint64_t held = (size - data_at) / width;
            const bool empty = std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end();
            count = empty ? 0 : 1;
            for (int64_t extent : header.shape) {
                if (empty) break;
                if (count > held / static_cast<uint64_t>(extent))
                    throw Error("file",
                                "the header claims more elements than the " + std::to_string(held) +
                                    " that the file holds",
                                at_byte(origin, size), "the file is cut short");
                count *= static_cast<uint64_t>(extent);
            }
            if (count > held)
                throw Error("file", "the element is missing", at_byte(origin, size), "the file is cut short");
            if (data_at + count * width != size)
                throw Error(
                    "file", std::to_string(size - data_at - count * width) + " bytes follow the last element",
                    at_byte(origin, data_at + count * width), "the file is longer than its header says");
        },
        array.values);
    return array;
}

}  // namespace

NpyArray decode_npy(uint64_t size, const ReadBytes& read, const std::string& origin) {
    uint64_t data_at = 0, count = 0;
    NpyArray array = decode_header(size, read, origin, data_at, count);
    std::visit(
        [&](auto& values) {
            values.resize(count);
            read(data_at, writable_bytes(values));
        },
        array.values);
    return array;
}

NpyLayout decode_npy_layout(uint64_t size, const ReadBytes& read, const std::string& origin) {
    NpyLayout out;
    uint64_t count = 0;
    const NpyArray array = decode_header(size, read, origin, out.data_at, count);
    out.shape = array.shape;
    out.type = array.type_name();
    return out;
}

NpyLayout read_npy_layout(const std::string& path) {
    return decode_npy_layout(
        regular_file_size(path),
        [&](uint64_t offset, std::span<uint8_t> bytes) { read_bytes(path, offset, bytes); }, path);
}

NpyArray read_npy(const std::string& path) {
    return decode_npy(
        regular_file_size(path),
        [&](uint64_t offset, std::span<uint8_t> out) { read_bytes(path, offset, out); }, path);
}

std::vector<uint8_t> npy_header(const NpyArray& array) {
    constexpr std::array<const char*, 4> descr = {"<f4", "<f8", "<i8", "|u1"};
    std::string shape;
    for (int64_t extent : array.shape) shape += std::to_string(extent) + ", ";
    if (array.shape.size() > 1) shape.resize(shape.size() - 2);
    if (array.shape.size() == 1) shape.resize(shape.size() - 1);  // a tuple of one keeps its comma
    std::string text = std::string("{'descr': '") + descr[array.values.index()] +
                       "', 'fortran_order': False, 'shape': (" + shape + "), }";
    const size_t before = 10;  // magic, version, length
    text.append(63 - (before + text.size()) % 64, ' ');
    text += '\n';
    SCHEDBENCH_ASSERT(text.size() <= 0xffff);
    std::string start(std::begin(kMagic), std::end(kMagic));
    for (size_t byte : {size_t{1}, size_t{0}, text.size() & 0xff, text.size() >> 8})
        start += static_cast<char>(byte);
    text.insert(0, start);
    return {text.begin(), text.end()};
}

std::span<const uint8_t> npy_data(const NpyArray& array) {
    return std::visit(
        [&](const auto& values) -> std::span<const uint8_t> {
            SCHEDBENCH_ASSERT(static_cast<int64_t>(values.size()) == array.count());
            return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(values[0])};
        },
        array.values);
}

void write_npy(const std::string& path, const NpyArray& array) {
    const std::vector<uint8_t> header = npy_header(array);
    const std::array<std::span<const uint8_t>, 2> parts = {std::span<const uint8_t>(header), npy_data(array)};
    write_bytes(path, parts);
}

}  // namespace schedbench
