#!/bin/sh
# tleg linearize: an expanded learngene comes back; what it says; its picture; what it refuses.   linearize.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: linearize.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

try 0 new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --seed 5 -o gene.st
try 0 expand gene.st --depth 7 -o model.st
try 0 linearize model.st -o back.st --plot line.svg
says out "back.st: a learngene, 16131 parameters"
says out "qkv        0.0000  1.0000                0.1667                    1.0000"
says out "At 7 layers it gives the model back."
must test ! -s err
try 0 info back.st --json
says out '"kind":"learngene"'
must test "$(wc -c <back.st)" -eq "$(wc -c <gene.st)"
try 0 linearize model.st -o again.st --json
says out '{"file":"again.st","depth":7,"parameters":16131,'
says out '"r2":{"norm1":1.0,"norm2":1.0,"qkv":0.99999'
says out '"plot":null,"component":null,"unrelated":{"norm1":0.1666'
says out '"r2_by_tensors":{"norm1":[1.0,1.0],'
must cmp -s back.st again.st
cp model.st kept.st
try 2 linearize model.st -o model.st # a gene is not the model again
try 2 linearize model.st -o plotted.st --plot model.st
must cmp -s kept.st model.st

# More tensors, other curves, segments; as many as layers give the model back.
try 0 new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --curve cosine --count 4 --seed 6 -o four.st
try 0 expand four.st --depth 6 -o six.st
try 0 linearize six.st --count 2 -o two.st --json
try 0 linearize six.st --curve cosine --count 4 -o back.st --plot growth.svg
says out "R2              1       2       3       4   of unrelated layers"
says out "  1.0000                0.6000"
must test "$(wc -c <back.st)" -eq "$(wc -c <four.st)"
now=growth.svg
must grep -q "unrelated layers" growth.svg
must test "$(grep -c "class='axis'" growth.svg)" -eq 1
grep -qE 'nan|inf|href|url\(' growth.svg && fail "odd words in the picture"
try 0 linearize six.st --curve cosine --count 6 -o all.st --json
says out '"r2":{"norm1":1.0,"norm2":1.0,"qkv":0.999999'
says out '"unrelated":{"norm1":1.0,'
says out '"r2_exact":{"norm1":1.0,"norm2":1.0,"qkv":1.0,'
must test ! -s err
# Powers that cancel: R2 is what comes back, and the note says what exact numbers would give.
try 0 new --dim 24 --heads 3 --image 16 --patch 4 --classes 3 --curve cosine --count 12 --seed 7 -o twelve.st
try 0 expand twelve.st --depth 12 -o deep.st
try 0 linearize deep.st --curve power --count 12 -o lost.st --json
says err "the file gives back R2 0."
says err "exact tensors 1.0000"
says err "--curve cosine loses least"
says out '"r2_exact":{"norm1":1.0,"norm2":1.0,"qkv":1.0,'
must grep -q '"r2":{"norm1":1.0,"norm2":1.0,"qkv":0.[89]' out
try 0 linearize deep.st --curve cosine --count 12 -o kept.st
must test ! -s err
says out "At 12 layers it gives the model back."
try 0 linearize six.st --count 1 -o mean.st
says out "R2              1   of unrelated layers"
says out "Unless R2 is close to 1, what is expanded from it answers by chance, or little better"
said=$(sed -n 's/^ *tleg \(distill .*\)/\1/p' out)
mkdir DIR
# shellcheck disable=SC2086 # the words of the command that it printed
try 1 $said
says err "DIR: " # has no pictures yet: the command is whole
try 0 linearize six.st --schedule '{"qkv":[[1,false],[5,true]],"fc1":[[3,"chebyshev",3],[3,false]]}' -o cut.st --json
says out '"unrelated":{"norm1":0.2000'
says out '"qkv":0.4000'
says out '"fc1":0.6'
try 1 linearize six.st --count 7 -o x.st
says err "depth 6, expected 7 or more: a layer for each tensor"
try 1 linearize six.st --schedule '{"qkv":[[6,"sine",2]]}' -o x.st
says err 'expected [layers 1 to 1024, true or false]'
try 2 linearize six.st --curve cosine -o x.st
says err "--curve needs --count"
try 2 linearize six.st --schedule '{"qkv":[[1,false],[5,true]]}' --curve cosine -o x.st
says err "--schedule says it all"
try 2 linearize six.st --curve cosine --count 1 -o x.st
says err "--curve is for --count 2 or more"
try 2 linearize six.st --count 17 -o x.st
try 2 linearize six.st --schedule '{}' --count 3 -o x.st
says err "leave out --curve and --count"
must test ! -e x.st

# The descendants' form, half types, a model so deep that the picture is full.
for options in "--depth 5 --timm" "--depth 2 --dtype bf16" "--depth 3 --dtype f16" "--depth 64"; do
    try 0 expand gene.st $options -o model.st
    try 0 linearize model.st -o back.st --plot line.svg --json
    says out '"component":{"norm1":'
    try 0 expand back.st --depth 4 -o other.st
done
try 0 expand gene.st --depth 5 --timm -o model.st
try 0 linearize model.st -o back.st
try 0 info back.st
says out "after-pool, eps 1e-06"

# The picture: well-formed, a chart a site, a point a layer (and one in the legend), nothing from elsewhere.
try 0 linearize model.st -o back.st --plot line.svg
now=line.svg
must test "$(grep -o '<circle' line.svg | wc -l)" -eq 31
must test "$(grep -c "class='axis'" line.svg)" -eq 6
must test "$(grep -c "R² 1.00, PC1 100 %" line.svg)" -eq 4
grep -qE 'nan|inf|href|url\(' line.svg && fail "odd words in the picture"
if has_python "linearize: its picture read as XML"; then
    python3 -c 'import xml.dom.minidom; xml.dom.minidom.parse("line.svg")' || fail "no XML"
fi

try 0 linearize --help
says out "usage: tleg linearize MODEL -o GENE"
try 2 linearize model.st
says err "needs -o"
try 2 linearize -o x.st
try 2 linearize model.st -o x.st --plot x.st
says err "the same file"
try 1 linearize gene.st -o x.st
says err "gene.st: expected a model, found a learngene"
try 1 linearize none.st -o x.st
says err "none.st"
try 0 expand gene.st --depth 1 -o one.st
try 1 linearize one.st -o x.st
says err "depth 1, expected 2 or more"
must test ! -e x.st
try 1 linearize model.st -o no/such/x.st
says err "no/such/x.st"
try 1 linearize model.st -o x.st --plot no/such/line.svg
says err "--plot no/such/line.svg: there is no folder no/such/"
# What it advises holds.
try 0 new --dim 16 --heads 2 --image 16 --patch 8 --classes 2 -o plain.st
try 0 expand plain.st --depth 1 -o one.st
try 0 linearize one.st --count 1 -o fit.st # of parts that it does not have nothing is asked
says out "At 1 layers it gives the model back."
if [ -w /dev/full ]; then
    try 1 linearize model.st -o x.st --plot /dev/full
    says err "No space left"
fi

[ $failures -eq 0 ] || { echo "$failures failures"; exit 1; }
