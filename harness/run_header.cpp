#include "harness/run_header.h"

#include <ctime>

namespace schedbench {

RunHeader new_run_header(const std::string& status) {
    const std::time_t now = std::time(nullptr);
    char text[32];
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&now));
    RunHeader out;
    out.software = "schedbench " SCHEDBENCH_VERSION;
    out.commit = SCHEDBENCH_COMMIT;
    out.created = text;
    out.status = status;
    return out;
}

}  // namespace schedbench
