#!/bin/sh
# What people and scripts rely on in the command tleg: exit codes, messages, JSON, odd inputs, odd file names.
# usage: cli.sh TLEG [SCRATCH_DIR]      prints what fails; exit 1 if anything did
tleg=$1 scratch=$2
[ -x "$tleg" ] || { echo "usage: cli.sh TLEG [SCRATCH_DIR]" >&2; exit 2; }
parts=$PWD/tests/fixtures/parts/parts.safetensors
. "$(dirname "$0")/checks.sh"

silent() {
    checks=$((checks + 1))
    [ ! -s "$1" ] || fail "std$1 is not empty"
}
absent() {
    must test ! -e "$1"
}
python=
has_python "cli: its words read as JSON" && python=python3
# One line that is a JSON object, as far as a shell can see; python3 sees further.
json() {
    must test "$(wc -l <out)" -eq 1
    case $(cat out) in "{"*"}") ;; *) fail "no JSON object on one line" ;; esac
    if [ "$python" ]; then
        python3 -c 'import json, sys; json.load(open(sys.argv[1], encoding="utf-8"))' out 2>/dev/null || fail "no JSON"
    fi
}
# number KEY: its value in the JSON object in out.
number() {
    sed -n "s/.*\"$1\":\\([-0-9.e+]*\\)[],}].*/\\1/p" out
}

# A PNG of 4 x 2 pixels, and a file for `run`: "images" f32 of the shape given, all numbers 0.
png() {
    printf '\211\120\116\107\015\012\032\012\000\000\000\015\111\110\104\122\000\000\000\004\000\000\000\002\010\002\000\000\000' >"$1"
    printf '\360\312\352\064\000\000\000\043\111\104\101\124\170\332\143\140\070\041\147\263\100\256\242\102\156\113\200\034' >>"$1"
    printf '\203\334\011\271\250\005\162\323\052\344\056\005\310\001\000\154\306\010\231\371\141\063\173\000\000\000\000\111' >>"$1"
    printf '\105\116\104\256\102\140\202' >>"$1"
}
# tensors FILE NAME DTYPE SHAPE BYTES: a safetensors file with one tensor, header padded to 120 bytes.
tensors() {
    {
        printf '\170\000\000\000\000\000\000\000'
        printf '%-120s' "{\"$2\":{\"dtype\":\"$3\",\"shape\":[$4],\"data_offsets\":[0,$5]}}"
        head -c "$5" /dev/zero
    } >"$1"
}

# ---- the command itself ----
try 2
says err "usage: tleg VERB"
silent out
try 2 frobnicate
says err 'unknown verb "frobnicate"'
try 2 "$(printf 'c\033[31mlasify')"
says err 'unknown verb "c?[31mlasify"'
try 2 clasify
says err 'unknown verb "clasify"; did you mean "classify"?'
try 2 tune --optimizer sgd
says err "unknown option --optimizer; did you mean --optimiser?"
try 2 tune --epoch=3
says err "unknown option --epoch=3; did you mean --epochs?"
try 2 tune --trheads 3
says err "unknown option --trheads; did you mean --threads?"
try 0 --help
says out classify
silent err
try 0 --version
says out "tleg "
for verb in new info store expand run generate plan classify eval features probe distance check bench; do
    try 0 $verb --help
    says out "usage: tleg $verb"
    says out "--json"
    silent err
    try 2 $verb --frobnicate
    says err "tleg: $verb: unknown option --frobnicate"
    says err "usage: tleg $verb"
    silent out
    try 2 $verb --threads
    says err "--threads needs a value"
    for value in 0 257 -1 2x 1.5 '' ' 1' 99999999999999999999; do
        try 2 $verb "--threads=$value"
        says err "--threads takes a whole number from 1 to 256; found \"$value\""
    done
    try 2 $verb --level sse2
    says err "takes one of best, portable, avx2"
    try 2 $verb --json=yes
done

# ---- new ----
new="new --dim 24 --heads 3 --image 16 --patch 4 --classes 3"
try 0 $new --seed 5 -o g.st
says out "g.st: a learngene"
try 0 $new --seed 5 -o again.st
must cmp -s g.st again.st
try 0 $new --seed 6 -o again.st
must test "$(cmp -s g.st again.st; echo $?)" -eq 1
try 0 new --arch tiny --image 32 --patch 16 --classes 2 -o tiny.st --json
json
says out '"dim":192'
says out '"heads":3'
must test "$(number bytes)" -eq "$(wc -c <tiny.st)"
try 2 $new
says err "-o"
try 2 new --image 16 --patch 4 --classes 3 -o x.st
says err "--arch"
try 2 new --arch small --dim 24 --image 16 --patch 4 --classes 3 -o x.st
try 2 $new -o x.st extra
says err 'unexpected "extra"'
try 2 $new --mean 0.5,0.5 --std 0.5,0.5,0.5 -o x.st
says err "--mean takes three numbers"
try 2 $new --mean 0.5,0.5,0.5 -o x.st
try 2 $new --mean 0.5, --std 0.5 -o x.st
try 0 $new --mean 0.5 --std 0.25 -o one.st # for all three
try 0 info one.st
says out "mean 0.5 0.5 0.5, std 0.25 0.25 0.25"
try 1 new --dim 24 --heads 5 --image 16 --patch 4 --classes 3 -o x.st
says err heads
try 1 new --dim 24 --heads 3 --image 17 --patch 4 --classes 3 -o x.st
try 0 $new --curve chebyshev --count 4 --seed 5 -o four.st
try 0 info four.st --json
json
says out '\"qkv\":[[12,\"chebyshev\",4]]'
try 0 expand four.st --depth 3 -o deep.st
try 0 $new --count 2 --seed 5 -o again.st # base and ilayer, as without
must cmp -s g.st again.st
try 0 $new --count 1 -o one.st
try 0 info one.st
says out '"fc2":[[12,false]]'
try 2 $new --curve cosine -o x.st
says err "--curve needs --count"
try 2 $new --count 17 -o x.st
says err "--count"
try 2 $new --count 3 --schedule '{"qkv":[[2,true]]}' -o x.st
says err "leave out --curve and --count"
try 1 $new --schedule '{"qkv":[[2,"spline",3]]}' -o x.st
says err 'found [2,"spline",3]'
try 1 $new -o no/such/folder/x.st
says err "no/such/folder/x.st"
absent x.st

# ---- errors name what the person typed; names from outside cannot play with the terminal ----
try 1 new --dim 100 --heads 3 --image 32 --patch 4 --classes 10 -o x.st
says err "tleg: new: --heads: expected a divisor of the dim, 100, found 3"
try 1 new --arch tiny --image 33 --patch 4 --classes 10 -o x.st
says err "--image: expected a multiple of the patch, 4, found 33"
try 1 info ""
says err "the name of a file is needed"
try 1 info "$(printf 'no\033[31m\nfile')"
says err "tleg: info: no?[31m?file: cannot be opened"

# ---- labels: any script, quotes; line ends of other systems ----
printf 'cat "tom"\r\n\316\261\316\262\\\r\n\321\204\320\276\321\202\320\276' >labels.txt
try 0 $new --labels labels.txt -o named.st
try 0 info named.st --json
json
says out '"labels":["cat \"tom\"","αβ\\","фото"]'
for verb in "$new -o x.st" "convert named.st -o x.st" "classify named.st --depth 2 a.png"; do
    try 2 $verb --mean 125,123,114 --std 63,62,67
    says err "did you mean --mean 0.49,0.482,0.447 --std 0.247,0.243,0.263, which are these by 255?"
    must test ! -e x.st
done
try 0 $new --mean 0,0,0 --std 0.003921568,1,1 -o x.st
rm x.st
printf 'one\ntwo\n' >two.txt
try 1 $new --labels two.txt -o x.st
says err "two.txt: 2 lines; expected the names of 3 classes"
printf 'one\n\nthree\n' >gap.txt
try 1 $new --labels gap.txt -o x.st
says err "gap.txt: line 2 is empty, with others after it"
printf '\357\273\277one\ntwo\nthree\n\r\n\n' >marked.txt # what stands at both ends is no name
try 0 $new --labels marked.txt -o marked.st
try 0 info marked.st --json
says out '"labels":["one","two","three"]'
printf 'caf\303\251\nb\ncafe\314\201\n' >twins.txt # one name in two spellings
try 1 $new --labels twins.txt -o x.st
says err "is the name of class 0 and of class 2: expected a name of its own for each"
must test ! -e x.st
try 1 $new --labels none.txt -o x.st
says err "none.txt: "
try 1 $new --labels . -o x.st
says err 'Is a directory'
absent x.st

# ---- info ----
try 0 info "$parts" # all that a line of parts can hold
says out "a norm before the blocks, 100 registers, 100 token(s) without a place, one channel"
try 0 info "$parts" --json
says out '"dtype":"f16"'
try 0 info g.st
says out "learngene"
says out "dim 24, 3 heads"
try 0 info g.st --json --tensors
json
says out '"kind":"learngene"'
says out '"tokens":16'
says out '"shape":[72,24]'
must test "$(number bytes)" -eq "$(wc -c <g.st)"
try 1 info none.st
says err "tleg: info: none.st: "
: >empty.st
try 1 info empty.st
says err "empty.st"
head -c 1000 g.st >short.st
try 1 info short.st
says err "short.st"
try 2 info
try 2 info g.st again.st

# ---- an index of several files is read as the file that it describes ----
try 0 info g.st --tensors
sed -n 's/^  \([a-z][a-z0-9_.]*\) *f32 .*/"\1": "g.st",/p' out >names
{ printf '{"weight_map": {' && sed '$s/,$//' names && printf '}}'; } >g.index.json
try 0 info g.index.json --json
says out '"kind":"learngene"'
must test "$(number bytes)" -eq "$((4 * $(number parameters)))"
try 0 expand g.index.json --depth 5 -o sharded.st
try 0 expand g.st --depth 5 -o whole.st
must cmp -s sharded.st whole.st

# ---- expand ----
try 0 expand g.st --depth 5 -o m.st
says out "m.st: a model of depth 5, f32"
parameters=$(sed -n 's/.*, \([0-9]*\) parameters.*/\1/p' out)
try 0 info m.st --json
json
says out '"kind":"vit"'
says out '"depth":5'
must test "$(number parameters)" -eq "$parameters"
try 0 expand g.st --depth 5 -o bf16.st --dtype bf16 --json
json
says out '"dtype":"bf16"'
must test "$(wc -c <bf16.st)" -lt "$(wc -c <m.st)"
for depth in 0 1025 -3 five 2.0; do
    try 2 expand g.st --depth $depth -o x.st
    says err "--depth takes a whole number from 1 to 1024; found \"$depth\""
done
try 2 expand g.st -o x.st
says err "--depth"
try 2 expand g.st --depth 5
try 1 expand m.st --depth 5 -o x.st
says err "m.st"
try 1 expand g.st --depth 5 --image 18 -o x.st
says err 18
try 2 expand g.st --depth 5 --timm --norm before-pool -o x.st
absent x.st
try 0 expand g.st --depth 2 --timm -o a.st
try 0 expand g.st --depth 2 --norm after-pool -o b.st
must cmp -s a.st b.st
try 0 info a.st --json
says out '"norm":"after_pool","eps":1e-6'
# Of a class token either place of the norm is the same, and one option more may be said of the published descendants.
for eps in 1e-6 1e-5; do
    try 0 new --cls --dim 12 --heads 2 --image 8 --patch 4 --classes 3 --eps $eps -o cls.st
    try 0 expand cls.st --depth 2 -o cls_model_$eps.st
    try 0 bench cls_model_$eps.st --runs 1 --norm before-pool
done
try 0 bench cls_model_1e-6.st --runs 1 --timm
try 2 bench cls_model_1e-5.st --runs 1 --timm
says err "is a model with its norm before-pool"
try 0 expand named.st --depth 2 --classes 7 -o seven.st
says out "the head starts fresh: 7 classes instead of 3 (seed 0); the labels are dropped"
try 0 info seven.st --json
says out '"labels":null'
try 0 expand g.st --depth 2 --image 32 -o big.st
try 0 info big.st --json
says out '"tokens":64'
cp g.st self.st
try 0 expand self.st --depth 5 -o self.st
must cmp -s self.st m.st
now="a full disk"
(trap '' XFSZ && ulimit -f 1 && exec "$tleg" expand g.st --depth 900 -o self.st) >out 2>err
must test $? -eq 1
says err "self.st"
must cmp -s self.st m.st
must test "$(ls self.st*)" = self.st
try 2 export self.st -o ./self.st # an ONNX file is no model to go on with
says err "which is read: give another name"
must cmp -s self.st m.st

# ---- store ----
try 0 store g.st -o half.st --json
json
says out '"dtype":"bf16"'
must test "$(number bytes)" -eq "$(wc -c <half.st)"
must test "$(wc -c <half.st)" -lt $(($(wc -c <g.st) * 6 / 10))
try 0 expand half.st --depth 5 -o twice.st
try 0 store half.st --dtype f32 -o wide.st
try 0 store wide.st -o back.st # bf16 to f32 and back loses nothing
must cmp -s half.st back.st
cp g.st self.st
try 0 store self.st -o self.st --dtype f16
says out "self.st: a learngene, f16"
mkdir folder && cp g.st folder/model.safetensors
try 0 store folder -o small.st
sized=$(sed 's/.* was //' out)
try 0 info folder
says out "$sized"
try 1 store m.st -o x.st
says err "m.st: a model; expected a learngene"
try 2 store g.st
says err "needs -o"
try 2 store g.st --dtype int8 -o x.st
absent x.st

# ---- run ----
tensors in.st images F32 2,3,16,16 6144
try 0 run g.st --depth 5 --input in.st -o out1.st
says out "logits [2,3]"
try 0 run m.st --input in.st -o out2.st
must cmp -s out1.st out2.st
for threads in 2 3; do
    try 0 run g.st --depth 5 --input in.st -o out2.st --threads $threads
    must cmp -s out1.st out2.st
done
try 0 run m.st --depth 5 --dtype f32 --image 16 --norm before-pool --input in.st -o out2.st --json
json
says out '"images":2'
cp in.st same.st
try 2 run m.st --input same.st -o same.st
says err "-o names same.st, which is read: give another name"
must cmp -s in.st same.st
try 2 run g.st --input in.st -o x.st
says err "g.st is a learngene: it needs --depth"
try 2 run m.st --depth 4 --input in.st -o x.st
says err "m.st is a model of depth 5"
try 2 run m.st --timm --input in.st -o x.st
try 1 run m.st --image 32 --input in.st -o x.st
says err "[B,3,32,32]"
try 0 run a.st --timm --input in.st -o out2.st
try 2 run m.st -o x.st
try 2 run m.st --input in.st
try 1 run m.st --input g.st -o x.st
says err images
tensors chw.st images F32 3,16,16 3072
tensors nhwc.st images F32 1,16,16,3 3072
tensors f64.st images F64 1,3,16,16 6144
tensors none.st images F32 0,3,16,16 0
for shape in 'chw:f32 [3,16,16]' 'nhwc:f32 [1,16,16,3]' 'f64:f64 [1,3,16,16]' 'none:f32 [0,3,16,16]'; do
    try 1 run m.st --input "${shape%%:*}.st" -o x.st
    says err "\"images\": expected shape f32 [B,3,16,16] with B at least 1, found ${shape#*:}"
done
tensors pixels.st pixel_values F32 1,3,16,16 3072
try 1 run m.st --input pixels.st -o x.st
says err "no tensor 'images'; the file holds 1, the first is 'pixel_values'"
tensors image.st image F32 1,3,16,16 3072
try 1 run m.st --input image.st -o x.st
says err "no tensor 'images'; did you mean 'image'?"
try 1 run big.st --input in.st -o x.st
says err "[B,3,32,32]"
tensors in32.st images F32 1,3,32,32 12288
try 0 run g.st --depth 2 --image 32 --input in32.st -o out1.st
try 0 run big.st --input in32.st -o out2.st
must cmp -s out1.st out2.st
absent x.st

# ---- plan ----
try 0 plan g.st --json
json
says out '"deepest":null'
try 0 plan g.st --memory 1M --json --batch 2
json
deepest=$(number deepest)
must test "$deepest" -ge 1
says out "{\"depth\":$deepest,"
must test "$(sed -n "s/.*{\"depth\":$deepest,[^}]*\"bytes_peak\":\([0-9]*\),.*/\1/p" out)" -le 1048576
must test "$(sed -n "s/.*{\"depth\":$((deepest + 1)),[^}]*\"bytes_peak\":\([0-9]*\),.*/\1/p" out)" -gt 1048576
says err "does not say at which depths it was learned"
try 0 plan g.st --bytes 1048576 --batch 2
says out "deepest that fits: $deepest"
silent_table=$deepest
try 0 plan g.st --memory 1M --json --batch 2 --stored
deepest=$(number deepest)
must test "$deepest" -gt "$silent_table"
must test "$(sed -n "s/.*{\"depth\":$deepest,\"bytes\":\([0-9]*\),.*/\1/p" out)" -le 1048576
must test "$(sed -n "s/.*{\"depth\":$((deepest + 1)),\"bytes\":\([0-9]*\),.*/\1/p" out)" -gt 1048576
elastic=$(number bytes_elastic)
try 0 plan g.st --bytes "$elastic" --elastic --batch 2
says out "deepest that fits: 1024"
try 1 plan g.st --bytes $((elastic - 1)) --elastic --batch 2
says err "nothing fits: depth 1 takes $elastic bytes"
deepest=$silent_table
try 0 plan g.st --memory 1024K --batch 2
says out "deepest that fits: $deepest"
try 0 plan g.st --ms 100000
says out "deepest that fits: 1024"
try 1 plan g.st --memory 100
says err "nothing fits: depth 1 takes"
try 1 plan g.st --ms 0.0000001 --json
json
says out '"deepest":null'
for size in 0 -1 64Q 1.5M 64MB 99999999999999999999 99999999T; do
    try 2 plan g.st --memory $size
    says err "--memory takes a number of bytes"
done
for ms in 0 -1 inf nan 0x10 1,5 fast; do
    try 2 plan g.st --ms $ms
    says err "--ms takes a number above 0"
done
try 1 plan m.st --memory 1M
says err "m.st"
try 2 plan g.st --elastic --stored
try 2 plan g.st --depth 2-4
says err "for --data"
try 2 plan g.st --data data --depth 4-2
says err "such as 2-12"
# Milliseconds that were measured earlier are taken as they are.
try 0 plan g.st --json
cp out cost.json
layer=$(number ms_per_layer) fixed=$(number ms_fixed)
limit=$(awk "BEGIN { print $fixed + 12.5 * $layer }")
for _ in 1 2; do
    try 0 plan g.st --cost cost.json --ms "$limit"
    says out "deepest that fits: 12"
done
try 0 plan g.st --cost cost.json --ms "$limit" --margin 1
says out "deepest that fits: $(awk "BEGIN { print int(($limit / 2 - $fixed) / $layer) }")"
try 1 plan g.st --cost cost.json --ms "$limit" --batch 2
says err "measured with batches of 1; --batch is 2"
# ... but not of anything else.
try 1 plan g.st --cost cost.json --threads 2
says err "cost.json: measured with threads 1; here it is 2: measure anew"
try 1 plan g.st --cost cost.json --dtype bf16
says err 'measured with dtype "f32"; here it is "bf16"'
try 1 plan g.st --cost cost.json --image 20
says err 'measured with image 16; here it is 20'
try 1 plan tiny.st --cost cost.json
says err 'measured with dim 24; here it is 192'
try 0 new --like m.st -o line.st
try 0 plan line.st --json
cp out line.json
try 0 new --like m.st --curve cosine --count 6 -o curve.st
try 1 plan curve.st --cost line.json
says err 'measured with schedule ""; here it is "{\"norm1\":[[12,\"cosine\",6]]'
echo '{"ms_fixed":1,"ms_per_layer":0.5,"batch":1}' >own.json
try 0 plan g.st --cost own.json --ms 7.2
says out "deepest that fits: 12"
says err "own.json does not say of what it was measured"
try 1 plan g.st --cost own.json --ms 2 --margin 1
says err "nothing fits: depth 1 takes"
says err "and 3.000 ms"
try 2 plan g.st --cost own.json --margin 1
says err "--margin is for --ms"
try 1 plan g.st --cost own.json --ms 7.2 --elastic
says err "expected milliseconds that were measured, ms_elastic_fixed and ms_elastic_per_layer, found 0"
echo '{"ms_fixed":1,"ms_per_layer":0.5,"ms_elastic_fixed":1,"ms_elastic_per_layer":1,"batch":1}' >own.json
try 0 plan g.st --cost own.json --ms 7.2 --elastic
says out "deepest that fits: 6"
for wrong in '"ms_fixed":1,"ms_per_layer":2,"ms_elastic_fixed":-1' '"ms_fixed":-1,"ms_per_layer":2' '"ms_fixed":1,"ms_per_layer":-2' '"ms_fixed":1,"ms_per_layer":2,"spread":-1'; do
    echo "{$wrong,\"batch\":1}" >odd.json
    try 1 plan g.st --cost odd.json
    says err "odd.json: expected what tleg plan --json prints"
done
echo '{"cost":{"ms_fixed":"x"}}' >odd.json
try 1 plan g.st --cost odd.json --ms 1
says err "odd.json: expected what tleg plan --json prints"
echo '{"cost":{"ms_fixed":0,"ms_per_layer":0,"batch":1}}' >odd.json
try 1 plan g.st --cost odd.json --ms 1
says err "expected milliseconds that were measured"
try 1 plan g.st --cost nowhere.json

# ---- classify ----
odd='фото кот "1"	.png'
png a.png
png "$odd"
try 0 classify named.st --depth 2 a.png
says out "a.png"
says out "фото (2)"
try 0 classify named.st --depth 2 --json "$odd"
json
says out '"file":"фото кот \"1\"\t.png"'
says out '"label":"αβ\\"'
must test "$(grep -o '"index"' out | wc -l)" -eq 3
try 0 classify m.st --json --top 1 a.png
says out '"label":null'
must test "$(grep -o '"index"' out | wc -l)" -eq 1
# Sigmoids have the odds whose quotients a softmax has.
for how in "" --sigmoid; do
    try 0 classify m.st $how --json --top 2 a.png
    sed 's/.*"p":\([0-9.e-]*\).*"p":\([0-9.e-]*\).*/\1 \2/' out
done | awk 'NR == 1 { ratio = $1 / $2 } NR == 2 { found = $1 / (1 - $1) / ($2 / (1 - $2)) }
    END { exit !(found / ratio > 0.999999 && found / ratio < 1.000001) }' || fail "no sigmoids"
try 0 classify g.st --depth 2 --labels labels.txt --json a.png
says out '"label":"фото"'
printf 'no picture\n' >text.jpg
: >empty.jpg
try 1 classify m.st --json a.png text.jpg none.jpg empty.jpg "$odd"
must test "$(wc -l <out)" -eq 2
says err "text.jpg"
says err "none.jpg"
says err "empty.jpg"
printf '\377\376' >bytes && bad=$(cat bytes).png
if png "$bad" 2>/dev/null; then
    try 0 classify m.st --json "$bad"
    json
    says out '"file":"��.png"'
    try 0 classify m.st "$bad"
    must grep -qF '\xFF\xFE.png' out
fi
# What a terminal obeys, in names of a file as well: CSI in one character, an override of the direction, an escape.
printf 'a\302\233b\n\342\200\256c\n\033[2Jd\n' >controls.txt
try 0 classify m.st --labels controls.txt --top 3 a.png
for shown in 'a?b (0)' '?c (1)' '?[2Jd (2)'; do must grep -qF "$shown" out; done
must [ "$(LC_ALL=C tr -d '[:print:]\n' <out | wc -c)" = 0 ]
try 0 classify m.st --labels controls.txt --top 3 --json a.png
json
for escaped in 'a\u009Bb' '\u202Ec' '\u001B[2Jd'; do says out "$escaped"; done
try 0 classify m.st --labels twins.txt a.png # to be shown they may be: ImageNet's list has two cranes
says err "is the name of class 0 and of class 2: only their numbers tell them apart"
try 0 convert m.st --labels twins.txt -o twins.st
mkdir -p twins/b && cp a.png twins/b
try 0 eval twins.st --data twins # of a model with two such classes, pictures of the third
printf 'a\nb\nc\351\n' >latin.txt
try 1 classify m.st --labels latin.txt a.png
says err 'line 3, "c\xE9", is not UTF-8'
try 2 classify m.st
try 2 classify g.st a.png
says err "--depth"
# As deep as it takes: the answer is that of the depth named, and all layers on the way there are counted.
for depth in 2 3 5; do
    try 0 classify g.st --depth $depth --json a.png
    cp out alone$depth
done
top() { sed 's/.*"top"/"top"/' "$1"; }
try 0 classify g.st --depth 5,2-3 --sure 1e-9 --json a.png
says out '"depth":2,"layers":2,'
must [ "$(top out)" = "$(top alone2)" ]
try 0 classify g.st --depth 2-3,5 --sure 1 --json a.png "$odd" a.png
must [ "$(grep -c '"depth":5,"layers":10,' out)" = 3 ]
must [ "$(head -n 1 out | top /dev/stdin)" = "$(top alone5)" ]
between=$(sed 's/.*"p":\([0-9.e-]*\).*"p":[^p]*"p":.*/\1/' alone2 | awk '{ print $1 + 1e-9 }')
try 0 classify g.st --depth 2,3 --sure "$between" a.png
says out "a.png (depth 3)"
try 2 classify g.st --depth 2,3 a.png
says err "need --sure"
for wrong in "--depth 2 --sure 0.5" "--depth 2,3 --sure 1.5" "--depth 2,3 --sure -1" "--depth 3-2 --sure 0.5" "--sure 0.5"; do
    # shellcheck disable=SC2086 # words are wanted
    try 2 classify g.st $wrong a.png
done
try 2 classify m.st --depth 2,3 --sure 0.5 a.png
says err "is for a learngene"
try 2 classify m.st --top 0 a.png
try 1 classify m.st --labels two.txt a.png
png ./-dash.png
try 0 classify m.st --json -- -dash.png
says out '"file":"-dash.png"'
now="another locale"
"$tleg" classify m.st --json a.png >plain 2>&1
LC_ALL=de_DE.UTF-8 "$tleg" classify m.st --json a.png >out 2>err
must cmp -s plain out

# ---- eval ----
for class in b a c; do
    mkdir -p "data/$class/deeper"
    for i in 1 2 3; do png "data/$class/$i.png"; done
    png "data/$class/deeper/4.PNG"
    png "data/$class/.hidden.png"
    echo note >"data/$class/notes.txt"
done
mkdir data/.cache
for batch in 1 5 100; do
    try 0 eval m.st --data data --batch $batch --json
    json
    says out '"top1":0.333333333333333'
    says out '"images":12,"correct":4,"skipped":0,"depth":5'
    silent err
done
says out '"classes":[{"name":"a","index":0,'
try 0 eval g.st --depth 5 --data data
says out "top-1 33.33 %: 4 of 12 images, 0 skipped, depth 5"
: >data/b/0.jpg
try 1 eval m.st --data data
says err "data/b/0.jpg"
silent out
try 0 eval m.st --data data --skip-bad --json
says out '"images":12'
says out '"skipped":1'
says err "data/b/0.jpg"
rm data/b/0.jpg
# Several depths in a table, kept in the file, from where plan takes them; nothing else in the file changes.
cp g.st scored.st
try 0 eval scored.st --depth 4,2-3 --data data --write-scores
says out "    2        "
says out "best: depth "
try 0 eval scored.st --depth 2-3 --data data --json
must test "$(grep -o '"learned":null' out | wc -l)" -eq 2
try 0 convert g.st --depths 3 -o learned.st
try 0 eval learned.st --depth 2-3 --data data --json
json
must test "$(grep -o '"learned":[a-z]*' out | tr '\n' ' ')" = '"learned":false "learned":true '
cp g.st turned.st # pictures that EXIF turns are others
try 0 eval turned.st --depth 2 --data data --write-scores
try 0 eval turned.st --depth 3 --data data --exif --write-scores
says err "the former scores of turned.st, on other images, are replaced"
try 0 eval scored.st --depth 3 --data data --json
one=$(number top1 | cut -c 1-16) # a line's numbers have as many digits as the longest of them needs
try 0 info scored.st --json
says out '"depths":null,"scores":{"on":"data","images":12,"depths":[2,3,4],"scores":['
try 0 eval scored.st --depth 9 --data data/ --write-scores
try 0 info scored.st --json
says out '"images":12,"depths":[2,3,4,9],"scores":['
now="scores on . are on the folder that it is"
(cd data && "$tleg" eval ../scored.st --depth 9 --data . --write-scores) >out 2>err
must test $? -eq 0
try 0 info scored.st --json
says out '"on":"data","images":12,"depths":[2,3,4,9],"scores":['
cp -r data データ
cp g.st spelt.st
try 0 eval spelt.st --depth 2 --data データ --write-scores
try 0 info spelt.st
says out "on データ, 12 images"
try 0 plan scored.st --json
says out "\"learned\":null,\"score\":$one"
says out '"best":'
try 0 plan scored.st --bytes 100M
says out "best that fits: depth "
says out "within one standard error, "
says err "does not say at which depths"
try 0 plan scored.st --image 20 --bytes 100M
says err "the scores in scored.st are of its own image size"
must test "$(grep -c "best" out)" -eq 0
try 0 plan scored.st --image 16 --bytes 100M
says out "best that fits: depth "
cp scored.st kept.st
try 2 eval scored.st --depth 9 --data data --dtype bf16 --write-scores
try 0 export g.st --depth 2 -o scored.onnx
cp scored.onnx kept.onnx
try 1 eval scored.onnx --data data --write-scores
says err "scored.onnx: not a safetensors file, which has a place for scores: tleg convert writes one"
same scored.onnx kept.onnx
same scored.st kept.st
try 0 eval scored.st --depth 9 --data data --val-every 4 --write-scores
says err "the former scores of scored.st, on data, are replaced"
try 0 info scored.st
says out "scores        top-1 on validation, 3 images"
# A file that another has taken the place of since gets no scores. Notes of bad pictures, more than a pipe holds, keep it waiting.
cp g.st moved.st
try 0 $new --seed 6 -o next.st
cp next.st kept.st
zeros=$(printf '%0200d' 0)
for i in $(seq 1 500); do : >"data/b/$i.$zeros.jpg"; done
mkfifo notes
now="tleg eval moved.st --depth 2 --data data --skip-bad --write-scores"
"$tleg" eval moved.st --depth 2 --data data --skip-bad --write-scores >out 2>notes &
exec 3<notes
dd bs=1 count=1 <&3 >/dev/null 2>&1
mv next.st moved.st
cat <&3 >err
exec 3<&-
wait $!
must test $? -eq 1
says err "moved.st is another file than when its scoring began"
same moved.st kept.st
rm "data/b/"*".$zeros.jpg" notes
try 0 plan g.st --data data --depth 3-5 --json --bytes 100M
says out '"scores":{"on":"data","images":12,"depths":[3,4,5],'
# ---- scores change nothing else ----
# A file without tleg keys stays what it was; a tensor that could not be written back is refused before anything is scored.
if has_python "cli: files without keys"; then
    try 0 expand g.st --depth 2 -o scored2.st
    python3 - <<'END'
import json, struct
def change(path, out, edit):
    data = open(path, 'rb').read()
    size, = struct.unpack('<Q', data[:8])
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    body = edit(header, body)
    text = json.dumps(header).encode()
    open(out, 'wb').write(struct.pack('<Q', len(text)) + text + body)
def strip(header, body):
    del header['__metadata__']
    return body
def mask(header, body):
    header['mask'] = {'dtype': 'BOOL', 'shape': [8], 'data_offsets': [len(body), len(body) + 8]}
    return body + bytes(8)
change('scored2.st', 'bare.st', strip)
change('scored2.st', 'masked.st', mask)
END
    try 0 info bare.st --heads 2
    grep -E '^(norm|head)' out >former
    try 0 eval bare.st --heads 2 --data data --write-scores
    try 0 info bare.st --heads 2
    says out "$(head -n 1 former)"
    says out "$(tail -n 1 former)"
    says out "scores"
    try 1 eval masked.st --data data --write-scores
    says err 'masked.st: scores cannot be written beside "mask"'
    silent out
fi

# ---- what is read is not written over ----
printf 'a\nb\nc\n' >own-names.txt
cp own-names.txt kept-names.txt
for words in "convert named.st --labels own-names.txt" "new --dim 16 --heads 2 --image 16 --patch 8 --classes 3 --labels own-names.txt"; do
    try 2 $words -o own-names.txt
    says err "-o names own-names.txt, which is read: give another name"
    must cmp -s own-names.txt kept-names.txt
done
for words in "expand named.st --depth 2" "store named.st"; do # rules for names
    try 2 $words --names ./own-names.txt -o own-names.txt
    says err "-o names ./own-names.txt, which is read: give another name"
    must cmp -s own-names.txt kept-names.txt
done

# ---- advice that holds ----
try 1 store m.st -o x.st
says err "tleg convert --dtype"
try 2 plan g.st --exif
says err "--exif and --skip-bad are for --data"
absent_level=neon
[ "$(uname -m)" != aarch64 ] || absent_level=avx2
try 1 check --level $absent_level
says err "this build and machine have"

# ---- what a model does not have ----
try 2 convert m.st --depths 3-12 -o x.st
says err "m.st is a model: --schedule and --depths are of a learngene"
try 2 convert m.st --schedule '{"qkv":[[4,true]]}' -o x.st
says err "m.st is a model: --schedule and --depths are of a learngene"
absent x.st
# ---- other classes: a fresh head ----
try 0 expand named.st --depth 2 --dtype bf16 -o named2.st
try 0 convert named2.st --classes 5 -o five.st
says err "the head starts fresh: 5 classes instead of 3 (seed 0)"
says out "five.st: a model, bf16,"
try 0 info five.st --json
says out '"classes":5'
says out '"labels":null'
try 0 convert named2.st --classes 3 -o same3.st # which it has: nothing starts anew
silent err
try 0 info same3.st --json
must test "$(grep -c '"labels":null' out)" -eq 0
printf 'v\nw\nx\ny\nz\n' >five.txt
try 0 convert named2.st --classes 5 --seed 1 --labels five.txt -o labelled5.st
try 0 info labelled5.st --json
says out '"labels":["v","w","x","y","z"]'
try 0 tune five.st --data data --epochs 1 -o tuned5.st # as any model; the data have three
printf 'a\nb\nc\n' >own.txt && printf 'b\na\nc\n' >swapped.txt
try 0 convert scored.st --labels own.txt -o labelled.st # which had none
try 0 convert labelled.st --labels own.txt -o same.st
silent err
try 0 info same.st --json
says out '"scores":{'
try 0 convert labelled.st --labels swapped.txt -o swapped.st
says err "its scores are left out"
try 0 info swapped.st --json
says out '"scores":null'
try 0 expand scored.st --depth 9 -o nine.st
try 0 info nine.st --json
says out '"scores":{"on":"validation","images":3,"depths":[9],'
try 0 run scored.st --depth 9 --input in.st -o out1.st
try 0 run g.st --depth 9 --input in.st -o out2.st
must cmp -s out1.st out2.st
try 2 eval g.st --depth 0 --data data
says err "such as 8, 2-12 or 3,6,12"
try 2 eval m.st --depth 5-6 --data data
says err "several depths are for a learngene"
try 2 eval g.st --depth 2 --timm --data data --write-scores
says err "--write-scores"
try 1 eval named.st --depth 2 --data data
says err "data/a"
mkdir named && cp -r data/a named/фото && mkdir "named/cat \"tom\""
try 0 eval named.st --depth 2 --data named --json
says err 'no images of this class'
says out '{"name":"фото","index":2,"images":4,'
rm -r data/c
try 1 eval m.st --data data
says err "2 class folders; the model has 3 classes"
mkdir flat && png flat/a.png
try 1 eval m.st --data flat
says err flat
try 1 eval m.st --data nowhere
says err nowhere
try 2 eval m.st
says err "--data"
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then # where a terminal can be made
    now="a progress bar on a terminal"
    cp -r data/a data/c
    TERM=xterm script -qec "stty cols 120; '$tleg' eval m.st --data data" /dev/null >out 2>err </dev/null
    says out "eval [##############################] 12/12"
fi

# ---- bench ----
try 0 bench m.st --runs 3 --json
json
for key in ms ms_least images_per_s gflops peak_share peak_gflops copy_gbytes_per_s bytes peak_bytes process_bytes runs; do
    must test -n "$(number $key)"
done
# holds EXPRESSION: of figures in out, by their keys.
holds() {
    checks=$((checks + 1))
    values=$(sed 's/[{}]//g; s/"//g; s/,/\n/g' out | sed -n 's/^\([a-z_]*\):\([-0-9.e+]*\)$/-v \1=\2/p')
    awk $values "BEGIN { exit !($1) }" || fail "not so: $1"
}
holds 'runs == 3 && 0 < ms_least && ms_least <= ms'
holds 'peak_share > 0 && peak_share <= 1.1'
holds 'peak_share * peak_gflops / gflops > 0.999 && peak_share * peak_gflops / gflops < 1.001'
holds 'images_per_s * ms / 1000 > 0.999 && images_per_s * ms / 1000 < 1.001'
holds 'copy_gbytes_per_s > 0.01 && copy_gbytes_per_s < 10000'
holds 'bytes <= peak_bytes && process_bytes > 1e6'
try 0 bench m.st --runs 1 --threads 2 --json
holds 'peak_share * 2 * peak_gflops / gflops > 0.999 && peak_share * 2 * peak_gflops / gflops < 1.001'
try 0 bench bf16.st --runs 1 --json
says out '"dtype":"bf16"'
holds 'peak_share > 0 && peak_share <= 1.1'
try 0 bench g.st --depth 3 --batch 2 --runs 1
says out "of the peak"
cp m.st "$(printf 'clear\033c.st')"
try 0 bench "$(printf 'clear\033c.st')" --runs 1
says out "clear?c.st: depth"
try 2 bench g.st
try 2 bench m.st --batch 0

# ---- check: one line a level; the levels' expanded files are the same ----
try 0 check
says out "portable "
must test "$(tail -n 1 out)" = "this machine computes correctly"
levels=$(sed -n '/^blas/d; s/^\([a-z0-9]*\) .* ok$/\1/p' out)
for level in $levels; do
    try 0 expand g.st --depth 13 --level $level -o $level.st
    must cmp -s portable.st $level.st
    try 0 run g.st --depth 13 --level $level --input in.st -o out1.st
    try 0 check --level $level
done
try 0 check --json --level portable
must test "$(wc -l <out)" -eq 2
says out '"level":"portable"'
says out '{"right":true}'
for level in amx neon; do
    case " $(printf '%s ' $levels)" in *" $level "*) continue ;; esac
    try 1 info m.st --level $level
    says err "--level $level: this build and machine have portable"
done

# ---- output that does not arrive ----
if [ -w /dev/full ]; then
    for words in "info m.st" "classify m.st a.png" "--help" "plan g.st --json" "expand g.st --depth 2 -o full.st"; do
        now="tleg $words >/dev/full"
        "$tleg" $words >/dev/full 2>err
        must test $? -eq 1
        says err "standard output"
    done
fi
now="standard output closed"
"$tleg" expand g.st --depth 5 -o closed.st >&- 2>err
must test $? -eq 1
must cmp -s closed.st m.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of the command failed"
    exit 1
fi
echo "the command: $checks checks"
