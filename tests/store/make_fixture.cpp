// make_fixture FILE: writes the fixture of the schema version of this program (fixtures/schema_<version>.h5).
// Run it once when the version changes, and keep the file: it shows that later programs read what this one
// wrote.
#include <iostream>

#include "store_testing.h"

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: make_fixture FILE\n";
        return 2;
    }
    schedbench::make_run(argv[1], 12);
    std::filesystem::remove(schedbench::lock_path(argv[1]));
    return 0;
}
