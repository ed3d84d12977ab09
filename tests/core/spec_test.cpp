#include "core/spec.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "core/spec_schema.h"

namespace schedbench {
namespace {

TEST(Spec, ReadsEveryFormOfTheDesign) {
    for (const char* text :
         {"edm:rho=7", "heun", "ddim:eta=0.5", "dp-elbo:variance=posterior", "explicit:levels=[80,10,1,0.1]",
          "exact:gaussian,c=0.5,dim=2", "native:file=FILE.safetensors",
          "torchscript:file='a,b.pt',prediction=eps", "a:b={c:d=[1,{e:f=2}]}"}) {
        const Spec spec = Spec::parse(text);
        EXPECT_EQ(Spec::parse(spec.print()), spec) << text;
        EXPECT_EQ(spec.print(), Spec::parse(spec.print()).print()) << text;
    }
    EXPECT_EQ(Spec::parse("a:z=1,b=2").print(), "a:b=2,z=1");
    EXPECT_EQ(Spec::parse("t:file='it''s'").text("file"), "it's");
}

TEST(Spec, PrintThenParseIsIdentityOnRandomSpecs) {
    std::mt19937 rng(7);
    auto pick = [&](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n)); };
    const std::string alphabet = "ab,:=[]{}'\"# .-/0";
    std::function<SpecValue(int)> value;
    std::function<Spec(int)> spec = [&](int depth) {
        Spec s;
        s.name = std::string(1, static_cast<char>('a' + pick(26)));
        if (pick(3) == 0)
            s.sub = std::string(1 + static_cast<size_t>(pick(3)), alphabet[static_cast<size_t>(pick(18))]);
        for (int i = pick(4); i > 0; --i)
            s.set(std::string(1, static_cast<char>('a' + pick(26))), value(depth - 1));
        return s;
    };
    value = [&](int depth) {
        const int kind = depth > 0 ? pick(4) : 0;
        if (kind == 1) {
            std::vector<SpecValue> list;
            for (int i = pick(4); i > 0; --i) list.push_back(value(depth - 1));
            return SpecValue::of_list(list);
        }
        if (kind == 2) return SpecValue::of_spec(spec(depth - 1));
        std::string text;
        for (int i = pick(6); i > 0; --i) text += alphabet[static_cast<size_t>(pick(18))];
        return SpecValue::of_text(text);
    };
    for (int i = 0; i < 3000; ++i) {
        const Spec s = spec(3);
        ASSERT_EQ(Spec::parse(s.print()), s) << s.print();
    }
}

TEST(Spec, FaultsNameTheColumn) {
    for (const char* text : {"", ":", "a:", "a:b=", "a:b=1,", "a:b=1,c", "a:b=[1", "a:b='x", "a:b={c", "a b",
                             "a:b=1,b=2", "a:b=1]"}) {
        try {
            Spec::parse(text, "--schedule");
            FAIL() << text;
        } catch (const Error& e) {
            EXPECT_EQ(e.kind(), "spec");
            EXPECT_EQ(e.where(), "--schedule");
            EXPECT_NE(e.message().find("column"), std::string::npos) << e.what();
        }
    }
}

TEST(Spec, NumbersReadBackExactly) {
    std::mt19937_64 rng(1);
    for (int i = 0; i < 10000; ++i) {
        const double value = std::ldexp(static_cast<double>(rng()), static_cast<int>(rng() % 200) - 160);
        ASSERT_EQ(parse_number(format_number(value)), value);
    }
    EXPECT_FALSE(parse_number("7x"));
    EXPECT_FALSE(parse_number(""));
}

const std::vector<SpecEntry> kEntries = {
    {"edm",
     "",
     "",
     {{"rho", SpecParam::Type::number, "7", "exponent"},
      {"end", SpecParam::Type::choice, "zero", "", {"zero", "sigma-min"}}}},
    {"explicit", "", "", {{"levels", SpecParam::Type::numbers, "", "levels", {}, true}}}};

TEST(SpecSchema, FillsDefaultsSoThatEqualMeaningHasEqualText) {
    auto canonical = [](const char* text) {
        const Spec spec = Spec::parse(text);
        return complete(spec, find_entry(kEntries, spec, "schedules", "--schedule"), "--schedule").print();
    };
    EXPECT_EQ(canonical("edm"), "edm:end=zero,rho=7");
    EXPECT_EQ(canonical("edm:rho=7.0"), canonical("edm"));
    EXPECT_EQ(canonical("explicit:levels=[80.0,1e0]"), "explicit:levels=[80,1]");
    auto message = [&](const char* text) -> std::string {
        try {
            canonical(text);
        } catch (const Error& e) {
            return e.what();
        }
        return "no error";
    };
    EXPECT_NE(message("edn").find("did you mean \"edm\""), std::string::npos);
    EXPECT_NE(message("edm:rh=7").find("did you mean \"rho\""), std::string::npos);
    EXPECT_NE(message("edm:end=zeros").find("did you mean \"zero\""), std::string::npos);
    EXPECT_NE(message("edm:rho=x").find("wants a number"), std::string::npos);
    EXPECT_NE(message("explicit").find("needs levels"), std::string::npos);
}

}  // namespace
}  // namespace schedbench
