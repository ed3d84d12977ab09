#include "eval/inception_layers.h"

#include <initializer_list>
#include <utility>

namespace schedbench {

namespace {

struct Kernel {
    int64_t out, height, width, stride;
};
constexpr Kernel point(int64_t out) {
    return {out, 1, 1, 1};
}
constexpr Kernel square(int64_t out, int64_t side) {
    return {out, side, side, 1};
}
constexpr Kernel halving(int64_t out) {
    return {out, 3, 3, 2};
}
constexpr Kernel row(int64_t out, int64_t length) {
    return {out, 1, length, 1};
}
constexpr Kernel column(int64_t out, int64_t length) {
    return {out, length, 1, 1};
}

class Table {
  public:
    /// Height and width of the input of what is added next.
    void at(int64_t side) { side_ = side; }
    /// One layer; a halving one is never padded.
    void layer(const std::string& name, int64_t in, Kernel k, bool padded = true) {
        layers_[name] = {in, k.out, k.height, k.width, k.stride, padded && k.stride == 1, side_};
    }
    /// PREFIX_1, PREFIX_2, ...: each takes what the one before gives.
    void chain(const std::string& prefix, int64_t in, std::initializer_list<Kernel> kernels) {
        int64_t number = 0;
        for (const Kernel& k : kernels) {
            layer(prefix + "_" + std::to_string(++number), in, k);
            in = k.out;
        }
    }
    std::map<std::string, InceptionLayer> take() { return std::move(layers_); }

  private:
    int64_t side_ = 0;
    std::map<std::string, InceptionLayer> layers_;
};

std::map<std::string, InceptionLayer> make() {
    Table t;
    t.at(299);
    t.layer("Conv2d_1a_3x3", 3, halving(32));
    t.at(149);
    t.layer("Conv2d_2a_3x3", 32, square(32, 3), false);
    t.at(147);
    t.layer("Conv2d_2b_3x3", 32, square(64, 3));
    t.at(73);
    t.layer("Conv2d_3b_1x1", 64, point(80));
    t.layer("Conv2d_4a_3x3", 80, square(192, 3), false);
    t.at(35);

    struct BlockA {
        const char* name;
        int64_t in, pool;
    };
    for (const auto& [name, in, pool] : {BlockA{"5b", 192, 32}, {"5c", 256, 64}, {"5d", 288, 64}}) {
        const std::string block = std::string("Mixed_") + name + ".branch";
        t.layer(block + "1x1", in, point(64));
        t.chain(block + "5x5", in, {point(48), square(64, 5)});
        t.chain(block + "3x3dbl", in, {point(64), square(96, 3), square(96, 3)});
        t.layer(block + "_pool", in, point(pool));
    }

    t.layer("Mixed_6a.branch3x3", 288, halving(384));
    t.chain("Mixed_6a.branch3x3dbl", 288, {point(64), square(96, 3), halving(96)});

    t.at(17);
    struct BlockC {
        const char* name;
        int64_t c;
    };
    for (const auto& [name, c] : {BlockC{"6b", 128}, {"6c", 160}, {"6d", 160}, {"6e", 192}}) {
        const std::string block = std::string("Mixed_") + name + ".branch";
        t.layer(block + "1x1", 768, point(192));
        t.chain(block + "7x7", 768, {point(c), row(c, 7), column(192, 7)});
        t.chain(block + "7x7dbl", 768, {point(c), column(c, 7), row(c, 7), column(c, 7), row(192, 7)});
        t.layer(block + "_pool", 768, point(192));
    }

    t.chain("Mixed_7a.branch3x3", 768, {point(192), halving(320)});
    t.chain("Mixed_7a.branch7x7x3", 768, {point(192), row(192, 7), column(192, 7), halving(192)});

    t.at(8);
    for (const auto& [name, in] : {BlockC{"7b", 1280}, {"7c", 2048}}) {
        const std::string block = std::string("Mixed_") + name + ".branch";
        t.layer(block + "1x1", in, point(320));
        t.layer(block + "3x3_1", in, point(384));
        t.layer(block + "3x3_2a", 384, row(384, 3));
        t.layer(block + "3x3_2b", 384, column(384, 3));
        t.chain(block + "3x3dbl", in, {point(448), square(384, 3)});
        t.layer(block + "3x3dbl_3a", 384, row(384, 3));
        t.layer(block + "3x3dbl_3b", 384, column(384, 3));
        t.layer(block + "_pool", in, point(192));
    }
    return t.take();
}

}  // namespace

const std::map<std::string, InceptionLayer>& inception_layers() {
    static const std::map<std::string, InceptionLayer> layers = make();
    return layers;
}

}  // namespace schedbench
