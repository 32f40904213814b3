#!/bin/sh
# Fuzzes all targets for some seconds together, each in turn for an equal share, and goes on where the last campaign stopped.
#     sh tests/fuzz/campaign.sh SECONDS [--engine libfuzzer|afl] [--more DIR]... [TARGET...]
# --more DIR: files to begin with besides the corpora, for the targets that read such files (*.png, *.jpg and the like for
# fuzz_picture; *.safetensors for fuzz_format; *.json for fuzz_json). Exit 1: an input broke a target; run.sh named it.
set -eu
seconds=${1:?"usage: campaign.sh SECONDS [--engine ENGINE] [--more DIR]... [TARGET...]"} engine=libfuzzer targets='' more=''
shift
while [ $# -gt 0 ]; do
    case $1 in
    --engine) engine=$2 && shift 2 ;;
    --more) more="$more $2" && shift 2 ;;
    *) targets="$targets $1" && shift ;;
    esac
done
here=$(cd "$(dirname "$0")" && pwd)
build=${TLEG_BUILD_DIR:-$(cd "$here/../.." && pwd)/build}
[ -n "$targets" ] || for source in "$here"/fuzz_*.c; do targets="$targets $(basename "$source" .c)"; done

# take TARGET PATTERN...: the files of --more that the target reads, small ones alone, by a name that their contents give.
take() {
    target=$1
    shift
    mkdir -p "$build/fuzz/$target/seeds"
    for pattern; do
        # shellcheck disable=SC2086 # folders, apart
        find $more -type f -iname "$pattern" -size -64k -exec sh -c 'for file; do
            cp "$file" "$0/more-$(cksum <"$file" | tr " " -)"; done' "$build/fuzz/$target/seeds" {} +
    done
}
if [ -n "$more" ]; then
    take fuzz_picture '*.png' '*.jp*g' '*.jpe' '*.bin'
    take fuzz_format '*.safetensors' '*.st'
    take fuzz_json '*.json'
    take fuzz_index '*.index.json'
fi

share=$((seconds / $(echo "$targets" | wc -w)))
failed=0
for target in $targets; do
    nice sh "$here/run.sh" "$target" "$share" "$engine" || failed=1
done
exit $failed
