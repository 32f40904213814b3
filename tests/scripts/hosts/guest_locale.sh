#!/bin/sh
# The command in another locale gives the same words, numbers, order and files.   guest_locale.sh TLEG
case $1 in /*) tleg=$1 ;; *) tleg=$PWD/$1 ;; esac
golden=$PWD/tests/golden
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1

mkdir locales
localedef -i de_DE -f UTF-8 locales/de_DE.UTF-8 >/dev/null 2>&1
LOCPATH=$scratch/locales
export LOCPATH
[ "$(LC_ALL=de_DE.UTF-8 locale decimal_point 2>/dev/null)" = , ] || {
    echo "SKIP guest_locale: de_DE.UTF-8 is not installed and could not be made with localedef"
    exit 77
}

# A PNG of 4 x 2 pixels.
png() {
    printf '\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\004\000\000\000\002\010\002\000\000\000' >"$1"
    printf '\360\312\352\064\000\000\000\043\111\104\101\124\170\332\143\140\070\041\147\263\100\256\242\102\156\113\200\034' >>"$1"
    printf '\203\334\011\271\250\005\162\323\052\344\056\005\310\001\000\154\306\010\231\371\141\063\173\000\000\000\000\111' >>"$1"
    printf '\105\116\104\256\102\140\202' >>"$1"
}
# Classes and pictures that a German sorts otherwise than Python does: case and umlauts.
for class in a Ä B z; do
    mkdir -p "pictures/$class"
    png "pictures/$class/ü ,1.png"
    png "pictures/$class/Z.png"
done

# walk LOCALE: all that is printed, and what is written, under LOCALE/.
walk() {
    mkdir "$1"
    cd "$1" || exit 1
    LC_ALL=$1
    export LC_ALL
    {
        "$tleg" new --dim 24 --heads 3 --image 16 --patch 4 --classes 4 --seed 5 -o gene.st
        for json in '' --json; do
            "$tleg" info gene.st $json
            "$tleg" expand gene.st --depth 3 $json -o model.st
            "$tleg" info model.st $json
            "$tleg" run "$golden/mean.gene.safetensors" --depth 4 --input "$golden/images-16.safetensors" $json -o out.st
            "$tleg" classify gene.st --depth 3 --top 4 $json ../pictures/*/*.png
            "$tleg" eval gene.st --depth 3 $json --data ../pictures
            "$tleg" linearize model.st $json -o line.st
        done
        "$tleg" tune model.st --data ../pictures --epochs 1 --batch 4 --lr 0.00125 --smoothing 0.1 --threads 2 --json -o tuned.st
        "$tleg" tune model.st --data ../pictures --epochs 1 --lr 0,00125 -o never.st
    } >out 2>err </dev/null
    cd ..
}
walk C
walk de_DE.UTF-8
failed=0
# How long it took is all that may differ; a line of JSON has as many digits for every number as one of them needs.
for name in C de_DE.UTF-8; do
    grep -vE '"(ms|seconds|images_per_s)":' $name/out | sed -E 's/"ms_per_image":[^,]*//; s/[0-9.]+ (s|ms|images\/s)\b/TIME/g' >$name/out.same
done
cmp C/out.same de_DE.UTF-8/out.same || { failed=1; diff C/out.same de_DE.UTF-8/out.same | head -n 10; }
cmp C/err de_DE.UTF-8/err || { failed=1; diff C/err de_DE.UTF-8/err | head -n 10; }
for file in gene.st model.st out.st line.st tuned.st; do
    cmp C/$file de_DE.UTF-8/$file || failed=1
done
[ "$(wc -c <C/out)" -gt 3000 ] && [ ! -e C/never.st ] || { echo "the walk itself went wrong:"; cat C/out C/err; failed=1; }
exit $failed
