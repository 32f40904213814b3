#!/bin/sh
# Files that verbs write: tried before the work, kept from other runs, whole or not there; what a crash left.
# usage: outputs.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: outputs.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"
finish() {
    umount ro small 2>/dev/null
    chmod -R u+w "$scratch"
    rm -rf "$scratch"
}
trap finish EXIT

mkdir cifar
for i in $(seq 0 11); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
shape="--dim 16 --heads 2 --image 32 --patch 8"
learn="distill --data cifar $shape --depth 2 --batch 6 --augment none"
try 0 new $shape --classes 3 -o gene.st
try 0 expand gene.st --depth 2 -o model.st
header='{"images":{"dtype":"F32","shape":[1,3,32,32],"data_offsets":[0,12288]},"labels":{"dtype":"I64","shape":[1],"data_offsets":[12288,12296]}}'
{
    printf '\220\000\000\000\000\000\000\000%-144s' "$header"
    head -c 12296 /dev/zero
} >in.st

# verbs WORDS EXPECTED [SETTING...]: each verb that writes refuses the place WORDS before its work, with EXPECTED in its words.
refused() {
    place=$1 expected=$2
    for verb in "new $shape --classes 3" "store gene.st" "expand gene.st --depth 2" "run model.st --input in.st" \
        "grad model.st --input in.st" "linearize model.st" "$learn --epochs 1" "tune model.st --data cifar --batch 6 --epochs 1"; do
        try 1 $verb -o "$place"
        says err "-o $place: $expected"
        must test ! -s out
    done
    try 1 linearize model.st -o x.st --plot "$place"
    must test ! -e x.st
    try 1 $learn --epochs 1 -o x.st --checkpoint "$place"
    must test ! -e x.st
}

# ---- what is begun with ----
cp model.st kept.st
for words in "tune model.st --data cifar --batch 6 --epochs 1 -o x.st --checkpoint ./model.st" \
    "record --from gene.st --data cifar --teacher model.st --batch 6 --epochs 1 --augment none -o gene.st"; do
    try 2 $words
    says err "which is read: give another name"
done
same model.st kept.st

# ---- places ----
mkdir folder
refused folder "a folder; expected the name of a file"
refused missing/x.st "there is no folder missing/"
refused gene.st/x.st "Not a directory"
refused - "standard output takes no file; expected the name of one (./- is a file of that name)"
mkfifo fifo
try 1 $learn --epochs 1 -o x.st --log fifo
says err "--log fifo: a pipe; expected the name of a file"
for verb in "new $shape --classes 3" "$learn --epochs 1"; do
    try 1 $verb -o fifo
    says err "-o fifo: a pipe or device; expected the name of a file"
    try 1 $verb -o /dev/null
    says err "-o /dev/null: a pipe or device"
    try 1 $verb -o /dev/stdout
    says err "-o /dev/stdout: "
    must test ! -s out
done
if [ "$(id -u)" -eq 0 ]; then # as somebody who may not
    chmod 755 "$scratch"
    mkdir theirs sticky open
    chmod 1777 sticky
    chmod 777 open
    cp gene.st sticky/root.st
    cp gene.st open/root.st
    cp gene.st open/locked.st
    chmod 666 sticky/root.st open/root.st
    nobody() {
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    }
    printf '#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "%s" "$@"\n' "$tleg" >nobody.sh
    chmod 755 nobody.sh
    root=$tleg
    if nobody test -x "$tleg"; then
        tleg=$scratch/nobody.sh
        try 1 new $shape --classes 3 -o theirs/x.st
        says err "-o theirs/x.st: no file can be made there: Permission denied"
        try 1 new $shape --classes 3 -o open/locked.st
        says err "-o open/locked.st: may not be overwritten: Permission denied"
        try 1 new $shape --classes 3 -o sticky/root.st
        says err "-o sticky/root.st: user 0's, and in its folder nobody else may replace it"
        try 0 new $shape --classes 3 -o open/root.st
        says err "note: -o open/root.st: user 0's; the new version will be user 65534's"
        tleg=$root
    else
        echo "SKIP outputs, places of others: nobody may not run $tleg"
    fi
    chown 12:34 model.st
    try 0 expand gene.st --depth 2 -o model.st
    must test "$(stat -c %u:%g model.st)" = 12:34
    chown 0:0 model.st
else
    mkdir theirs
    chmod 500 theirs
    refused theirs/x.st "no file can be made there: Permission denied"
    cp gene.st locked.st
    chmod 444 locked.st
    refused locked.st "may not be overwritten: Permission denied"
fi
mkdir ro small
if mount -t tmpfs -o size=64k tmpfs ro 2>/dev/null; then
    mount -o remount,ro ro
    refused ro/x.st "no file can be made there: Read-only file system"
    umount ro
    # one file that is mounted, as containers have it, cannot be replaced
    cp gene.st mounted.st
    mount --bind gene.st mounted.st
    refused mounted.st "a mount point, which cannot be replaced"
    umount mounted.st
else
    echo "SKIP outputs, mounts: no file system can be mounted here"
fi

ln gene.st other.st
try 0 store gene.st --dtype f32 -o gene.st
says err "note: -o gene.st: has other names (hard links), which keep the former version"
rm other.st
try 0 new $shape --classes 3 -o again.st
bytes=$(wc -c <again.st)
try 0 store again.st -o again.st
says out "; again.st was $(awk -v n="$bytes" 'BEGIN { printf "%.1f KiB", n / 1024 }')"

# ---- room ----
if mount -t tmpfs -o size=64k tmpfs small 2>/dev/null; then
    try 1 $learn --epochs 1 -o small/x.st
    says err "-o small/x.st: no space: "
    says err " are needed there, and "
    must test -z "$(find small -type f)"
    umount small
    # Room for each file once, yet not for a new version beside the former one, which the second epoch would want.
    bytes=$(wc -c <gene.st)
    mount -t tmpfs -o size=$((9 * bytes / 2048))k tmpfs small # 4.5 times the gene: it, three times it in the checkpoint, a half
    try 1 $learn --epochs 2 -o small/x.st
    says err "no space: "
    must test -z "$(find small -type f)"
    umount small
else
    echo "SKIP outputs, room: no file system can be mounted here"
fi
# A log on a disk that fills up ends with a whole line, and goes on from there when there is room.
if mount -t tmpfs -o size=16k tmpfs small 2>/dev/null; then
    many="$learn --epochs 60 --log-every 1"
    try 1 $many --log small/many.json -o many.st
    says err "small/many.json: No space left on device"
    says err "note: many.st.checkpoint holds step $(($(grep -c '"step"' small/many.json) + 1)): --resume continues"
    must test "$(tail -c 2 small/many.json)" = "}"
    mount -o remount,size=4m small
    try 0 $many --resume --log small/many.json -o many.st
    must test "$(grep -c '"step"' small/many.json)" -eq 119 # all but the one for which there was no room
    must test "$(sed -n 's/^{"step":\([0-9]*\),.*/\1/p' small/many.json | sort -n -u | wc -l)" -eq 119
    umount small
    rm -f many.*
else
    echo "SKIP outputs, a full disk: no file system can be mounted here"
fi
try 0 new --kind dit --dim 16 --heads 2 --image 32 --patch 8 --classes 3 -o dit.st
steps="--steps 1000 --count 16" # would take long: the room is looked at before
if mount -t tmpfs -o size=16k tmpfs small 2>/dev/null; then
    head -c 16384 /dev/zero >small/full
    for words in "generate dit.st --depth 12 $steps:x.png" "generate dit.st --depth 12 $steps:x.st" "generate dit.st --depth 12 $steps:x/" \
        "features gene.st --depth 2:x.st cifar" "run model.st --input in.st:x.st" "grad model.st --alpha 0 --input in.st:x.st"; do
        try 1 ${words%:*} -o small/${words##*:}
        says err "no space: "
        says err ", and 0 bytes are left"
        must test "$(ls small)" = full
    done
    try 1 record --data cifar --teacher model.st --image 32 --batch 6 --augment none --epochs 1 -o small/x.rec
    must test "$(ls small)" = full
    umount small
else
    echo "SKIP outputs, room for what is drawn: no file system can be mounted here"
fi
# limited BLOCKS ARGUMENT...: the command where files may have so many blocks of 512 bytes; its code goes to the file code.
limited() {
    (
        ulimit -f "$1"
        shift
        "$tleg" "$@" >out 2>err
        echo $? 2>/dev/null >code
    )
    checks=$((checks + 1))
    now="ulimit -f; tleg $*"
    [ "$(cat code)" -eq 1 ] || fail "exit code $(cat code), expected 1"
    says err "File too large"
    must test -z "$(find . -name '.tleg*')"
}
for verb in "new $shape --classes 3" "store gene.st --dtype f32" "expand gene.st --depth 2" "linearize model.st" \
    "grad model.st --alpha 0 --input in.st"; do
    limited 8 $verb -o big.st
    must test ! -e big.st
done
limited 1 generate dit.st --depth 12 $steps -o big.png
says err "-o big.png: File too large: it takes "
limited 1 features gene.st --depth 2 -o big.st cifar
says err "-o big.st: File too large: it takes "
limited 8 linearize model.st -o linear.st --plot big.svg
try 0 $learn --epochs 1 -o former.st
cp former.st kept.st
blocks=$(($(wc -c <former.st) / 512 + 2)) # enough for what is learned, not for its checkpoint
rm former.st.checkpoint
limited $blocks $learn --epochs 1 -o former.st
says err "--checkpoint former.st.checkpoint: File too large"
must test ! -s out
same kept.st former.st
must test ! -e former.st.checkpoint

record="record --data cifar --teacher model.st --image 32 --batch 6 --augment none"
limited 64 $record --epochs 1000 -o big.rec
says err "-o big.rec.part: File too large"
must test ! -e big.rec.part
limited 256 $learn --epochs 2000 --teacher model.st --record big.rec -o taught.st
says err "--record big.rec.part: File too large"
must test ! -e big.rec.part
must test ! -s out
try 0 $record --epochs 2 -o small.rec

# ---- what is read again ----
try 2 $learn --epochs 1 --teacher model.st -o ./model.st
says err "--teacher and -o name the same file"
try 2 $record --epochs 1 -o model.st
says err "--teacher and -o name the same file"
try 2 $learn --epochs 1 --recorded small.rec --checkpoint small.rec -o x.st
says err "--recorded and --checkpoint name the same file"

# ---- two runs ----
# A first run is at work on one.st, one.st.checkpoint and one.json.
"$tleg" $learn --epochs 100000 --log-every 1 --log one.json -o one.st >first 2>&1 &
pid=$!
until_so grep '"step"' one.json
ln -s one.st link.st
for words in "-o one.st" "-o ./one.st" "-o $PWD/one.st" "-o link.st" "-o x.st --checkpoint one.st.checkpoint" "-o one.st --resume"; do
    try 1 $learn --epochs 1 $words
    says err "process $pid on "
    says err " writes it: wait until that has ended, or give another name"
    must test ! -s out
done
for verb in "new $shape --classes 3" "store gene.st" "expand gene.st --depth 2" "linearize model.st"; do
    try 1 $verb -o one.st
    says err "process $pid on "
done
try 1 eval one.st --depth 2 --data cifar --write-scores
must kill -0 $pid
# ... and dies: that stops nobody, and what it left goes
kill -9 $pid
wait $pid 2>/dev/null
must test -n "$(find . -name '.tleg-*.lock')"
sleep 100 &
alive=$!
sh -c 'exit 0' &
gone=$!
wait $gone
echo part >".tleg-$gone-0.tmp"
echo part >".tleg-$alive-0.tmp"
echo part >".tleg-$gone-0.tmp.keep"
try 0 $learn --epochs 1 --limit-steps 1 -o two.st
says err ".tleg-$gone-0.tmp: removed; a run that crashed left it"
must test ! -e ".tleg-$gone-0.tmp"
must test -e ".tleg-$alive-0.tmp"
must test -e ".tleg-$gone-0.tmp.keep"
kill $alive
rm -f ".tleg-$alive-0.tmp" ".tleg-$gone-0.tmp.keep"
must test -z "$(find . -name '.tleg*')"
try 1 $learn --epochs 1 -o one.st # no lock, but a checkpoint of a run that was stopped, if it came so far
rm -f one.st*
try 0 $learn --epochs 1 -o one.st
must test -z "$(find . -name '.tleg*')"

# ---- logs ----
echo "a list of my own" >notes.txt
cp notes.txt notes.kept
try 1 $learn --epochs 1 --log notes.txt -o noted.st
says err "notes.txt: there is a file already, and it is not the log of a run: give another --log"
same notes.txt notes.kept
: >empty.json
try 0 $learn --epochs 2 --limit-steps 1 --log empty.json -o noted.st
cp empty.json former.json
try 1 $learn --epochs 1 --log empty.json -o another.st
says err "empty.json: the log of a run that wrote noted.st; here another.st is written: give another --log"
mkdir -p logs/deep
try 0 $learn --epochs 1 --log logs/deep/far.json -o noted.st --checkpoint far.checkpoint
must grep -q '"output":"../../noted.st"' logs/deep/far.json
try 0 $learn --epochs 1 --log "$PWD/logs/deep/far.json" -o ./noted.st --checkpoint far.checkpoint
try 1 $learn --epochs 1 --log empty.json -o another.st --resume # from no checkpoint, which is a beginning
same empty.json former.json
try 1 $learn --epochs 2 --resume --log notes.txt -o noted.st
says err "notes.txt: not the log of the run that noted.st.checkpoint holds, which begins otherwise: give another --log"
same notes.txt notes.kept
sed 's/"loss"/"lost"/' former.json >empty.json
cp empty.json changed.json
try 1 $learn --epochs 2 --resume --log empty.json -o noted.st
same empty.json changed.json
cp former.json empty.json
echo '{"step":2}' >>empty.json # of a step that will be done again
try 0 $learn --epochs 2 --resume --log empty.json --log-every 1 -o noted.st
must test "$(head -c "$(wc -c <former.json)" empty.json | cmp - former.json && grep -c '"step":2,' empty.json)" -eq 1
try 0 $learn --epochs 3 --resume -o noted.st # and now without one
cp empty.json former.json
try 1 $learn --epochs 4 --resume --log empty.json -o noted.st
says err "not the log of the run that noted.st.checkpoint holds, which had none"
same empty.json former.json
try 0 $learn --epochs 1 --log empty.json -o noted.st # the same output anew, and so the log
must test "$(grep -c '"verb"' empty.json)" -eq 1
rm -f one.*
"$tleg" $learn --epochs 100000 --log-every 1 --log one.json -o one.st >first 2>&1 &
pid=$!
until_so grep '"step"' one.json
try 1 $learn --epochs 1 --log one.json -o another.st
says err "one.json: another run writes it: wait until that has ended, or give another --log"
kill -TERM $pid
wait $pid
ln -s noted.st alias.json
for words in "--log alias.json -o noted.st" "--log x.json -o ./x.json" "--log $PWD/x.st.checkpoint -o x.st"; do
    try 2 $learn --epochs 1 $words
    says err " name the same file"
done

# ---- names that a terminal would obey ----
obeyed=$(printf 'o\033[31m.st')
for verb in "new $shape --classes 3" "store gene.st" "expand gene.st --depth 2" "convert gene.st" "export model.st" \
    "run model.st --input in.st" "grad model.st --alpha 0 --input in.st" "linearize model.st" "$learn --epochs 1" \
    "$learn --epochs 2 --resume" "tune model.st --data cifar --val-every 4 --batch 6 --epochs 1 --checkpoint tuned.ck" \
    "record --data cifar --from gene.st --teacher model.st --epochs 1 --batch 6"; do
    case $verb in *--resume*) ;; *) rm -f "$obeyed" "$obeyed.checkpoint" ;; esac
    try 0 $verb -o "$obeyed"
    says out 'o?[31m.st'
    must test "$(tr -cd '\033' <out | wc -c)" -eq 0
done

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of outputs failed"
    exit 1
fi
echo "outputs: $checks checks"
