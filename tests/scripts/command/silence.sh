#!/bin/sh
# Nothing of a training goes wrong in silence: pictures that cannot be read are named and left out alike whatever holds them in
# memory; want of memory or descriptors is no bad picture; a run is gone on with by what it began with alone.
# usage: silence.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: silence.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

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
for words in "--cache 1" "--cache 10K" "--loaders 4 --cache 1" "--threads 2"; do
    try 0 $spoilt --skip-bad $words -o other.st
    grep skipped err | sort >other.names
    same first.names other.names
    same first.st other.st
done
try 1 $spoilt -o x.st
says err "(--skip-bad continues without such files)"
try 1 $spoilt --cache 1 -o x.st
says err "(--skip-bad continues without such files)"
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
    pictures larger 1 12000 9000 3 # one is more than there is
    within 300000 distill --data larger $shape --depth 2 --batch 2 --epochs 1 --skip-bad -o little.st
    must test $? -eq 1
    says err "no memory for 324000000 bytes of pixels"
    must test "$(grep -c skipped err)" -eq 0
else
    echo "SKIP want_of_memory: this build maps more than a limit allows"
fi

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks failed"
    exit 1
fi
echo "nothing in silence: $checks checks"
