#!/bin/sh
# Expands a learngene to several depths, times and scores each, prints a table and writes OUT/page.html, which shows the same and
# what each depth answers to one picture a class.
#
#     sh examples/demo/measure.sh TLEG GENE DATA OUT "DEPTH..." [ABOUT [REFERENCE]]
#
# DATA holds CLASS/image folders. ABOUT is a sentence on gene and pictures; REFERENCE a JSON file of what PyTorch scores with this
# gene ("images", "top1_by_depth"). All figures are the tool's own JSON, kept line by line in OUT/results: KIND, DEPTH, JSON.
set -eu
[ $# -ge 5 ] || { echo 'usage: measure.sh TLEG GENE DATA OUT "DEPTH..." [ABOUT [REFERENCE]]' >&2; exit 2; }
tleg=$1 gene=$2 data=$3 out=$4 depths=$5 about=${6-} reference=${7-}
here=$(dirname "$0")
results=$out/results
tab=$(printf '\t')
export LC_ALL=C
mkdir -p "$out/models"

# number KEY: the value of the first such key in one line of JSON
number() { grep -o "\"$1\":[-0-9.eE+]*" | head -n 1 | cut -d: -f2; }
# keep KIND DEPTH: lines of JSON, noted as such
keep() { sed "s/^/$1$tab$2$tab/" >>"$results"; }
fact() { printf 'fact\t%s\t%s\n' "$1" "$2" >>"$results"; }

# Not every processor's /proc/cpuinfo has a name; then its architecture is all that is known.
processor() {
    name=$(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo 2>/dev/null | head -n 1)
    [ -n "$name" ] || name=$(lscpu 2>/dev/null | sed -n 's/^Model name: *//p' | head -n 1)
    echo "${name:-$(uname -m)}"
}

pictures() {
    find -L "$data" -type f ! -name '.*' \( -name '*.[jJ][pP][gG]' -o -name '*.[jJ][pP][eE][gG]' -o -name '*.[pP][nN][gG]' \) "$@"
}

: >"$results"
"$tleg" info "$gene" --json | keep info 0
classes=$(number classes <"$results")
fact processor "$(processor)"
fact cores "$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo unknown)"
fact system "$(uname -sm)"
fact version "$("$tleg" --version)"
fact date "$(date '+%e %B %Y' | sed 's/^ *//')"
fact about "$about"
[ -z "$reference" ] || tr -d '\n' <"$reference" | keep reference 0

printf '%5s  %10s  %10s  %12s  %12s  %6s\n' depth parameters 'file bytes' 'expansion ms' 'ms per image' top-1
for depth in $depths; do
    model=$out/models/depth-$depth.safetensors
    expanded=$("$tleg" expand "$gene" --depth "$depth" --json -o "$model")
    timed=$("$tleg" bench "$model" --json)
    scored=$("$tleg" eval "$model" --data "$data" --json)
    pictures -exec "$tleg" classify "$model" --top "$classes" --json {} + | keep classify "$depth"
    echo "$expanded" | keep expand "$depth"
    echo "$timed" | keep bench "$depth"
    echo "$scored" | keep eval "$depth"
    printf '%5d  %10d  %10d  %12.2f  %12.3f  %5.1f%%\n' "$depth" "$(echo "$expanded" | number parameters)" \
        "$(echo "$expanded" | number bytes)" "$(echo "$expanded" | number ms)" "$(echo "$timed" | number ms)" \
        "$(echo "$scored" | number top1 | awk '{print 100 * $1}')"
done
echo
echo "one learngene of $(wc -c <"$gene") bytes gave all of these; $(echo "$scored" | number images) images each, one thread."

# The pictures to show go into the page as they are, so that it needs nothing beside it; large ones are named alone.
largest=300000
awk -v data="$data" -f "$here/json.awk" -f "$here/choose.awk" "$results" "$results" >"$out/chosen"
while IFS=$tab read -r class path; do
    bytes=$(wc -c <"$path")
    printf 'picture\t%s\t%s\t%d\t' "$class" "$path" "$bytes"
    [ "$bytes" -gt $largest ] || base64 <"$path" | tr -d '\n'
    echo
done <"$out/chosen" >>"$results"
rm "$out/chosen"
awk -v css="$here/page.css" -f "$here/json.awk" -f "$here/charts.awk" -f "$here/page.awk" "$results" >"$out/page.html.new"
mv "$out/page.html.new" "$out/page.html"
echo "models: $out/models"
echo "page:   $out/page.html"
