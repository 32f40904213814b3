#!/bin/sh
# Expands a learngene to several depths, times and scores each, finds the best depth for three devices, lets one elastic session go as
# deep as each picture needs, prints it all and writes OUT/page.html, which shows the same and what each depth answers to one picture a
# class.
#
#     sh examples/demo/measure.sh TLEG GENE DATA OUT "DEPTH..." [ABOUT [REFERENCE]]
#
# DATA holds CLASS/image folders. ABOUT is a sentence on gene and pictures; REFERENCE a JSON file of what PyTorch scores with this
# gene ("images", "top1_by_depth"), for a gene that keeps no scores itself. All figures are the tool's own JSON, kept line by line in
# OUT/results: KIND, DEPTH, JSON.
set -eu
[ $# -ge 5 ] || { echo 'usage: measure.sh TLEG GENE DATA OUT "DEPTH..." [ABOUT [REFERENCE]]' >&2; exit 2; }
tleg=$1 gene=$2 data=$3 out=$4 depths=$5 about=${6-} reference=${7-}
here=$(dirname "$0")
results=$out/results
tab=$(printf '\t')
export LC_ALL=C
mkdir -p "$out/models"

# keep KIND DEPTH COMMAND...: the lines of JSON that it prints, noted as such; where it fails all ends.
keep() {
    noted=$1$tab$2$tab
    shift 2
    "$@" >"$out/lines"
    sed "s/^/$noted/" "$out/lines" >>"$results"
    rm "$out/lines"
}
one_line() { tr -d '\n' <"$1" && echo; }
fact() { printf 'fact\t%s\t%s\n' "$1" "$2" >>"$results"; }

# Not every processor's /proc/cpuinfo has a name; then its architecture is all that is known.
processor() {
    name=$(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
    [ -n "$name" ] || name=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' | head -n 1)
    echo "${name:-$(uname -m)}"
}

# tell heads|row|rest: that part of what the terminal shows; pictures' answers are not needed for it.
tell() {
    grep -v -e '^classify' -e '^sure' "$results" |
        awk -v what="$1" -f "$here/json.awk" -f "$here/words.awk" -f "$here/results.awk" -f "$here/told.awk"
}

pictures() {
    find -L "$data" -type f ! -name '.*' \( -name '*.[jJ][pP][gG]' -o -name '*.[jJ][pP][eE][gG]' -o -name '*.[pP][nN][gG]' \) "$@"
}

: >"$results"
[ -n "$(pictures -print | head -n 1)" ] || { echo "measure.sh: $data: expected CLASS/image folders, found no JPEG or PNG file" >&2; exit 1; }
keep info 0 "$tleg" info "$gene" --json
classes=$(grep -o '"classes":[0-9]*' "$results" | cut -d: -f2)
fact processor "$(processor)"
fact cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo unknown)"
fact system "$(uname -sm)"
fact version "$("$tleg" --version)"
fact date "$(date '+%e %B %Y' | sed 's/^ *//')"
fact about "$about"
[ -z "$reference" ] || keep reference 0 one_line "$reference"

tell heads
deepest=0
for depth in $depths; do
    [ "$depth" -le $deepest ] || deepest=$depth
    model=$out/models/depth-$depth.safetensors
    keep expand "$depth" "$tleg" expand "$gene" --depth "$depth" --json -o "$model"
    keep bench "$depth" "$tleg" bench "$model" --json
    keep eval "$depth" "$tleg" eval "$model" --data "$data" --json
    keep classify "$depth" pictures -exec "$tleg" classify "$model" --top "$classes" --json {} +
    tell row
done

# The best depth for three devices, by the file's scores; a file that has none is copied and scored on these pictures.
scored=$gene
if grep -q "^info.*\"scores\":null" "$results"; then
    scored=$out/models/learngene.safetensors
    cp "$gene" "$scored"
    "$tleg" eval "$scored" --depth "$(echo "$depths" | tr ' ' ,)" --data "$data" --write-scores --json >/dev/null
fi
# Notes about depths that were not learned are in the way here; where it answers nothing, they are the reason.
plan() { "$tleg" plan "$scored" --json "$@" 2>"$out/notes" || [ $? -eq 1 ]; }
plan >"$out/cost.json"
awk -v deepest="$deepest" -f "$here/json.awk" -f "$here/budgets.awk" "$out/cost.json" >"$out/budgets"
while IFS=$tab read -r name limit_bytes limit_ms; do
    set -- --stored --bytes "$limit_bytes" --ms "$limit_ms" --cost "$out/cost.json"
    answer=$(plan "$@")
    [ -n "$answer" ] || { cat "$out/notes" >&2; exit 1; }
    printf 'budget\t%s\t%s\t%s\t%s\t%s\n' "$name" "$answer" "${limit_bytes%K}" "$limit_ms" "tleg plan $scored $* --json" >>"$results"
done <"$out/budgets"
rm "$out/budgets" "$out/notes"

# One elastic session over all pictures: a quarter, half and all of the deepest. Eight parts of ten are sure enough, whatever the pictures.
sure=0.8
stops=$(printf '%d\n' $(((deepest + 3) / 4)) $(((deepest + 1) / 2)) "$deepest" | uniq | tr '\n' , | sed 's/,$//')
case $stops in
*,*)
    keep sure 0 pictures -exec "$tleg" classify "$gene" --depth "$stops" --sure $sure --top 1 --json {} +
    fact sure $sure
    fact sure_command "tleg classify $gene --depth $stops --sure $sure --json $data/*/*"
    awk -v data="$data" -v stops="$stops" -f "$here/json.awk" -f "$here/classes.awk" -f "$here/stops.awk" "$results" "$results" >"$out/stops"
    cat "$out/stops" >>"$results"
    rm "$out/stops"
    ;;
esac
tell rest
echo

# The pictures to show go into the page as they are, so that it needs nothing beside it; large ones are named alone.
largest=300000
awk -v data="$data" -f "$here/json.awk" -f "$here/classes.awk" -f "$here/choose.awk" "$results" "$results" >"$out/chosen"
while IFS=$tab read -r class path; do
    bytes=$(wc -c <"$path")
    printf 'picture\t%s\t%s\t%d\t' "$class" "$path" "$bytes"
    [ "$bytes" -gt $largest ] || base64 <"$path" | tr -d '\n'
    echo
done <"$out/chosen" >>"$results"
rm "$out/chosen"
sh "$here/page.sh" "$results" >"$out/page.html.new"
mv "$out/page.html.new" "$out/page.html"
echo "models: $out/models"
echo "page:   $out/page.html"
