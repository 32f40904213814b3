#!/bin/sh
# The gene that examples/cifar10 ships keeps what its card says: its size, scores that fall by at most 0.3 points a layer, and on the 300
# pictures beside it at every depth the answers that such scores let expect.      shipped.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: shipped.sh TLEG" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd) || exit 2
cifar10=${here%/tests/*}/examples/cifar10
gene=$cifar10/learngene.safetensors
failures=0
fail() {
    failures=$((failures + 1))
    printf 'FAIL %s\n' "$*"
}

said=$(sed -n 's/.*stored as bf16 in \([0-9,]*\) bytes.*/\1/p' "$cifar10/README.md" | tr -d ,)
[ "$(wc -c <"$gene")" -eq "${said:-0}" ] || fail "the gene takes $(wc -c <"$gene") bytes, its card says $said"
said=$("$tleg" info "$gene" --json) || fail "it cannot be read"
scores=$(echo "$said" | sed 's/.*"scores":{[^}]*"scores":\[\([^]]*\)\].*/\1/' | tr , '\n')
echo "$said" | grep -q '"on":"validation","images":5000,"depths":\[2,3,4,5,6,7,8,9,10,11,12\]' || fail "scores of depths 2 to 12 are missing: $said"
echo "$scores" | awk 'NR > 1 && $1 < last - 0.003 { exit 1 } { last = $1 }' || fail "a layer more costs over 0.3 points:" $scores
grep -q "^| top-1 | $(echo "$scores" | awk '{ printf "%s%.1f", (NR > 1 ? " | " : ""), 100 * $1 }') |" "$cifar10/README.md" ||
    fail "the card has other scores than the file:" $scores

# 4 standard errors of a share of 300 pictures
right=$("$tleg" eval "$gene" --depth 2-12 --data "$cifar10/val" --json | grep -o '"top1":[0-9.e-]*' | cut -d: -f2) || fail "eval ended with $?"
[ "$(echo "$right" | wc -l)" = 11 ] || fail "not 11 scores:" $right
printf '%s\n' "$scores" "$right" | awk '{ v[NR] = $1 } END {
    for (k = 1; k <= 11; k++) { gap = v[k] - v[k + 11]; if (gap * gap > 16 * v[k] * (1 - v[k]) / 300) { print "at place", k, v[k], v[k + 11]; exit 1 } } }' ||
    fail "the pictures beside it are classified otherwise than the file says"
[ $failures -eq 0 ]
