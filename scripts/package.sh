#!/usr/bin/env bash
# Makes an archive that runs wherever the same version of torch is installed: the program, the libraries it needs
# (all but torch's and those of the system: glibc, libstdc++, libgcc, libgomp), checkpoints, suites, published figures
# and licences. Unpack it anywhere; `schedbench` in it finds torch and starts the program.
#
#   scripts/package.sh [--without-opencv] [--build FOLDER] [--output FILE] [--skip-build]
#
#   --without-opencv  no PNG, no JPEG, and an archive of a few MB: OpenCV brings over a hundred libraries
#   --build FOLDER    a configured build folder (default: build, made by scripts/build.sh)
#   --output FILE     .tar.gz or .tar.zst (default: dist/schedbench-VERSION-MACHINE[-without-opencv].tar.gz)
#   --skip-build      take what is built
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/versions.env
source "$root/scripts/versions.env"

fail() {
    printf 'package: error: %s\n' "$1" >&2
    exit 2
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
    sed -n '2,/^set /{/^set /d; s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
    exit 0
fi
opencv=yes build=$root/build output='' make=yes
while (($# > 0)); do
    case $1 in
    --without-opencv) opencv=no ;;
    --build) build=$(cd -- "${2:?--build needs a folder}" && pwd) && shift ;;
    --output) output=$(realpath -m -- "${2:?--output needs a file}") && shift ;;
    --skip-build) make=no ;;
    *) fail "unknown argument '$1'; known: --without-opencv, --build, --output, --skip-build, --help" ;;
    esac
    shift
done

cached() { sed -nE "s/^$1(:[A-Z]+)?=//p" "$build/CMakeCache.txt"; }
[[ $build == "$root/build" || -f $build/CMakeCache.txt ]] || fail "$build is no build folder"
# A build that is without OpenCV has one program only.
target=schedbench
if [[ -f $build/CMakeCache.txt && $(cached SCHEDBENCH_OPENCV) == OFF ]]; then
    opencv=no
elif [[ $opencv == no ]]; then
    target=schedbench_without_opencv
fi
[[ $make == no || $build != "$root/build" ]] || "$root/scripts/build.sh" "$target"
[[ $make == no || $build == "$root/build" ]] || cmake --build "$build" --target "$target"
[[ -x $build/apps/$target ]] || fail "there is no $build/apps/$target; leave --skip-build away"

torch=$(dirname -- "$(dirname -- "$(cached LIBTORCH_CPU)")")
[[ -d $torch/lib ]] || fail "the LibTorch of $build is gone: $torch"
version=$(cached CMAKE_PROJECT_VERSION)
name=schedbench-$version-$(uname -m)
[[ $opencv == yes ]] || name+=-without-opencv
output=${output:-$root/dist/$name.tar.gz}

stage=$(mktemp -d "${TMPDIR:-/tmp}/schedbench-package.XXXXXX")
trap 'rm -rf -- "$stage"' EXIT
top=$stage/$name
mkdir -p "$top"/{bin,lib,results,licences}

# CMake gives the copy its relative RUNPATH, and strips it.
cmake --install "$build" --component "$target" --prefix "$top" --strip >/dev/null
[[ $target == schedbench ]] || mv -- "$top/bin/$target" "$top/bin/schedbench"
plugin=$(find "$build" -name libschedbench_cuda.so -print -quit)
[[ -z $plugin ]] || install -s -m 755 -- "$plugin" "$top/bin/"

# True for what comes with torch or with any Linux.
elsewhere() {
    case $2 in
    "$torch"/* | */nvidia/*) return 0 ;;
    esac
    case $1 in
    ld-linux* | linux-vdso* | libc.so.* | libm.so.* | libdl.so.* | libpthread.so.* | librt.so.* | libresolv.so.* | \
        libutil.so.* | libnsl.so.* | libanl.so.* | libstdc++.so.* | libgcc_s.so.* | libgomp.so.*) return 0 ;;
    esac
    return 1
}

# The licence of a library, as its Debian package has it.
licence_of() {
    local owner
    owner=$(dpkg-query -S "$1" 2>/dev/null || dpkg-query -S "${1#/usr}" 2>/dev/null || true)
    owner=${owner%%:*}
    if [[ -n $owner && -r /usr/share/doc/$owner/copyright ]]; then
        cp -L -- "/usr/share/doc/$owner/copyright" "$top/licences/$owner.copyright"
        printf '%s: licences/%s.copyright\n' "$2" "$owner"
    else
        printf '%s: see the project it comes from\n' "$2"
    fi
}

libraries=0
while read -r soname _ path _; do
    [[ $path == /* ]] || continue
    ! elsewhere "$soname" "$path" || continue
    install -m 644 -- "$path" "$top/lib/$soname"
    licence_of "$(readlink -f -- "$path")" "lib/$soname" >>"$stage/licences"
    libraries=$((libraries + 1))
done < <(LD_LIBRARY_PATH=$torch/lib ldd "$top/bin/schedbench")
{
    printf 'schedbench: LICENSE\nCheckpoints: MODELS.md\nBundled libraries:\n'
    sort "$stage/licences"
} >"$top/licences/README"

cp -R -- "$root/weights" "$root/suites" "$root/LICENSE" "$root/README.md" "$root/MODELS.md" "$top/"
cp -R -- "$root/results/published" "$top/results/"
# What was put into weights/ from elsewhere is not ours to pass on.
git -C "$root" ls-files --others -z -- weights suites results/published 2>/dev/null |
    while IFS= read -r -d '' file; do rm -f -- "$top/$file"; done
sed -e "s/@TORCH@/$(sed -nE "s/^__version__ = '([0-9]+\.[0-9]+).*/\1/p" "$torch/version.py" 2>/dev/null ||
    printf '%s' "${TORCH_VERSION%.*}")/" "$root/scripts/package_start.sh" >"$top/schedbench"
chmod 755 "$top/schedbench"

mkdir -p "$(dirname -- "$output")"
case $output in
*.tar.zst) compress=(zstd -q -6) ;;
*) compress=(gzip -n) ;;
esac
tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)" \
    -cf - "$name" | "${compress[@]}" >"$output.part"
mv -- "$output.part" "$output"
printf '%s: %.1f MB, %s libraries beside the program\n' "$output" \
    "$(stat -c %s -- "$output" | awk '{ print $1 / 1e6 }')" "$libraries"
