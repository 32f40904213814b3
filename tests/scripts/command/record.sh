#!/bin/sh
# Recorded teachers: learning from a recording gives the bits of the run that made it, whatever the augmentation, after kills too; and
# what a recording is refused for.
# usage: record.sh TLEG [KILLS]       prints what fails; exit 1 if anything did
tleg=$1 kills=${2:-6}
[ -x "$tleg" ] || { echo "usage: record.sh TLEG [KILLS]" >&2; exit 2; }
examples=$(cd "$(dirname "$0")/../../../examples" && pwd)
. "$(dirname "$0")/checks.sh"

mkdir cifar
for i in $(seq 0 35); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 3 -o start.st
try 0 expand start.st --depth 3 -o teacher.st
data="--data cifar --val-every 6 --batch 10 --recipe deit"
small="distill $data --dim 16 --heads 2 --image 32 --patch 8 --depths 2-3 --lr 1e-3 --warmup 1"

# ---- the same bits, under every augmentation ----
for words in "--augment deit" "--augment light" "--augment none --flip 0.5" "--augment light --mixup 0.8" \
    "--augment none --cutmix 1 --repeats 2" "--augment deit --cutmix 0 --alpha 0.5"; do
    rm -f rec
    try 0 $small $words --epochs 3 --teacher teacher.st --record rec -o first.st
    must test -s rec -a ! -e rec.part
    try 0 $small $words --epochs 3 --recorded rec -o then.st
    same first.st then.st
    try 0 $small $words --epochs 3 --recorded rec --loaders 2 --threads 2 -o then.st
    same first.st then.st
    try 0 record $data ${words% --alpha*} --epochs 3 --from start.st --teacher teacher.st --loaders 2 -o alone
    same rec alone
    rm -f alone
done
rm rec

# ---- one recording, many runs ----
try 0 record $data --epochs 4 --image 32 --teacher teacher.st -o rec
says out "rec: 4 epochs of 30 images, logits of 3 classes"
try 0 $small --epochs 4 --seed 7 --data-seed 0 --teacher teacher.st --record other -o seven.st
same rec other
try 0 $small --epochs 4 --seed 7 --data-seed 0 --recorded rec -o then.st
same seven.st then.st
says out "DeiT's recipe, for long runs, with pictures as recorded"
try 0 new --dim 8 --heads 1 --image 32 --patch 16 --classes 3 -o wide.st
try 0 distill $data --from wide.st --depth 2 --epochs 4 --recorded rec -o wide.st
rm -f other
try 0 tune start.st $data --depth 2 --epochs 4 --teacher teacher.st --record other -o tuned.st
same rec other
try 0 tune start.st $data --depth 2 --epochs 4 --recorded rec -o then.st
same tuned.st then.st
try 0 $small --epochs 3 --recorded rec -o then.st
try 0 $small --epochs 3 --accumulate 2 --recorded rec -o then.st

# ---- what no option says is as it was recorded ----
bare="distill --data cifar --val-every 6 --from start.st --depth 2 --epochs 2" # with no other use for a seed
for words in "--augment deit" "--augment light --mixup 0.8 --batch 7" "--augment none --cutmix 1 --repeats 2" \
    "--augment light --crop-scale 0.3 --rand-augment 5 --jitter 0.2 --erase 0.5 --flip 0" "--augment none --flip 0" \
    "--seed 9" "--batch 12 --seed 18446744073709551615"; do
    rm -f own
    try 0 $bare $words --teacher teacher.st --record own -o first.st
    try 0 $bare --recorded own -o then.st
    says out "the recipe for short runs (a rate that does not shrink with the batch), with pictures as recorded"
    same first.st then.st
done
try 1 $bare --recorded own --augment deit -o then.st # what an option says holds
says err 'own: recorded with rand_augment 0.0; here it is 9.0; without --augment and other options of pictures they are as recorded'
try 1 $bare --recorded own --cutmix 1 -o then.st
says err 'own: recorded with cutmix 0.0; here it is 1.0'
rm own
try 0 record --data cifar --val-every 6 --from start.st --epochs 2 --augment none --teacher teacher.st -o own
try 1 $bare --recorded own --rand-augment 5 -o then.st
says err 'own: recorded with crop "none"; here it is "padded"'

# Batches are free where nothing is mixed in them, as long as no more pictures are taken.
plain="--augment light --epochs 2"
try 0 record $data $plain --image 32 --teacher teacher.st -o plain
try 0 $small $plain --recorded plain --batch 15 -o then.st
try 0 $small $plain --recorded plain --batch 7 -o then.st
rm plain
try 0 record $data $plain --image 32 --teacher teacher.st --batch 7 -o plain
try 1 $small $plain --recorded plain -o x.st
says err "plain: holds 28 pictures of each epoch; here 30 are taken (--batch 10)"

# ---- epochs that come again ----
rm -f other
try 0 $small --epochs 9 --views 4 --teacher teacher.st --record other -o first.st
same rec other
says out "each picture 3 times, 4 epochs of them, repeated"
try 0 $small --epochs 9 --views 4 --recorded rec -o then.st
same first.st then.st
try 0 $small --epochs 9 --views 4 --recorded rec --limit-steps 14 -o then.st
try 0 $small --epochs 9 --views 4 --recorded rec --resume -o then.st
same first.st then.st
try 0 $small --epochs 3 --views 4 --recorded rec -o then.st
try 0 $small --epochs 3 --recorded rec -o other.st
same then.st other.st
try 1 $small --epochs 9 --recorded rec -o x.st
says err "rec: holds 4 epochs of pictures; here are 9: --views 4 repeats those that there are"
try 1 $small --epochs 9 --views 5 --recorded rec -o x.st
says err "rec: holds 4 epochs of pictures; --views 5 asks for more"

# ---- what it left out validates ----
try 0 $small --epochs 4 --recorded rec -o judged.st
try 0 distill --data cifar --dim 16 --heads 2 --image 32 --patch 8 --depths 2-3 --lr 1e-3 --warmup 1 --recipe deit --epochs 4 --recorded rec -o then.st
says out "30 images of 3 classes to learn from, 6 to validate with"
same judged.st then.st
try 0 learn --from start.st --data cifar --depths 2-3 --epochs 2 --recorded rec -o own.st
says out "30 images of 3 classes to learn from, 6 to validate with"
try 0 info own.st
says out "depth 2 "
try 0 record --data cifar --epochs 2 --batch 10 --from start.st --teacher teacher.st -o all
try 0 learn --from start.st --data cifar --depths 2-3 --epochs 2 --recorded all -o own.st
says err "nothing is validated: all is of all pictures"
says out "36 images of 3 classes to learn from, 0 to validate with"
rm all

# ---- made longer ----
rm -f grown
try 0 $small --epochs 2 --decay-epochs 0 --teacher teacher.st --record grown -o grown.st
must test -s grown -a ! -e grown.part
try 0 $small --epochs 4 --decay-epochs 0 --teacher teacher.st --record grown --resume --limit-steps 8 -o grown.st
says err "grown.part holds 8 of 12 batches"
try 0 $small --epochs 4 --decay-epochs 0 --teacher ./teacher.st --record grown --resume --limit-steps 9 -o grown.st # the same one
must test ! -e grown.longer.part
try 1 $small --epochs 5 --decay-epochs 0 --teacher teacher.st --record grown --resume -o grown.st
says err "grown: of 4 epochs, and here are 5: end it with as many as it began with"
try 0 $small --epochs 4 --decay-epochs 0 --teacher teacher.st --record grown --resume -o grown.st
same rec grown
must test ! -e grown.part
try 0 $small --epochs 4 --decay-epochs 0 --teacher teacher.st -o straight.st
try 0 $small --epochs 4 --decay-epochs 0 --recorded rec -o straight.st
same straight.st grown.st
cp grown kept.rec
try 0 record $data --epochs 6 --from start.st --teacher teacher.st --resume -o grown
says out "grown: 6 epochs of 30 images"
head -c $(($(wc -c <kept.rec) - 200)) grown | tail -c +900 >one
head -c $(($(wc -c <kept.rec) - 200)) kept.rec | tail -c +900 >other
must cmp -s one other
try 1 record $data --epochs 4 --from start.st --teacher teacher.st --resume -o grown
says err "grown: of 6 epochs, and here are 4"
rm -f grown one other

# ---- stopped and resumed ----
rm -f other
try 0 $small --epochs 4 --teacher teacher.st --record other -o whole.st
same rec other
rm -f other
try 0 $small --epochs 4 --teacher teacher.st --record other --limit-steps 5 -o part.st
says err "other.part holds 5 of 12 batches: --resume with more steps records the rest"
must test -s other.part -a ! -e other
try 1 $small --epochs 4 --teacher teacher.st --record other --checkpoint y.checkpoint -o x.st
says err "other.part: a recording in progress: --resume continues it"
try 0 $small --epochs 4 --teacher teacher.st --record other --resume -o part.st
same rec other
same whole.st part.st
try 0 $small --epochs 4 --recorded rec --limit-steps 5 -o part.st
try 0 $small --epochs 4 --recorded rec --resume -o part.st
same whole.st part.st
try 1 $small --epochs 4 --teacher teacher.st --record rec -o x.st
says err "rec: there is a file already"
try 1 record $data --epochs 4 --from start.st --teacher teacher.st -o rec
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 7 -o seven.st
try 0 record $data --epochs 1 --from seven.st --teacher teacher.st -o seven
must test ! -s err # nothing learns, and no head starts fresh
rm seven
try 0 record $data --epochs 4 --from start.st --teacher teacher.st --resume -o rec
rm -f other
try 0 $small --epochs 4 --teacher teacher.st --record other --limit-steps 5 -o part.st

# Killed between the last batch and the name: all is there, and gets it. One of other settings stays as it is.
cp rec named.part
try 1 record $data --epochs 4 --seed 1 --from start.st --teacher teacher.st --resume -o named
must test -s named.part -a ! -e named
try 0 record $data --epochs 4 --from start.st --teacher teacher.st --resume -o named
same rec named
must test ! -e named.part
mv named named.part
try 0 $small --epochs 4 --teacher teacher.st --record named --resume -o named.st
same rec named
same whole.st named.st

# A run that gets more epochs later on records those too.
rm -f more more.part
try 0 $small --epochs 3 --views 4 --teacher teacher.st --record more -o longer.st
says err "more.part holds 9 of 12 batches"
try 0 $small --epochs 6 --views 4 --teacher teacher.st --record more --resume -o longer.st
same rec more

mkdir kept && cp other.part part.st.checkpoint kept # what was recorded goes on with either
try 0 $small --epochs 4 --recorded rec --resume -o part.st
same whole.st part.st
mv kept/other.part kept/part.st.checkpoint .
mv other.part gone
try 1 $small --epochs 4 --teacher teacher.st --record other --resume -o part.st
says err "other: holds 0 batches; the checkpoint stands after 5"
must test ! -e other.part -a ! -e other # what the run needs may yet be put there
head -c 500 gone >other.part
try 1 $small --epochs 4 --teacher teacher.st --record other --resume -o part.st
says err "batches; the checkpoint stands after 5"

# kill -9 at random instants, of a run and of a recording alone
long="$small --checkpoint-every 2 --epochs 20 --teacher teacher.st"
lone="record $data --epochs 20 --from start.st --teacher teacher.st"
begin=$(date +%s%N)
rm -f long* && try 0 $long --record long -o long.st
span=$((($(date +%s%N) - begin) / 1000000))
for i in $(seq 1 "$kills"); do
    rm -f killed* lone*
    wait=$(awk -v s="$span" -v r="$(od -An -N2 -tu2 /dev/urandom)" 'BEGIN { print s / 1000 * r / 65536 }')
    "$tleg" $long --record killed -o killed.st >out 2>err &
    pid=$!
    sleep "$wait"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    try 0 $long --record killed --resume -o killed.st
    now="kill -9 after $wait s, then --resume"
    same long.st killed.st
    same long killed
    "$tleg" $lone -o lone >out 2>err &
    pid=$!
    sleep "$(awk -v w="$wait" 'BEGIN { print w / 4 }')"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    try 0 $lone --resume -o lone
    now="kill -9 of a recording, then --resume"
    same long lone
done

# ---- what is refused ----
# refused TEXT WORDS...: a run with other words fails with the text, and leaves its last checkpoint as it was.
refused() {
    text=$1
    shift
    cp part.st.checkpoint former
    try 1 $small --epochs 4 --recorded rec --resume --checkpoint part.st.checkpoint "$@" -o x.st
    says err "$text"
    same part.st.checkpoint former
    must test ! -e x.st
}
refused "rec: recorded with data_seed 0; here it is 1 (--data-seed)" --data-seed 1
refused "rec: recorded with cutmix 1.0; here it is 0.5" --cutmix 0.5
refused "rec: recorded with mixup 0.8; here it is 0.0" --mixup 0
refused 'rec: recorded with crop "padded"; here it is "none"' --augment none
refused 'rec: recorded with crop "padded"; here it is "random"' --crop-scale 0.5
refused "rec: recorded with flip 0.5; here it is 0.25" --flip 0.25
refused "rec: recorded with rand_augment 9.0; here it is 5.0" --rand-augment 5
refused "rec: recorded with erase 0.25; here it is 0.0" --erase 0
refused "rec: recorded with repeats 3; here it is 1" --repeats 1
refused "rec: recorded with batch 10; here it is 15" --batch 15
refused "rec: recorded with images 30; here it is 33 (--val-every, --skip-bad)" --val-every 40 --data cifar
refused "rec: recorded with image_size 32; here it is 16" --image 16
refused "rec: recorded with mean [0.485,0.456,0.406]; here it is [0.5,0.5,0.5]" --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5
refused "rec: recorded with exif false; here it is true" --exif

refused "rec: recorded with batch 10; here it is 15, in which pictures are mixed" --batch 15

# other pictures, or other classes
cp -r cifar others && for i in $(seq 35 -1 0); do cifar $((i % 3)) "$((i + 9))"; done >others/data_batch_1.bin
refused "rec: recorded of other pictures than those of others: names, classes or bytes differ" --data others
for i in $(seq 0 35); do cifar $((i % 3)) "$((i + 9))"; done >others/data_batch_1.bin
refused "rec: recorded of other pictures than those of others: names, classes or bytes differ" --data others
printf 'red\nblue\ngreen\n' >others/batches.meta.txt
refused 'rec: recorded where class 1 is "green"; here it is "blue"' --data others
printf 'red\ngreen\nblue\ngrey\n' >others/batches.meta.txt && for i in $(seq 0 35); do cifar $((i % 4)) "$i"; done >others/data_batch_1.bin
refused "rec: recorded with 3 classes; here there are 4" --data others

printf 'red\ngr\374n\nblue\n' >others/batches.meta.txt && for i in $(seq 0 35); do cifar $((i % 3)) "$i"; done >others/data_batch_1.bin
refused 'others/batches.meta.txt: line 2, "gr\xFCn", is not UTF-8' --data others

# one picture of many
mkdir many && cp cifar/batches.meta.txt many
for i in $(seq 0 149); do cifar $((i % 3)) "$i"; done >many/data_batch_1.bin
try 0 record --data many --batch 10 --epochs 1 --from start.st --teacher teacher.st -o all
for i in $(seq 0 149); do cifar $((i % 3)) "$((i == 100 ? 7 : i))"; done >many/data_batch_1.bin
try 1 distill --data many --batch 10 --from start.st --depth 2 --epochs 1 --recorded all -o x.st
says err "all: recorded of other pictures than those of many: names, classes or bytes differ"

# damage: cut short, longer, a bit flipped anywhere, other files
bytes=$(wc -c <rec)
cp rec sound
head -c $((bytes - 1)) sound >rec
refused "rec: expected $bytes bytes, found $((bytes - 1)): the recording is cut short"
head -c 40 sound >rec
refused "the file is cut short or damaged"
: >rec
refused 'rec: not a recording: it does not begin with "tlegrec1"'
{ cat sound && echo; } >rec
refused "rec: expected $bytes bytes, found $((bytes + 1)): something was written after its end"
# flipped PLACE: the recording with one bit of the byte at that place changed.
flipped() {
    {
        head -c "$1" sound
        tail -c +$(($1 + 1)) sound | head -c 1 | od -An -tu1 | awk '{ print $1 % 2 ? $1 - 1 : $1 + 1 }' | bytes
        tail -c +$(($1 + 2)) sound
    } >rec
    must test "$(wc -c <rec)" -eq "$bytes"
}
flipped 0
refused "rec: not a recording"
flipped 100
refused "rec: the checksum of its settings fails: the file is damaged"
flipped $((bytes - 1))
refused "rec: the checksum of batch 12 of 12 fails: the file is damaged"
flipped $((bytes - 64 * 7 - 9))
refused "rec: the checksum of batch 5 of 12 fails: the file is damaged"
cp teacher.st rec
refused "rec: not a recording"
rm rec
refused "rec: No such file or directory"
mv sound rec
mv rec rec.part # as if it were under way
refused "rec: No such file or directory"
mv rec.part rec

# ---- what the call says of a file is said of the teacher's, where there is no other ----
recorded="record --data cifar --teacher $examples/../tests/fixtures/pth/averaged.pth --image 32 --epochs 1 --batch 6 -o x.rec"
try 1 $recorded # a part of a network
says err 'the weights are those under "model"'
try 1 $recorded --key model_ema
must test "$(grep -c 'the weights are those under' err)" -eq 0
try 1 $recorded --key nonsense
says err nonsense

# ---- wrong use ----
wrong() {
    text=$1
    shift
    try 2 "$@" -o x.st
    says err "$text"
}
wrong "each name a teacher: give one" $small --epochs 4 --recorded rec --teacher teacher.st
wrong "--record keeps what a teacher says" $small --epochs 4 --record x
wrong "--record keeps what a teacher says" $small --epochs 4 --record x --recorded rec
wrong "--record keeps what a teacher says" $small --epochs 4 --record x --teacher teacher.st --alpha 0
rm -f large # seeds that differ in their last bit alone
try 0 record $data --epochs 1 --image 32 --teacher teacher.st --seed 18446744073709551614 -o large
try 1 $small --epochs 1 --recorded large --data-seed 18446744073709551615 -o x.st
says err 'large: recorded with data_seed "18446744073709551614"; here it is "18446744073709551615"'
try 0 $small --epochs 1 --recorded large --seed 3 -o then.st
wrong "--data-seed takes a whole number" $small --epochs 4 --recorded rec --data-seed -1
wrong "needs --teacher or --teacher-command" record $data --epochs 4 --from start.st
wrong "needs --from or --image" record $data --epochs 4 --teacher teacher.st
wrong "leave out --image" record $data --epochs 4 --teacher teacher.st --from start.st --image 32
try 1 $small --epochs 4 --teacher teacher.st --record no/such/place -o x.st
says err "--record no/such/place: there is no folder no/such/"
must test ! -e x.st

# ---- a program as the teacher ----
if has_python "record: a program as the teacher"; then
    cp "$examples/teachers/minimal.py" .
    try 0 $small --epochs 2 --teacher-command "python3 minimal.py" --record asked -o first.st
    try 0 $small --epochs 2 --recorded asked -o then.st
    same first.st then.st
    try 0 record $data --epochs 2 --from start.st --teacher-command "python3 minimal.py" -o alone
    same asked alone
    sed 's/brightness \*/1e6 */' minimal.py >loud.py # more than f16 holds
    try 1 record $data --epochs 2 --from start.st --teacher-command "python3 loud.py" -o loud
    says err "loud.part: the teacher said -1e+06, which f16 does not hold (largest: 65504); loud.part holds 0 batches"
    rm -f loud.part
    try 1 $small --epochs 2 --teacher-command "python3 loud.py" --record loud -o x.st
    says err "step 1: loud.part: the teacher said -1e+06"
    # Another run's recording, of a program that was called alike and said something else.
    for lead in 1 3; do
        sed "s/brightness \*/$lead * brightness */" minimal.py >changed.py
        try 0 $small --epochs 2 --teacher-command "python3 changed.py" --record said$lead --limit-steps 4 -o said$lead.st
    done
    mv said3.part said1.part
    try 1 $small --epochs 2 --teacher-command "python3 changed.py" --record said1 --resume -o said1.st
    says err "the recording holds other logits than there (--other-teacher allows it)"
    rm -f said1.part
fi
must test ! -e x.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of recordings failed"
    exit 1
fi
echo "recordings: $checks checks"
