#include "apps/comma_list.h"

#include "core/error.h"
#include "core/spec.h"

namespace schedbench {

std::vector<std::string> comma_words(const std::string& text, const std::string& where) {
    std::vector<std::string> out;
    for (size_t start = 0; !text.empty() && start <= text.size();) {
        const size_t comma = std::min(text.find(',', start), text.size());
        out.push_back(text.substr(start, comma - start));
        if (out.back().empty())
            throw Error("option", "has an empty entry in \"" + text + "\"", where,
                        "separate entries by one comma");
        start = comma + 1;
    }
    return out;
}

std::vector<int> comma_integers(const std::string& text, const std::string& where) {
    std::vector<int> out;
    for (const std::string& word : comma_words(text, where)) {
        const auto value = parse_number(word);
        if (!value || *value < 1 || *value > 1e9 || *value != static_cast<double>(static_cast<int>(*value)))
            throw Error("option",
                        "wants whole numbers of at least 1 with commas between them, not \"" + text + "\"",
                        where);
        out.push_back(static_cast<int>(*value));
    }
    return out;
}

}  // namespace schedbench
