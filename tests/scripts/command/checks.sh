# Sourced by the scripts beside it, not run: what they check with. `tleg` is the command; they go on in an empty directory, which is
# `scratch` or one of their own that goes with them.
# shellcheck disable=SC2034 # they read these
case $tleg in /*) ;; *) tleg=$PWD/$tleg ;; esac
if [ -z "${scratch-}" ]; then
    scratch=$(mktemp -d) || exit 2
    trap 'rm -rf "$scratch"' EXIT
fi
rm -rf "$scratch" && mkdir -p "$scratch" && cd "$scratch" || exit 2
failures=0 checks=0 now=

fail() {
    failures=$((failures + 1))
    printf 'FAIL %s\n     %s\n' "$now" "$1"
    sed 's/^/     stdout: /' out | tail -n 5
    sed 's/^/     stderr: /' err | tail -n 5
}
# try CODE ARGUMENT...: the command ends with CODE; its words are in the files out and err.
try() {
    wanted=$1
    shift
    now="tleg $*"
    checks=$((checks + 1))
    "$tleg" "$@" >out 2>err
    code=$?
    [ $code -eq "$wanted" ] || fail "exit code $code, expected $wanted"
}
# ends CODE ARGUMENT...: likewise the script's own `driver`.
ends() {
    wanted=$1
    shift
    now="driver $*"
    checks=$((checks + 1))
    (driver "$@") >out 2>err
    code=$?
    [ $code -eq "$wanted" ] || fail "exit code $code, expected $wanted"
}
# says FILE TEXT: the text stands in out or err.
says() {
    checks=$((checks + 1))
    grep -qF -e "$2" "$1" || fail "no \"$2\" in std$1"
}
must() {
    checks=$((checks + 1))
    "$@" || fail "not so: $*"
}
same() {
    must cmp -s "$1" "$2"
}
# has_python WHAT: whether there is a python3 to look at it with; where there is none that is said.
has_python() {
    command -v python3 >/dev/null && return
    echo "SKIP $1: no python3"
    return 1
}
# bytes: decimal numbers on standard input become bytes.
bytes() {
    printf "$(awk '{ printf "\\%03o", $1 }')"
}
# cifar LABEL NUMBER: a CIFAR-10 record, a label byte and 3072 pixels that say the label, noisily.
cifar() {
    awk -v label="$1" -v seed="$2" 'BEGIN {
        print label
        x = seed * 7919 + 17
        for (i = 0; i < 3072; i++) {
            x = (x * 75 + 74) % 65537
            v = 60 + label * 70 * (int(i / 1024) == label) + x % 60
            print (v > 255 ? 255 : v)
        }
    }' | bytes
}

# until_so COMMAND...: waits, however slow the machine.
until_so() {
    tries=0
    until "$@" >/dev/null 2>&1 || [ $tries -ge 600 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    [ $tries -lt 600 ] || fail "not so after a minute: $*"
}
