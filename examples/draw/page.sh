#!/bin/sh
# A page of pictures: every label at four depths from the same noise, with what they took.
#     page.sh TLEG GENE FOLDER [COUNT [STEPS]]      writes FOLDER/draw-DEPTH.png and FOLDER/draw.html; COUNT of each label (8)
set -eu
tleg=$1 gene=$2 folder=$3 count=${4:-8} steps=${5:-50}
page=$folder/draw.html

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
    printf '<p>Drawn from <code>%s</code> (%s bytes): each row a label, the same noise at the same place of each grid, %s steps, guidance 2. The milliseconds are this machine&#8217;s, for a picture.</p>\n' \
        "$(basename "$gene")" "$(wc -c <"$gene")" "$steps"
} >"$page"
for depth in 4 6 8 12; do
    line=$("$tleg" generate "$gene" --depth $depth --label all --count "$count" --steps "$steps" --guidance 2 --seed 1 --scale 2 --threads 2 \
        --json -o "$folder/draw-$depth.png")
    each=$(echo "$line" | value ms | awk -v images="$(echo "$line" | value images)" '{ printf "%.0f", $1 / images }')
    echo "depth $depth: $folder/draw-$depth.png, $each ms a picture"
    {
        printf '<h2>%d layers</h2>\n<p>%s ms a picture</p>\n' $depth "$each"
        picture "$folder/draw-$depth.png" "pictures drawn with $depth layers"
    } >>"$page"
done
echo "$page: all of them"
