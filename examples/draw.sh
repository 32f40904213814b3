#!/bin/sh
# Pictures out of one learngene: installs what is missing, builds, draws every label at four depths from the same noise, and writes a page
# of it that opens in any browser.
#
#     sh examples/draw.sh [GENE]     a generator's (examples/fashion/learngene.safetensors)
set -eu
cd "$(dirname "$0")/.."
gene=${1:-examples/fashion/learngene.safetensors}
build=${TLEG_BUILD_DIR:-build}/demo
page=$build/draw.html
. scripts/packages.sh

mkdir -p "$build"
install_missing build
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTLEG_TESTS=OFF -DTLEG_BENCH=OFF >"$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build" >>"$build.log" 2>&1 || { cat "$build.log" >&2; exit 1; }
tleg=$build/tools/tleg

# value KEY: a number of a line of JSON on standard input
value() { sed -n "s/.*\"$1\": *\\([0-9.e+-]*\\).*/\\1/p"; }
picture() { printf '<img alt="%s" src="data:image/png;base64,%s">\n' "$2" "$(base64 -w 0 "$1")"; }

{
    cat <<'HEAD'
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>One learngene, pictures at any depth</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff }
img { max-width: 100%; image-rendering: pixelated; display: block; margin: .5em 0 }
h2 { margin-bottom: 0 } p { margin-top: .2em }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } }
</style>
<h1>One learngene, pictures at any depth</h1>
HEAD
    printf '<p>Drawn from <code>%s</code> (%s bytes): each row a label, each column the same noise, 50 steps, guidance 2. The milliseconds are this machine&#8217;s, for a picture.</p>\n' \
        "$(basename "$gene")" "$(wc -c <"$gene")"
} >"$page"
"$tleg" info "$gene"
echo
for depth in 4 6 8 12; do
    line=$("$tleg" generate "$gene" --depth $depth --label all --count 12 --steps 50 --guidance 2 --seed 1 --scale 2 --threads 2 \
        --json -o "$build/draw-$depth.png")
    each=$(echo "$line" | value ms | awk -v images="$(echo "$line" | value images)" '{ printf "%.0f", $1 / images }')
    echo "depth $depth: $build/draw-$depth.png, $each ms a picture"
    {
        printf '<h2>%d layers</h2>\n<p>%s ms a picture</p>\n' $depth "$each"
        picture "$build/draw-$depth.png" "pictures drawn with $depth layers"
    } >>"$page"
done
echo "$page: all of them"
