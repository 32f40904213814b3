#!/bin/sh
# Signals that ask a training to end, standard output that nobody reads, and signals that the caller ignores.
# usage: signals.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: signals.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"

mkdir cifar
for i in $(seq 0 11); do cifar $((i % 3)) "$i"; done >cifar/data_batch_1.bin
printf 'red\ngreen\nblue\n' >cifar/batches.meta.txt
shape="--dim 16 --heads 2 --image 32 --patch 8"
long="distill --data cifar $shape --depth 2 --batch 6 --augment none --epochs 100000 --log-every 1"

# begin COMMAND...: starts a run in the background, and waits until it is at work. A shell's background jobs ignore SIGINT: `env` ends
# that.
begin() {
    rm -f killed.*
    "$@" $long --log killed.json -o killed.st >out 2>err &
    pid=$!
    until_so grep '"step"' killed.json
}
# ends CODE: the run ends with it.
ends() {
    wait $pid
    code=$?
    checks=$((checks + 1))
    [ $code -eq "$1" ] || fail "exit code $code, expected $1"
}
# goes_on: the run writes further lines.
goes_on() {
    cp killed.json former.json
    until_so grows
}
grows() {
    [ "$(wc -l <killed.json)" -gt "$(wc -l <former.json)" ]
}
resumes() {
    try 0 $long --resume --limit-steps "$(($(sed -n 's/.*after step \([0-9]*\) of.*/\1/p' stopped) + 2))" -o killed.st
    says out "resumed: killed.st.checkpoint, step $(sed -n 's/.*after step \([0-9]*\) of.*/\1/p' stopped)"
}

# ---- each of them ----
for signal in INT:130 TERM:143 HUP:129 USR1:138 USR2:140 XCPU:152; do
    name=${signal%:*}
    now="SIG$name"
    begin env --default-signal=INT "$tleg"
    kill -"$name" $pid
    ends "${signal#*:}"
    says err "this step will be finished and a checkpoint written; "
    says err ": stop at once"
    says err "stopped by SIG$name after step "
    says err "; killed.st.checkpoint holds it, --resume continues"
    cp err stopped
    resumes
done

now="tleg record, SIGHUP"
try 0 new $shape --classes 3 -o teacher.st
try 0 expand teacher.st --depth 2 -o teacher.st
record="record --data cifar --teacher teacher.st --image 32 --batch 6 --augment none --epochs 100000 -o kept.rec"
"$tleg" $record >out 2>err &
pid=$!
until_so test -s kept.rec.part
sleep 0.2
kill -HUP $pid
ends 129
says err "the terminal closed (SIGHUP): this batch will be finished and the recording kept; Ctrl-C or SIGTERM: stop at once"
says err "kept.rec.part holds them, --resume continues"
rm kept.rec.part

# `ulimit -t N` sets the hard limit too, at which the system kills without a signal before it.
now="ulimit -t"
rm -f killed.*
# shellcheck disable=SC3045 # where there is no such limit the run is not ended by it
(ulimit -t 6 && exec "$tleg" distill --data cifar --dim 64 --heads 2 --image 32 --patch 4 --depth 4 --batch 1 --augment none --epochs 100000 \
    -o killed.st) >out 2>err &
pid=$!
ends 152
says err "the time limit is near (SIGXCPU)"
says err "stopped by SIGXCPU after step "
must test -s killed.st.checkpoint

# ---- which come twice by themselves, and which mean it ----
now="SIGHUP and SIGXCPU, twice each" # the shell and the system both send the one, each further second the other
begin "$tleg"
kill -STOP $pid
for signal in HUP XCPU HUP XCPU; do kill -$signal $pid; done
kill -CONT $pid
until_so grep "a checkpoint written" err
wait $pid
case $? in 129 | 152) ;; *) fail "expected exit code 129 or 152" ;; esac
says err "holds it, --resume continues"

now="a second Ctrl-C within a long step"
rm -f twice.*
env --default-signal=INT "$tleg" distill --data cifar --image 32 --patch 4 --dim 64 --heads 2 --depth 600 --recompute --batch 12 --epochs 1 \
    -o twice.st >out 2>err &
pid=$!
until_so grep '^SigCgt:.*[2367abef]$' /proc/$pid/status # SIGINT is waited for
sleep 0.2
kill -INT $pid
until_so grep "again: stop at once" err
kill -TERM $pid
wait $pid
must test $? -eq 143
says err "asked again: stopped at once"
must test ! -e twice.st
must test ! -e twice.st.checkpoint

# ---- ignored by the caller ----
for name in HUP INT TERM USR1 XCPU; do
    now="SIG$name, ignored"
    begin env --default-signal=INT --ignore-signal=$name "$tleg"
    kill -$name $pid
    goes_on
    must test ! -s err
    kill -USR2 $pid
    ends 140
done

# ---- nobody reads the output ----
for words in "" --json; do
    now="tleg distill $words | head -n 1"
    rm -f killed.* code
    { "$tleg" $long $words -o killed.st 2>err; echo $? >code; } | head -n 1 >out
    must test "$(cat code)" -eq 141
    says err "nobody reads the output (SIGPIPE): this step will be finished and a checkpoint written"
    says err "holds it, --resume continues"
    must test -s killed.st.checkpoint
    must test "$(tail -n 1 err | grep -c 'stopped by SIGPIPE')" -eq 1
done
now="standard output and standard error closed at their other ends"
rm -f killed.* code
{ "$tleg" $long -o killed.st 2>&1; echo $? >code; } | head -n 1 >out
must test "$(cat code)" -eq 141
must test -s killed.st.checkpoint
now="SIGPIPE, ignored: it goes on without a reader"
rm -f killed.* code
{ env --ignore-signal=PIPE "$tleg" $long --limit-steps 5 -o killed.st 2>err; echo $? >code; } | head -n 1 >out
must test "$(cat code)" -eq 1
says err "standard output: Broken pipe"
must test -s killed.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of signals failed"
    exit 1
fi
echo "signals: $checks checks"
