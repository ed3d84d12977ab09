#!/usr/bin/env bash
# Prepares a machine to build, test and plot: system packages, then a virtual environment .venv with LibTorch (out of
# the torch wheel), what Python needs to import torch (for converters, exports and their tests), and the plotting
# libraries. Run it as often as you like: what is there is left alone, what an
# interrupted run left half done is finished.
#
#   scripts/setup.sh [--skip-system] [--without-python-torch] [--with-launchers]
#
#   --skip-system          do not look at system packages (they come from elsewhere than apt)
#   --without-python-torch only the libraries of torch: no converters, no exports, their tests are skipped. Saves
#                          the CUDA libraries that the machine lacks (up to 3 GB where there is no CUDA at all)
#   --with-launchers       also OpenMPI's mpirun and Slurm, under which tests then start several processes (without
#                          them these tests are skipped). Debian's packages start Slurm's daemon munged
#   SCHEDBENCH_TORCH=DIR   use the LibTorch in DIR (it holds lib/ and include/) in place of the wheel's
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
venv=$root/.venv

say() { printf 'setup: %s\n' "$*"; }
fail() {
    printf 'setup: error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 2
}

# Runs a command with its output in a log; shows the end of it only when the command fails.
logged() {
    local log=$1
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        return 0
    fi
    printf 'setup: the last lines of %s:\n' "$log" >&2
    tail -n 15 "$log" | sed -E "s#https?://[^ '\"]+#(address)#g; s#(host=)'[^']*'#\1'...'#g; s/^/  | /" >&2
    return 1
}

# ---------------------------------------------------------------------------------------------- system packages

required_packages=(
    build-essential cmake ninja-build git python3 python3-venv
    libhdf5-dev libopencv-dev libboost-dev libboost-program-options-dev librandom123-dev nlohmann-json3-dev
    libssl-dev zlib1g-dev libgtest-dev libbenchmark-dev
)
# Nothing fails without these: faster rebuilds, the check of these scripts, and the quickstart's data set.
optional_packages=(ccache shellcheck dataset-fashion-mnist)

# Prints those of its arguments that are not installed.
missing_of() {
    local installed
    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || true)
    local package
    for package in "$@"; do
        grep -qxF "installed $package" <<<"$installed" || printf '%s\n' "$package"
    done
}

data_hint() {
    say "no package dataset-fashion-mnist here; the quickstart needs that data set:"
    printf '  take the four files *-ubyte.gz of Fashion-MNIST from its project page and put them into one folder,\n'
    printf '  then give that folder: --data fashion-mnist:path=FOLDER\n'
}

install_system_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "no apt-get here; please install yourself (Debian's names): ${required_packages[*]}"
        return
    fi
    local required=() optional=()
    mapfile -t required < <(missing_of "${required_packages[@]}")
    mapfile -t optional < <(missing_of "${optional_packages[@]}")
    if ((${#required[@]} + ${#optional[@]} == 0)); then
        say "system packages: all there"
        return
    fi

    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
            as_root=(sudo)
        elif ((${#required[@]} == 0)); then
            say "not installed, and not needed to build: ${optional[*]}"
            [[ " ${optional[*]} " != *" dataset-fashion-mnist "* ]] || data_hint
            return
        else
            fail "system packages are missing, and installing them takes root or sudo. Let someone who may run" \
                "apt-get update && apt-get install -y --no-install-recommends ${required[*]} ${optional[*]}" \
                "and then run scripts/setup.sh again"
        fi
    fi

    local log
    log=$(mktemp "${TMPDIR:-/tmp}/schedbench-apt.XXXXXX")
    say "system packages: reading the package lists"
    if ! logged "$log" "${as_root[@]}" apt-get update; then
        say "the package lists could not be brought up to date; trying with those at hand"
    fi
    local available=() package
    for package in "${optional[@]}"; do
        if [[ -n $(apt-cache madison "$package" 2>/dev/null) ]]; then
            available+=("$package")
        elif [[ $package == dataset-fashion-mnist ]]; then
            data_hint
        fi
    done
    local wanted=("${required[@]}" "${available[@]}")
    if ((${#wanted[@]} > 0)); then
        say "system packages: installing ${wanted[*]}"
        logged "$log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y --no-install-recommends "${wanted[@]}" ||
            fail "apt-get could not install them (all of its output: $log)" \
                "put that right, or run: apt-get install -y --no-install-recommends ${wanted[*]}"
        say "system packages: installed"
    fi
    rm -f -- "$log"
}

# ------------------------------------------------------------------------------------------------------- tools

# at_least HAVE WANT: true if version HAVE is WANT or later.
at_least() { [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]; }

check_tools() {
    local tool version
    for tool in cmake ninja git; do
        command -v "$tool" >/dev/null || fail "there is no $tool on the PATH" "install it, then run scripts/setup.sh again"
    done
    version=$(cmake --version | sed -nE '1s/^[^0-9]*([0-9.]+).*/\1/p')
    at_least "$version" 3.22 ||
        fail "CMake is $version ($(command -v cmake)); 3.22 or later is needed" \
            "install a later one, or put it before the old one on the PATH"

    local compiler=${CXX:-}
    if [[ -z $compiler ]]; then
        compiler=$(command -v g++ || command -v c++ || true)
        [[ -n $compiler ]] || fail "there is no C++ compiler on the PATH" "install g++ 11 or later"
    fi
    # Another compiler than g++ is CMake's to judge. The name may carry options, so it is split into words.
    local words
    read -ra words <<<"$compiler"
    if [[ $("${words[@]}" --version 2>/dev/null | head -n 1) != *clang* ]]; then
        version=$("${words[@]}" -dumpfullversion -dumpversion 2>/dev/null) ||
            fail "the C++ compiler '$compiler' does not run" "install g++ 11 or later, or set CXX to one"
        at_least "$version" 11 ||
            fail "g++ is $version ($compiler); 11 or later is needed (C++20)" \
                "install a later one and name it: CXX=g++-12 scripts/setup.sh"
    fi
}

# --------------------------------------------------------------------------------------- virtual environment

python_serves() {
    "$1" -c "import sys, venv, ensurepip
sys.exit(not (3, $PYTHON_MINOR_MIN) <= sys.version_info[:2] <= (3, $PYTHON_MINOR_MAX))" >/dev/null 2>&1
}

find_python() {
    local minor candidate
    local candidates=(python3 /usr/bin/python3)
    for ((minor = PYTHON_MINOR_MAX; minor >= PYTHON_MINOR_MIN; --minor)); do
        candidates+=("python3.$minor" "/usr/bin/python3.$minor")
    done
    for candidate in "${candidates[@]}"; do
        if command -v "$candidate" >/dev/null && python_serves "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    fail "no Python from 3.$PYTHON_MINOR_MIN to 3.$PYTHON_MINOR_MAX with the modules venv and ensurepip was found" \
        "on Debian and Ubuntu: apt-get install python3 python3-venv"
}

make_venv() {
    if [[ -x $venv/bin/python ]] && python_serves "$venv/bin/python" &&
        "$venv/bin/python" -c 'import pip' >/dev/null 2>&1; then
        return
    fi
    local python
    python=$(find_python)
    say "virtual environment: making .venv with $("$python" --version)"
    "$python" -m venv --clear "$venv" || fail "the virtual environment $venv could not be made with $python"
}

site_packages() { printf '%s\n' "$venv"/lib/python3.*/site-packages; }

# True if every path below site-packages exists and is not empty.
all_there() {
    local site path
    site=$(site_packages)
    for path in "$@"; do
        [[ -s $site/$path ]] || return 1
    done
}

# install_wheels NAME "PATH..." PIP-ARGUMENT...
# Installs one group of wheels unless its stamp says that it is there and the files named are too. A stamp is written
# only when pip has ended well; a second file marks a run of pip that did not, whose packages are then laid anew.
install_wheels() {
    local name=$1 paths=()
    read -ra paths <<<"$2"
    shift 2
    local stamp=$venv/.schedbench-$name unfinished=$venv/.schedbench-$name.unfinished
    local key wheels=("$@") again=()
    key=$({ cat -- "$root/scripts/versions.env" && printf '%s\n' "$@"; } | sha256sum | cut -d' ' -f1)
    if [[ -f $stamp && $(<"$stamp") == "$key" && ! -e $unfinished ]] && all_there "${paths[@]}"; then
        say "$name: there"
        return
    fi
    make_venv
    if [[ -e $unfinished ]] || ! all_there "${paths[@]}"; then
        again=(--force-reinstall)
    fi
    [[ $1 != --no-deps ]] || wheels=("${@:2}")
    say "$name: installing ${wheels[*]}"
    rm -f -- "$stamp"
    : >"$unfinished"
    logged "$venv/pip-$name.log" "$venv/bin/python" -m pip install --disable-pip-version-check --no-input \
        --progress-bar off --only-binary :all: "${again[@]}" "$@" ||
        fail "pip could not install $name" "put that right (network? disk space?) and run scripts/setup.sh again"
    all_there "${paths[@]}" || fail "pip ended well, but these files are not all under $(site_packages): ${paths[*]}"
    printf '%s\n' "$key" >"$stamp"
    rm -f -- "$unfinished"
    say "$name: installed"
}

install_torch() {
    if [[ -n ${SCHEDBENCH_TORCH:-} ]]; then
        [[ -f $SCHEDBENCH_TORCH/lib/libtorch_cpu.so && -f $SCHEDBENCH_TORCH/include/ATen/core/Tensor.h ]] ||
            fail "SCHEDBENCH_TORCH=$SCHEDBENCH_TORCH does not hold lib/libtorch_cpu.so and include/ATen/core/Tensor.h" \
                "give the folder of an unpacked libtorch, or of an installed torch package"
        say "torch: using $SCHEDBENCH_TORCH"
        return
    fi
    local files="torch/lib/libtorch_cpu.so torch/lib/libc10.so torch/include/ATen/core/Tensor.h torch/version.py"
    files+=" torch-$TORCH_VERSION.dist-info/METADATA nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13"
    if [[ -e /proc/driver/nvidia/version ]] || command -v nvidia-smi >/dev/null; then
        install_wheels torch "$files" "torch==$TORCH_VERSION"
    else
        # Without a driver CUDA cannot be used; the wheel's own list of needs would be 3 GB of it.
        install_wheels torch "$files" --no-deps "torch==$TORCH_VERSION" \
            "nvidia-cuda-runtime==$NVIDIA_CUDA_RUNTIME_VERSION" "nvidia-cuda-cupti==$NVIDIA_CUDA_CUPTI_VERSION"
    fi
}

# The shared libraries that torch's Python module is linked to, directly or not, and that the loader does not find.
missing_libraries() {
    local site
    site=$(site_packages)
    ldd "$site/torch/lib/libtorch_python.so" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u
}

# Prints the wheel that brings a library, and whether its own needs come with it (the toolkit's extras are nothing
# but that).
wheel_of() {
    case $1 in
    libcudnn.so.*) printf 'plain nvidia-cudnn-cu13==%s' "$NVIDIA_CUDNN_VERSION" ;;
    libcusparseLt.so.*) printf 'plain nvidia-cusparselt-cu13==%s' "$NVIDIA_CUSPARSELT_VERSION" ;;
    libnccl.so.*) printf 'plain nvidia-nccl-cu13==%s' "$NVIDIA_NCCL_VERSION" ;;
    libnvshmem_host.so.*) printf 'plain nvidia-nvshmem-cu13==%s' "$NVIDIA_NVSHMEM_VERSION" ;;
    libcublas*.so.* | libcufft.so.* | libcufile.so.* | libcurand.so.* | libcusolver.so.* | libcusparse.so.* | \
        libnvJitLink.so.* | libnvrtc.so.*)
        local extra=${1#lib}
        extra=${extra%%.so*}
        extra=${extra,,}
        printf 'with-needs cuda-toolkit[%s]==%s' "${extra%lt}" "$CUDA_TOOLKIT_VERSION"
        ;;
    *) return 1 ;;
    esac
}

install_python_torch() {
    [[ -z ${SCHEDBENCH_TORCH:-} ]] || return 0
    [[ ! -e /proc/driver/nvidia/version ]] || return 0 # pip has brought all that torch asks for
    local files="filelock/__init__.py fsspec/__init__.py jinja2/__init__.py markupsafe/__init__.py mpmath/__init__.py"
    files+=" networkx/__init__.py setuptools/__init__.py sympy/__init__.py typing_extensions.py"
    install_wheels torch-modules "$files" --no-deps "filelock==$FILELOCK_VERSION" "fsspec==$FSSPEC_VERSION" \
        "jinja2==$JINJA2_VERSION" "markupsafe==$MARKUPSAFE_VERSION" "mpmath==$MPMATH_VERSION" \
        "networkx==$NETWORKX_VERSION" "setuptools==$SETUPTOOLS_VERSION" "sympy==$SYMPY_VERSION" \
        "typing-extensions==$TYPING_EXTENSIONS_VERSION"
    local missing=() library wheel plain=() with_needs=()
    mapfile -t missing < <(missing_libraries)
    for library in "${missing[@]}"; do
        wheel=$(wheel_of "$library") ||
            fail "torch needs $library, which is not on this machine, and setup.sh knows no wheel that brings it" \
                "install it, or run scripts/setup.sh --without-python-torch"
        case $wheel in
        plain*) plain+=("${wheel#* }") ;;
        *) with_needs+=("${wheel#* }") ;;
        esac
    done
    ((${#plain[@]} == 0)) || install_wheels torch-libraries "" --no-deps "${plain[@]}"
    ((${#with_needs[@]} == 0)) || install_wheels torch-toolkit "" "${with_needs[@]}"
    mapfile -t missing < <(missing_libraries)
    ((${#missing[@]} == 0)) || fail "torch needs ${missing[*]}, and the wheels did not bring them" \
        "install them, or run scripts/setup.sh --without-python-torch"
    ((${#plain[@]} + ${#with_needs[@]} > 0)) || say "torch-libraries: there"
}

install_plotting() {
    local files="numpy/__init__.py h5py/__init__.py pandas/__init__.py matplotlib/__init__.py PIL/__init__.py"
    files+=" numpy-$NUMPY_VERSION.dist-info/METADATA h5py-$H5PY_VERSION.dist-info/METADATA"
    files+=" pandas-$PANDAS_VERSION.dist-info/METADATA matplotlib-$MATPLOTLIB_VERSION.dist-info/METADATA"
    files+=" pillow-$PILLOW_VERSION.dist-info/METADATA"
    install_wheels plots "$files" "numpy==$NUMPY_VERSION" "h5py==$H5PY_VERSION" "pandas==$PANDAS_VERSION" \
        "matplotlib==$MATPLOTLIB_VERSION" "pillow==$PILLOW_VERSION"
}

main() {
    local skip_system=no python_torch=yes
    while (($# > 0)); do
        case $1 in
        --skip-system) skip_system=yes ;;
        --without-python-torch) python_torch=no ;;
        --with-launchers) optional_packages+=(openmpi-bin slurm-wlm munge) ;;
        -h | --help)
            sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
            exit 0
            ;;
        *) fail "unknown argument '$1'" "known: --skip-system, --without-python-torch, --with-launchers, --help" ;;
        esac
        shift
    done
    # shellcheck source=scripts/versions.env
    source "$root/scripts/versions.env"
    [[ $skip_system == yes ]] || install_system_packages
    check_tools
    install_torch
    [[ $python_torch == no ]] || install_python_torch
    install_plotting
    say "ready"
}

main "$@"
