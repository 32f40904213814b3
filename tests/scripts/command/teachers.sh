#!/bin/sh
# Programs as teachers (--teacher-command): what a good one gives, and what is said of bad ones.   teachers.sh TLEG
tleg=$1
[ -x "$tleg" ] || { echo "usage: teachers.sh TLEG" >&2; exit 2; }
teacher=$PWD/tests/scripts/command/teachers.py minimal=$PWD/examples/teachers/minimal.py serve=$PWD/examples/teachers/serve.py
. "$(dirname "$0")/checks.sh"
has_python teachers || exit 77
python=$(python3 -c 'import sys; print(sys.executable)') # the program itself, whatever stands before it

python3 "$teacher" data || exit 1
shape="--dim 16 --heads 2 --image 32 --patch 8 --mean 0.25,0.5,0.75 --std 0.5,0.25,0.125 --depth 2"
run="distill --data cifar $shape --batch 10 --lr 1e-3 --epochs 4 --warmup 0 --log-every 1 --teacher-timeout 30"
plain="$run --augment none"
by() {
    echo "exec $python -I -S $teacher $*"
}
# gone: the process that was the teacher is no more.
gone() {
    checks=$((checks + 1))
    ! kill -0 "$(cat pid)" 2>/dev/null || fail "the teacher still runs"
}

# ---- a good one ----
# It sees what the student learns from, so that it can say what a table of the same logits says, of mirrored pictures too.
try 0 $plain --flip 0.5 --teacher-command "$(by good)" -o good.st
gone
try 0 $plain --flip 0.5 --teacher-logits stored.st -o stored-gene.st
same good.st stored-gene.st
must grep -q '"protocol": "tleg-teacher", "version": 1, "batch": 10, "classes": 3, "labels": \["red", "green", "blue"\]' setup.json
must grep -q '"image_size": 32, "mean": \[0.25, 0.5, 0.75\], "std": \[0.5, 0.25, 0.125\], "dtype": "f32"}' setup.json
try 0 $plain --teacher-command "$python $minimal" --log minimal.json -o minimal.st
says out "teacher: $python $minimal: brightness"
must grep -q "\"taught_by\":\"$python $minimal: brightness\"" minimal.json
must test ! -s err

# Grey pictures are one plane each.
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --channels 1 --classes 3 -o grey.st
try 0 distill --data cifar --from grey.st --depth 2 --batch 10 --epochs 1 --augment none --teacher-timeout 30 --teacher-command "$python $minimal" -o grey-taught.st

# So can a PyTorch module, given its own mean and std.
torch=
for found in python3 /usr/bin/python3; do
    [ -z "$torch" ] && "$found" -c 'import torch' 2>/dev/null && torch=$found
done
if [ -n "$torch" ]; then
    cat >module.py <<'END'
import torch

class Sums(torch.nn.Module):  # what teachers.py says, of images p / 255
    def forward(self, x):
        print('a print of the module')
        return (x * 255).round().sum((2, 3)) % 61 / 16

def make(path):
    assert path == 'weights'
    return Sums()

class Left(torch.nn.Module):  # what an image's left half says, so many times; exact in f32
    def __init__(self, times):
        super().__init__()
        self.times = times
    def forward(self, x):
        return (x[..., : x.shape[3] // 2] * 255).round().sum((2, 3)) % 61 / 16 * self.times

def left(times):
    return Left(float(times))

class Both(torch.nn.Module):  # the mean of left 1 and left 3 over an image and its mirror image
    def forward(self, x):
        return Left(1)(x) + Left(1)(x.flip(3))

def both():
    return Both()
END
    module="$torch $serve --mean 0,0,0 --std 1,1,1 --threads 1 --module module.py"
    served="$module:make"
    try 0 $plain --flip 0.5 --teacher-command "$served --checkpoint weights --channels-last --bf16" -o served.st
    says out ": module.py:make"
    says err "a print of the module"
    grep -qwE 'avx512_bf16|amx_bf16|bf16' /proc/cpuinfo || says err "serve.py: --bf16: this processor does not multiply it; it computes in f32"
    same good.st served.st
    try 0 $plain --teacher-command "$module:left --checkpoint 1 --checkpoint 3 --mirror" -o mean.st
    try 0 $plain --teacher-command "$module:both" -o both.st
    same mean.st both.st
    try 1 $plain --teacher-command "$served" -o x.st
    says err "': TypeError: make() missing 1 required positional argument: 'path'"
else
    echo "SKIP teachers serve.py: no python3 with torch"
fi

# Cropped, mixed, erased: the loss of the log is that of the very pictures that the teacher saw.
try 0 new --dim 16 --heads 2 --image 32 --patch 8 --classes 3 --seed 5 -o start.st
fresh="distill --data cifar --from start.st --depth 2 --batch 10 --lr 1e-3 --epochs 4 --log-every 1"
try 0 $fresh --limit-steps 1 --tau 2 --teacher-command "$(by dump)" --log dump.json -o dumped.st
try 0 grad start.st --depth 2 --tau 2 --input asked.st --json -o gradient.st
must python3 -c 'import json; step = [json.loads(l) for l in open("dump.json")][1]["teacher"]
loss = json.load(open("out"))["loss"]; assert abs(step - loss) <= 1e-6 * loss and loss > 0, (step, loss)'

# Answers that begin before the question has ended, and both larger than a pipe holds.
mkdir idx
python3 -c 'import os, struct
open("idx/train-images-idx3-ubyte", "wb").write(struct.pack(">4I", 0x803, 8000, 8, 8) + bytes(range(256)) * 2000)
open("idx/train-labels-idx1-ubyte", "wb").write(struct.pack(">2I", 0x801, 8000) + bytes([0, 1, 2, 2]) * 2000)'
try 0 distill --data idx --dim 8 --heads 1 --image 8 --patch 4 --depth 1 --batch 8000 --augment none --epochs 1 --repeats 2 \
    --teacher-timeout 60 --teacher-command "$(by early)" -o early.st
try 0 tune good.st --depth 2 --data cifar --batch 10 --epochs 1 --teacher-command "$(by good)" -o tuned.st
try 0 $plain --limit-steps 1 --teacher-command "$(by badly)" -o badly.st
says err "ended with exit status 9 after its last answer"

# ---- bad ones ----
# fails WORDS MODE [SECONDS]: no run begins.
fails() {
    try 1 $plain --teacher-timeout "${3:-30}" --teacher-command "$(by "$2")" -o x.st
    says err "--teacher-command 'exec $python -I -S $teacher $2': "
    says err "$1"
    must test ! -e x.st -a ! -e x.st.checkpoint
    gone
}
fails "ended with exit status 3 before it was ready" exit
fails "silent for 0.5 s before it was ready (--teacher-timeout gives it longer)" silent 0.5
fails "closed its standard output before it was ready, and goes on running" closed
fails 'expected a JSON line such as {"classes": 3} when it is ready, found "Loading the \"weights\"\x09now ..."; its' text
fails "a teacher of 1000 classes; cifar has 3" classes
fails 'its class 0 is "green"; of cifar it is "red"' labels
fails 'no such weights: "a.pt"' error
fails "speaks version 2 of the protocol; expected 1" version
fails 'its ready line has no "classes"; expected {"classes": 3}' null
try 1 $plain --teacher-command "no-such-program" -o x.st
says err "ended with exit status 127 before it was ready (127: the shell does not find the program)"

# stops WORDS MODE [SECONDS]: it is well for three answers; what they taught is kept, and a good teacher goes on from there.
stops() {
    rm -f bad.st*
    try 1 $plain --flip 0.5 --teacher-timeout "${3:-30}" --teacher-command "$(by "$2" 4)" -o bad.st
    says err "step 4: --teacher-command"
    says err "$1"
    says err "; bad.st.checkpoint holds step 3"
    gone
    try 0 $plain --flip 0.5 --teacher-command "$(by good)" --resume --other-teacher -o bad.st
    same good.st bad.st
}
stops "ended with exit status 7 in answer 4" die
stops "ended with signal 9 (Killed) in answer 4" killed
# The same by a shell that stays in between, which some do by themselves.
rm -f bad.st*
try 1 $plain --flip 0.5 --teacher-command "$python -I -S $teacher killed 4; exit \$?" -o bad.st
says err "ended with exit status 137 (a shell's for signal 9, Killed) in answer 4"
stops "silent for 3 s in answer 4 (--teacher-timeout gives it longer)" hang 3
stops "closed its standard output in answer 4, after 28 bytes of 128, and goes on running" half
stops "silent for 3 s in answer 4, after 120 bytes of 128" short 3
stops 'answer 4: a header and f32 logits (10,3) take 128 bytes; more came after them, "\x00\x00\x00\x00"' long
stops 'answer 4: the logit of image 1 of 10, class 1 ("green"), is nan; expected finite numbers' nan
stops 'answer 4: the logit of image 9 of 10, class 2 ("blue"), is -inf; expected finite numbers' inf
stops 'answer 4: expected the question'"'"'s header, "TLEG" and 10 as u32, found "step done\nTLEG\n"...; its' print
stops 'answer 4: its header says 3 images; the question was about 10' count
stops "closed its standard input in answer 4, and goes on running" deaf
# After a whole answer: it is learned from, or what came after it is seen at once.
for words in "gone:ended with exit status 5" 'after:"bye\n'; do
    rm -f bad.st*
    try 1 $plain --flip 0.5 --teacher-command "$(by "${words%%:*}" 4)" -o bad.st
    says err "${words#*:}"
    says err "; bad.st.checkpoint holds step"
    gone
    try 0 $plain --flip 0.5 --teacher-command "$(by good)" --resume --other-teacher -o bad.st
    same good.st bad.st
done

# ---- how it ends ----
# One that listens to nothing, and the shell before it, which does.
try 1 $plain --teacher-command "true; $python $teacher stubborn" -o x.st
says err "is nan"
gone

# signalled FILE WORDS ARGUMENT...: SIGTERM once the words stand in the file.
signalled() {
    file=$1 words=$2
    shift 2
    now="SIGTERM while: tleg $*"
    rm -f pid killed.*
    "$tleg" "$@" --log killed.json -o killed.st >out 2>err &
    process=$!
    until_so grep -q "$words" "$file"
    kill -TERM $process
    wait $process
    must test $? -eq 143
    gone
}
signalled pid . $plain --teacher-command "$(by silent)"
says err "a signal asks to end, and no answer comes before it was ready"
must test ! -e killed.st.checkpoint
for seconds in 30 3; do # an answer that comes, and one that does not
    [ $seconds = 30 ] && mode=slow || mode="hang 4"
    signalled killed.json '"step":3' $plain --flip 0.5 --teacher-timeout $seconds --teacher-command "$(by $mode)"
    says err "stopped by SIGTERM after step"
    says err "killed.st.checkpoint holds it, --resume continues"
    try 0 $plain --flip 0.5 --teacher-command "$(by good)" --resume --other-teacher -o killed.st
    same good.st killed.st
done

# In the middle of a step, too, whose first half is lost.
signalled killed.json '"step":1' $plain --accumulate 2 --checkpoint-every 1 --teacher-timeout 3 --teacher-command "$(by hang 4)"
says err "a signal asks to end, and no answer comes in answer 4; killed.st.checkpoint holds step 1"

# ---- wrong use ----
try 2 $plain --teacher-command a --teacher-logits stored.st -o x.st
says err "each name a teacher: give one"
try 1 $plain --flip 0.5 --resume --checkpoint killed.st.checkpoint --teacher-logits stored.st -o x.st
says err 'the kind of teacher is "program" there, "stored logits" here'
must test ! -e x.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of teachers failed"
    exit 1
fi
echo "teachers: $checks checks"
