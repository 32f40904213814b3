# Sourced by examples/demo.sh and examples/draw.sh, not run: installs what a build needs and builds the command. Sets build, a folder for
# what comes out, and tleg, the command.
build=${TLEG_BUILD_DIR:-build}/demo
. scripts/packages.sh

mkdir -p "$build"
install_missing build
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTLEG_TESTS=OFF -DTLEG_BENCH=OFF >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build" >>"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
# shellcheck disable=SC2034 # read by who sources this
tleg=$build/tools/tleg
