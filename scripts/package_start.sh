#!/bin/sh
# Starts the program of this folder with the libraries beside it and those of an installed torch: of SCHEDBENCH_TORCH
# (a folder with lib/), else of the python3 that is first on the PATH, which is asked where its torch is, without
# importing it.
needed=@TORCH@
here=$(dirname -- "$(readlink -f -- "$0")")

fail() {
    printf 'schedbench: error: %s; %s\n' "$1" "$2" >&2
    exit 2
}

torch=${SCHEDBENCH_TORCH:-}
if [ -n "$torch" ]; then
    found="SCHEDBENCH_TORCH=$torch"
else
    python=$(command -v python3) ||
        fail "there is neither SCHEDBENCH_TORCH nor a python3" \
            "install torch $needed (pip install torch==$needed.*), or set SCHEDBENCH_TORCH to a folder with torch's lib/"
    torch=$("$python" -c 'import importlib.util, sys
sys.path = [path for path in sys.path if path]
spec = importlib.util.find_spec("torch")
print(spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else "")' 2>/dev/null)
    [ -n "$torch" ] ||
        fail "$python has no torch" \
            "install it (pip install torch==$needed.*), activate the environment that has it, or set SCHEDBENCH_TORCH to a folder with torch's lib/"
    found="the torch of $python in $torch"
fi
[ -f "$torch/lib/libtorch_cpu.so" ] ||
    fail "$found has no lib/libtorch_cpu.so" "expected a folder as pip or the libtorch archive lays it out"
if [ -f "$torch/version.py" ]; then
    version=$(sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$torch/version.py")
else
    version=$(sed -n '1s/^\([0-9.]*\).*/\1/p' "$torch/build-version" 2>/dev/null)
fi
case $version in
"$needed" | "$needed".*) ;;
*) fail "$found is version ${version:-unknown}" "this program was built for torch $needed: pip install torch==$needed.*" ;;
esac
LD_LIBRARY_PATH=$here/lib:$torch/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export LD_LIBRARY_PATH
exec "$here/bin/schedbench" "$@"
