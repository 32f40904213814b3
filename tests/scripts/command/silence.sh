#!/bin/sh
# Nothing of a training goes wrong in silence: pictures that cannot be read are named and left out alike whatever holds them in
# memory; want of memory or descriptors is no bad picture; a run is gone on with by what it began with alone.
# usage: silence.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: silence.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"
has_python silence || exit 77

# pictures FOLDER COUNT WIDTH HEIGHT SEED: a PNG of noise for each of two classes, so many times.
pictures() {
    python3 - "$@" <<'P'
import os, random, struct, sys, zlib
folder, count, width, height, seed = sys.argv[1], *map(int, sys.argv[2:])
random.seed(seed)
def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
for name in "ab":
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    for i in range(count):
        row = [b"\0" + random.randbytes(3 * min(width, 64)) + bytes(3 * max(0, width - 64)) for _ in range(height)]
        with open(f"{folder}/{name}/{i}.png", "wb") as out:
            out.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                      chunk(b"IDAT", zlib.compress(b"".join(row), 1)) + chunk(b"IEND", b""))
P
}
shape="--dim 16 --heads 2 --image 16 --patch 8"
train="distill --data tree $shape --depth 2 --batch 4"

# ---- pictures that cannot be read ----
pictures tree 8 40 24 1
try 0 $train --epochs 2 --val-every 4 -o good.st
cp -r tree spoilt
: >spoilt/a/3x.png # between the others
printf '\211PNG\r\n\032\n' >spoilt/b/0x.png
echo text >spoilt/b/9.jpg
spoilt="distill --data spoilt $shape --depth 2 --batch 4 --epochs 2 --val-every 4"
try 0 $spoilt --skip-bad -o first.st
grep skipped err | sort >first.names
must test "$(wc -l <first.names)" -eq 3
says out "11 images of 2 classes to learn from, 5 to validate with"
for words in "--cache 0" "--cache 1" "--cache 10K" "--loaders 4 --cache 1" "--threads 2"; do
    try 0 $spoilt --skip-bad $words -o other.st
    grep skipped err | sort >other.names
    same first.names other.names
    same first.st other.st
done
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then # where a terminal can be made
    now="a note beside a progress bar"
    TERM=xterm script -qec "stty cols 120; '$tleg' $spoilt --skip-bad -o other.st" /dev/null >out 2>err </dev/null
    tr '\r' '\n' <out >lines
    must grep -q '^reading \[' lines
    must test "$(grep -c '^reading .*skipped' lines)" -eq 0
fi
try 1 $spoilt -o x.st
says err "(--skip-bad continues without such files)"
try 1 $spoilt --cache 1 -o x.st
says err "(a run that begins anew with --skip-bad leaves such files out)"
mkdir -p none/a none/b && cp tree/a/0.png none/a && echo text >none/b/0.png
try 1 distill --data none $shape --depth 2 --batch 1 --epochs 1 --skip-bad -o x.st
says err 'none: no image of the class "b" can be read'

# ---- held at the size that is needed ----
for words in "--augment none" "--augment none --flip 0.5" "--augment light" "--augment none --val spoilt --skip-bad"; do
    try 0 $train --epochs 2 $words -o held.st
    try 0 $train --epochs 2 $words --cache 1 -o read.st
    same held.st read.st
done
try 0 $train --epochs 1 --augment none -o held.st
says out "12.0 KiB of pixels held in memory" # 16 of 16 x 16
try 0 $train --epochs 1 --augment light -o held.st
says out "45.0 KiB of pixels held in memory" # crops need them whole: 40 x 24

# ---- want of descriptors ----
try 0 $train --epochs 1 --skip-bad --cache 1 --log l -o enough.st
now="four descriptors" # standard streams and the log
(
    exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- # what whoever runs this left open
    # shellcheck disable=SC3045 # dash, bash and busybox have it
    ulimit -n 4
    exec "$tleg" $train --epochs 1 --skip-bad --cache 1 --log l -o want.st
) >out 2>err
must test $? -eq 1
says err "Too many open files"
must test "$(grep -c skipped err)" -eq 0

# ---- want of memory ----
# within KIB COMMAND...: in so much address space
within() {
    now="in $1 KiB: $2 $*"
    checks=$((checks + 1))
    limit=$1
    shift
    (
        # shellcheck disable=SC3045
        ulimit -v "$limit"
        exec "$tleg" "$@"
    ) >out 2>err
}
if within 300000 --version; then
    pictures large 3 4000 3000 2 # 206 MiB decoded, and all good
    large="distill --data large $shape --depth 2 --batch 2 --epochs 1"
    for words in "" "--skip-bad" "--augment none --skip-bad"; do
        within 300000 $large $words -o little.st
        must test $? -eq 0
        says out "6 images of 2 classes to learn from"
        must test "$(grep -c skipped err)" -eq 0
    done
    for words in "eval good.st --depth 2 --image 64 --data tree" "features good.st --depth 2 --image 64 tree -o rows.st"; do # no room for what is not there
        within 300000 $words --batch 65536
        must test $? -eq 0
    done
    pictures larger 1 12000 9000 3 # one is more than there is
    within 300000 distill --data larger $shape --depth 2 --batch 2 --epochs 1 --skip-bad -o little.st
    must test $? -eq 1
    says err "no memory for 324000000 bytes of pixels"
    must test "$(grep -c skipped err)" -eq 0
else
    echo "SKIP want_of_memory: this build maps more than a limit allows"
fi

# ---- going on with what the run began with ----
# begun WORDS: a run that was stopped after its first step; goes CODE WORDS: the rest of it
begun() {
    rm -f run.*
    try 0 $go --limit-steps 1 "$@" -o run.st
}
goes() {
    code=$1
    shift
    try "$code" $go --resume "$@" -o run.st
}
# other WORDS: what differs is named
other() {
    says err "run.st.checkpoint: a checkpoint of another run: $1"
}
go="tune model.st --data tree --batch 4 --epochs 2 --augment none"
try 0 tune good.st --depth 2 --data tree --batch 4 --epochs 1 -o model.st
try 0 new --dim 16 --heads 2 --image 16 --patch 8 --classes 2 --seed 5 -o gene.st
try 0 expand gene.st --depth 2 -o teacher.st
try 0 $go -o straight.st
begun
goes 0
must test ! -s err
same straight.st run.st
begun --teacher teacher.st
cp teacher.st same.st
goes 0 --teacher same.st # a file may be moved
begun --teacher teacher.st
goes 1 --teacher model.st
other 'the teacher is "teacher.st" there, "model.st" here (--other-teacher allows it)'
cp teacher.st kept.st
cp model.st teacher.st
goes 1 --teacher teacher.st
other "the teacher is another than there (--other-teacher allows it)"
cp kept.st teacher.st
goes 0 --teacher model.st --other-teacher
says err 'the teacher was "teacher.st" until now, and is "model.st" from here on'
begun --teacher gene.st --teacher-depth 2
goes 1 --teacher gene.st --teacher-depth 3
other '--teacher-depth is "2" there, "3" here'
begun --teacher teacher.st
goes 1 --teacher teacher.st --teacher-mean images --other-teacher # which is no teacher
other '--teacher-mean is "logits" there, "images" here'
must test "$(grep -c -- '--other-teacher' err)" -eq 0
begun
goes 1 --exif
other "--exif is"
go="distill --data tree $shape --depth 2 --batch 4 --epochs 2 --augment none --warmup 0"
begun
goes 1 --mean 0.5,0.5,0.5 --std 0.2,0.2,0.2
other "--mean is"
begun --mean 0.5,0.5,0.5 --std 0.2,0.2,0.2
goes 1 --mean 0.5,0.5,0.5 --std 0.3,0.2,0.2
other "--std is"
begun
cp tree/b/1.png kept.png
cp tree/a/1.png tree/b/1.png
goes 1
other "the pictures of --data hold other bytes than there"
cp kept.png tree/b/1.png # when they were written does not count
goes 0
# in the words of the call, what was changed before what follows from it
begun --val-every 4
goes 1 --val-every 3
other 'the number of pictures to learn from (--data, --val-every) is "12" there, "10" here'
goes 1 --val-every 4 --optimiser sgd
other '--optimiser is "adamw" there, "sgd" here'
goes 1 --val-every 4 --weight-decay 0.1
other '--weight-decay is "0.05" there, "0.1" here'
goes 1 --val-every 4 --class-weights 1,2
other '--class-weights is "equal" there, "a 1, b 2" here'
goes 1 --val-every 4 --freeze head
other '--freeze is "nothing" there, "head" here'
goes 1 --val-every 4 --depth 3
other 'the depth (--depth, --depths) is "2" there, "3" here'
goes 0 --val-every 4 --weight-decay 0.05
go="distill --from begun.st --data tree --depth 2 --batch 4 --epochs 2 --augment none --warmup 0"
for seed in 1 2; do
    try 0 new --dim 16 --heads 2 --image 16 --patch 8 --classes 2 --seed $seed --mean 0.$seed,0.5,0.5 --std 0.2,0.2,0.2 -o start$seed.st
done
cp start1.st begun.st
begun
mv start1.st moved.st
goes 1 --from start2.st
other 'what is begun with is "begun.st" there, "start2.st" here'
cp start2.st begun.st
goes 1
other "what is begun with holds other numbers than there"
goes 0 --from moved.st
cp moved.st run.st # a file that the run itself writes over is another one when it goes on
try 0 distill --data tree --depth 2 --batch 4 --epochs 2 --augment none --from run.st --limit-steps 1 --checkpoint over.ck -o run.st
try 0 distill --data tree --depth 2 --batch 4 --epochs 2 --augment none --from run.st --resume --checkpoint over.ck -o run.st
try 1 $go --resume --checkpoint moved.st -o x.st
says err "moved.st: not a checkpoint of a training: expected what tleg distill wrote"
go="distill --data tree $shape --depth 2 --batch 4 --epochs 2 --augment none --warmup 0"
for level in portable avx2 neon; do # those that this machine has
    if ! "$tleg" new --dim 8 --heads 1 --image 8 --patch 8 --level $level -o level.st >/dev/null 2>&1; then
        continue
    fi
    begun --level $level --dtype bf16 --log run.log
    says err "does not multiply bf16: computed in f32 at level $level"
    must grep -q '"dtype":"f32","dtype_asked":"bf16","computed":"f32 at level '$level run.log
    goes 0 --level $level --dtype bf16 --log run.log
    [ $level = portable ] && continue
    begun --level portable
    goes 1 --level $level
    says err "computed in f32 at level portable until now, here in f32 at level $level: --dtype, --level and --gemm choose"
done
# what an older checkpoint does not hold is no reason to refuse it
try 0 $go --ema 0.9 --ema-fixed -o straight.st
begun --ema 0.9 --ema-fixed
cat >older.py <<'P'
import json, struct
data = open("run.st.checkpoint", "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8 : 8 + size])
for key in "teacher_depth teacher_contents recording contents_of_pictures exif mean std crop computed judged".split():
    header["__metadata__"].pop("run." + key)
header["__metadata__"].pop("run.log_digest", None)
text = json.dumps(header, separators=(",", ":")).encode()
text += b" " * (-len(text) % 8)
open("run.st.checkpoint", "wb").write(struct.pack("<Q", len(text)) + text + data[8 + size :])
P
must python3 older.py
goes 0 --ema 0.9
says err "of an earlier version, which kept less"
says err "its average has a fixed decay, and goes on with it"
same straight.st run.st
begun --log older.log
must python3 older.py
goes 0 --log older.log
begun --log older.log
must python3 older.py
echo '{"verb":"another"}' >older.log
goes 1 --log older.log
says err "older.log: not the log of the run"
rm older.log
begun # more epochs may be asked for
goes 0 --epochs 3
says err "a run of 2 epochs goes on to 3"

# ---- rates and averages of short runs ----
try 0 $go --ema 0.99996 --lr-absolute --lr 1e-2 -o mean.st
must test ! -s err
try 0 $go --lr-absolute --lr 1e-7 --log-every 1 --log low.log -o low.st
says out "then a cosine to 1e-07"
must python3 -c '
import json
rates = [r for r in (json.loads(l).get("lr") for l in open("low.log")) if r is not None]
assert rates and max(rates) <= 1e-7 and rates == sorted(rates, reverse=True), rates'
try 0 $go --lr-absolute --lr 1e-3 --lr-end 0 -o low.st
says out "then a cosine to 0"

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks failed"
    exit 1
fi
echo "nothing in silence: $checks checks"
