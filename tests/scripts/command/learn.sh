#!/bin/sh
# Own classes from a gene, as a new user asks for them with tleg learn, and with what a new user may have for pictures.
# usage: learn.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: learn.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

has_python learn || exit 77

# picture FILE R G B: a PNG of 8 x 8 pixels of one colour, grey where R alone is given
cat >picture.py <<'P'
import struct, sys, zlib
name, seed, pixel = sys.argv[1], int(sys.argv[2]), [int(v) for v in sys.argv[3:]]
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
rows = b''.join(b'\0' + bytes((v + (seed * 31 + x * 7 + y * 13) % 40) % 256 for x in range(8) for v in pixel) for y in range(8))
header = struct.pack('>IIBBBBB', 8, 8, 8, 2 if len(pixel) == 3 else 0, 0, 0, 0)
open(name, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
P
# class DIR COUNT PIXEL: so many pictures
class() {
    mkdir -p "$1"
    dir=$1 count=$2
    shift 2
    for i in $(seq "$count"); do python3 picture.py "$dir/$i.png" "$i" "$@"; done
}
class own/apple 12 200 20 20
class own/leaf 12 20 200 20
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 10 -o gene.st

# ---- the usual way ----
try 0 learn --from gene.st --data own -o own.st
says err "the head starts fresh: gene.st has 10 classes, the data 2"
says err "one in 10 pictures of each class validates"
says out "20 images of 2 classes to learn from, 4 to validate with"
says out "the recipe for short runs"
says out "validation top-1"
says out "own.st: the best learngene"
says out "tleg classify own.st --depth 8 PICTURE.jpg    any depth from 3 to 8"
says out "tleg store own.st --dtype bf16 -o small.st"
try 0 info own.st
says out "learned at    3-8"
says out "depth 5"
says out "  apple"
try 0 plan own.st --ms 100000
says out "best"
try 0 eval own.st --depth 3 --data own --json
must python3 -c 'import json; assert json.load(open("out"))["top1"] > 0.9'
try 0 classify own.st --depth 4 own/leaf/3.png
says out leaf
try 0 learn --from own.st --data own --epochs 1 -o again.st # from the depths that the file tells
says out "any depth from 3 to 8"

# ---- classes that it knows: what it begins with counts ----
try 0 learn --from own.st --data own --depths 3-8 --epochs 2 --log again.jsonl -o again.st
says out "; --lr 1e-4, since these classes are known to it"
says out "before the first step: validation top-1 100.00 % (depth 3 100.00, depth 4"
must python3 -c 'import json; lines = [json.loads(line) for line in open("again.jsonl")]; assert lines[1]["began_val_top1"] == 1 and lines[1]["began_val_top1_by_depth"]["8"] == 1'
must test "$(grep -c "is better" err)" -eq 0
mkdir swapped
cp -r own/apple swapped/leaf
cp -r own/leaf swapped/apple
worse="--from own.st --data swapped --val own --epochs 40 --lr 1e-2 --keep last"
try 0 learn $worse -o worse.st
must test "$(grep -c "since these classes" out)" -eq 0
says err "what it began with is better: validation top-1 100.00 % before the first step; keep that, learn from more pictures, or more slowly (--lr 0.001)"
try 0 learn $worse --limit-steps 1 -o stopped.st # what it began with is known after a stop, too
try 0 learn $worse --resume --json -o stopped.st
must python3 -c 'import json; assert json.loads(open("out").readlines()[-1])["began_val_top1"] == 1'
same worse.st stopped.st
try 0 tune own.st --depth 4 --data own --val own --epochs 1 -o model.st
says out "since these classes are known to it"
says out "before the first step: validation top-1 100.00 %"
try 0 learn --from own.st --data own --epochs 200 --batch 4 --limit-steps 1 -o long.st # long enough to gain something
says out "learning rate: 0.001"
cp -r own other
mv other/leaf other/tree
try 0 learn --from own.st --data other --epochs 1 -o other.st
says out "learning rate: 0.001"
must test "$(grep -c "before the first step" out)" -eq 0
printf 'apple\nleaf\n' >names.txt # a fresh gene may have their names
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 2 --labels names.txt -o named.st
try 0 learn --from named.st --data own --epochs 1 -o x.st
says out "learning rate: 0.001"
must test "$(grep -c "before the first step" out)" -eq 0
rm x.st

# ---- other depths ----
try 0 learn --from gene.st --data own --depths 2-4 --val own --epochs 1 --json -o own.st
says out '"depth"'
try 0 learn --from gene.st --data own --depths 4-4 --epochs 1 -o one.st
says out "any depth from 4 to 4"
try 0 distill --from gene.st --data own --depths 3-8 --sandwich --in-place 1 --keep best --val-every 10 --val-depths 3-8 --epochs 20 \
    -o distilled.st
try 0 learn --from gene.st --data own -o own.st
same own.st distilled.st # other defaults, and nothing else

# ---- what is said next can be typed ----
try 0 expand gene.st --depth 2 -o teacher.st
try 0 learn --from gene.st --data own --epochs 1 --teacher teacher.st --teacher-features -o "it's told.st"
says out "tleg features 'it'\''s told.st' --depth 8 -o features.safetensors DIR    any depth from 3 to 8"
says out "tleg plan 'it'\''s told.st' --ms 5"
must test "$(grep -c "tleg classify" out)" -eq 0

# ---- what people have ----
class mixed/grey 6 90
class mixed/colour 40 20 20 200
try 0 learn --from gene.st --data mixed --epochs 2 -o mixed.st
says out "41 images of 2 classes to learn from, 5 to validate with"
class two/a 1 200 20 20
class two/b 1 20 20 200
try 0 learn --from gene.st --data two --epochs 2 -o two.st
says err 'nothing is validated: the class "a" has 1 picture;'
says out "2 steps of 2 pictures"
says out "steps: 1 an epoch of 2 images, 2 in 2 epochs"
says out "two.st: the learngene after 2 steps"
class single/only 12 200 20 20
try 1 learn --from gene.st --data single -o x.st
says err 'single: one class, "only"; expected a folder for each of two or more'
try 1 learn --from gene.st --data own/apple -o x.st # the pictures themselves, no folders
says err "own/apple"
printf 'no picture' >own/leaf/13.png
try 1 learn --from gene.st --data own -o x.st
says err "own/leaf/13.png"
says err "--skip-bad"
try 0 learn --from gene.st --data own --skip-bad --epochs 1 -o skipped.st
says err "skipped own/leaf/13.png"
mkdir odd # class folders that are called as files are; links that lead nowhere, with and without an image's name
cp -r own/apple odd/a.bin
cp -r mixed/grey "odd/my images idx3"
ln -s nowhere odd/a.bin/gone
ln -s loop odd/a.bin/loop
try 0 learn --from gene.st --data odd --epochs 1 -o odd.st
says out "of 2 classes to learn from"
says out " in 1 epoch"
ln -s nowhere odd/gone # of DIR itself it may have been a class
try 1 learn --from gene.st --data odd --epochs 1 -o odd.st
says err "odd/gone: cannot be examined: No such file or directory"
rm odd/gone
must test "$(grep -c " in 1 epochs" out)" -eq 0
ln -s nowhere odd/a.bin/lost.png
try 1 learn --from gene.st --data odd --epochs 1 -o x.st
says err "odd/a.bin/lost.png"
says err "--skip-bad"

# ---- on a terminal ----
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then # where one can be made
    for columns in 60 80; do
        now="a progress bar within $columns columns"
        TERM=xterm script -qec "stty cols $columns; '$tleg' learn --from gene.st --data mixed --epochs 1 -o bar.st" /dev/null >out 2>err </dev/null
        widest=$(tr -d '\033' <out | sed 's/\[K//g' | tr '\r' '\n' | awk '/^learn \[/ { if (length > most) most = length } END { print most + 0 }')
        must test "$widest" -gt 40
        must test "$widest" -lt $columns
    done
fi

# ---- wrong use ----
try 2 learn --from gene.st --data own
says err "needs --data and -o"
try 2 learn --data own -o x.st
says err "needs --from: a learngene to begin with"
try 2 learn --from gene.st -o x.st
says err "needs --data"
try 2 learn --from gene.st --data own --depths 8-3 -o x.st
try 2 learn --from gene.st --data own --depths 2-2 --in-place 0.5 -o x.st
says err "--in-place is for a range of depths"
# of few pictures none validates, so that no run waits for a better score
mkdir -p few/leaf
cp -R own/apple few/
for i in 1 2 3 4; do cp own/leaf/$i.png few/leaf/; done
try 0 learn --from gene.st --data few --depths 2-3 --epochs 5 --patience 2 --limit-steps 3 -o few.st
must test "$(grep -c patience out)" -eq 0
try 2 learn --from gene.st --data own --in-place 2 -o x.st
try 1 learn --from missing.st --data own -o x.st
says err "missing.st"
try 0 expand gene.st --depth 2 -o model.st
try 1 learn --from model.st --data mixed -o x.st
says err "model.st: a model; learn continues from a learngene (tleg tune takes models)"
try 0 learn --help
says out "--in-place W"
must test ! -e x.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of learning failed"
    exit 1
fi
echo "learning: $checks checks"
