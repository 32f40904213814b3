#!/bin/sh
# Writes the page to standard output from what measure.sh kept: page.sh RESULTS
set -eu
[ $# -eq 1 ] || { echo 'usage: page.sh RESULTS' >&2; exit 2; }
here=$(dirname "$0")
LC_ALL=C awk -v css="$here/page.css" -f "$here/json.awk" -f "$here/words.awk" -f "$here/results.awk" -f "$here/svg.awk" \
    -f "$here/layers.awk" -f "$here/charts.awk" -f "$here/choices.awk" -f "$here/page.awk" "$1"
