# Sourced by scripts/command.sh and tests/run.sh, not run: install_missing KIND installs, through apt, what a build (or the
# tests) needs and this machine lacks. Does nothing, and needs no rights, where everything is there.

# shellcheck disable=SC2034,SC2154 # each list is read by its kind, through eval
packages_build="gcc libc6-dev cmake ninja-build pkg-config libjsmn-dev libjansson-dev libjpeg-dev libpng-dev libutf8proc-dev"
packages_test="$packages_build g++ libcmocka-dev libopenblas-dev clang libclang-rt-dev clang-format clang-tidy shellcheck valgrind
libc6-dbg binutils python3 libopenmpi-dev openmpi-bin locales libopenblas0-serial libopenblas0-openmp
libblis4-pthread libblis4-openmp libblis4-serial abigail-tools python3-cffi musl-tools"
packages_cross="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static
gcc-i686-linux-gnu libc6-dev-i386-cross" # the kernels of another processor, and 32-bit x86

install_missing() {
    missing=
    eval "wanted=\$packages_$1"
    for package in $wanted; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    echo "installing$missing" >&2
    $sudo apt-get update -qq >&2
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
}
