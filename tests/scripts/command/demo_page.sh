#!/bin/sh
# What examples/demo.sh prints of either kind of gene, and the page that it writes: whole, well-formed, in need of nothing beside it,
# and, where Chromium is installed, laid out on a phone and on a desk without anything that sticks out, overlaps or complains.      demo_page.sh TLEG
# shellcheck disable=SC2094 # dom is a function, and the file that its answer goes to
tleg=$1
[ -x "$tleg" ] || { echo "usage: demo_page.sh TLEG" >&2; exit 2; }
case $tleg in /*) ;; *) tleg=$PWD/$tleg ;; esac
here=$(cd "$(dirname "$0")" && pwd) || exit 2
examples=${here%/tests/*}/examples
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2
failures=0 tab=$(printf '\t')
fail() {
    failures=$((failures + 1))
    printf 'FAIL %s\n' "$*"
}
has() { grep -qF -e "$1" page.html || fail "the page has no $1"; }
count() { [ "$(grep -oE -e "$2" page.html | wc -l)" -eq "$1" ] || fail "not $1 times $2"; }

# ---- the page of a small run: three pictures a class, names that HTML and the shell would take for their own ----
depths="2 3 12"
gene=${here%/scripts/*}/fixtures/seed/learngene.safetensors
classes=$(ls "$examples/cifar10/val")
for class in $classes; do
    mkdir -p "data <&>/$class"
    cp "$examples/cifar10/val/$class/0000.jpg" "data <&>/$class/a \"b\" & 'c' <i>.jpg"
    cp "$examples/cifar10/val/$class/0010.jpg" "$examples/cifar10/val/$class/0020.jpg" "data <&>/$class"
done
printf '{\n "images": 5000,\n "learned_at_depths": [3, 8],\n "top1_by_depth": {"2": 0.6448, "12": 0.7361}\n}' >reference.json
# measure GENE [REFERENCE]
measure() {
    sh "$examples/demo/measure.sh" "$tleg" "$1" "data <&>" . "$depths" 'Said of <these> & "those".' ${2+"$2"} >said 2>&1 ||
        { cat said; fail "measure.sh ended with $?"; }
}
# chosen: each printed command answers again what the terminal and the page say.
chosen() {
    for device in small middle large; do
        asked=$(sed -n "s/^budget${tab}$device${tab}.*${tab}tleg //p" results)
        grep -qF "  tleg $asked" said || fail "it does not say how it asked for a $device device"
        # shellcheck disable=SC2086 # a command and its words
        best=$("$tleg" $asked 2>errors | sed 's/.*"best":\([0-9]*\),.*/\1/')
        [ -n "$best" ] && grep -qE "^ *$device +[0-9]+ +[0-9.]+ +$best " said || fail "a $device device: not $best layers"
        grep -A 3 "<h3>A $device device" page.html | grep -qF "<p class=\"chosen\">$best layers</p>" || fail "the page: a $device device"
    done
    rm -f errors
}
# stopped GENE: pictures by the depth at which they stopped, counted otherwise.
stopped() {
    find "data <&>" -name '*.jpg' -exec "$tleg" classify "$1" --depth 3,6,12 --sure 0.8 --json {} + >stopped 2>errors
    for depth in 3 6 12; do
        there=$(grep -c "\"depth\":$depth," stopped)
        grep -qE "^ *$there of 30 stopped at +$depth layers" said || fail "not $there pictures stopped at $depth layers"
        has "<th scope=\"row\">$depth</th><td>$there</td>"
    done
    has "$(sed 's/.*"layers":\([0-9]*\),.*/\1/' stopped | awk '{ sum += $1 } END { printf "with %.1f layers a picture", sum / NR }')"
    rm stopped errors
}

# ---- a gene of base and ilayer, scored elsewhere ----
measure "$gene" reference.json
grep -q '^page: *\./page\.html$' said || fail "it does not say where the page is"
[ "$(ls)" = "$(printf '%s\n' cost.json 'data <&>' models page.html reference.json results said)" ] || fail "left behind: $(ls)"
# ---- pictures that cannot be read are no score of 0 ----
mkdir -p empty torn/a && echo text >torn/a/0.jpg
for folder in empty torn nowhere; do
    ! sh "$examples/demo/measure.sh" "$tleg" "$gene" $folder failed "3 4" >failed.txt 2>&1 || fail "measure.sh of $folder ended well"
    [ ! -e failed/page.html ] || fail "a page of $folder"
    grep -q "$folder" failed.txt || fail "it does not name $folder: $(cat failed.txt)"
done
rm -r empty torn failed failed.txt
# ---- what it holds ----
for depth in $depths; do
    count 10 "<tr class=\"(right|wrong)\"><th scope=\"row\">$depth</th>" # an answer a class
    has "<tr><th scope=\"row\">$depth layers</th>"
done
for class in $classes; do
    count 1 "<h3>$class</h3>"
    count 1 "alt=\"a picture of the class $class\""
    count 1 "<tr><th scope=\"row\">$class</th>"
done
count 10 '<img src="data:image/jpeg;base64,/9j/[A-Za-z0-9+/]{200,}=*"'
has 'Said of &lt;these&gt; &amp; &quot;those&quot;.'
has "$(sed -n 's/^model name[[:space:]]*: *//p' /proc/cpuinfo | head -n 1)"
has 'one thread, kernels for '
has "$("$tleg" --version)"
has "$(LC_ALL=C date '+%B %Y')"
has '<html lang="en">'
has '<meta name="viewport"'
count 5 '<svg width="100%" height="[0-9]+" role="img" aria-label="[^"]+'
count 1 '<h1>'
for depth in $depths; do
    correct=$(sed -n "s/^eval${tab}$depth${tab}.*\"images\":30,\"correct\":\([0-9]*\),.*/\1/p" results)
    has "<th scope=\"row\">$depth</th><td>$correct of 30</td>"
done
has '; <svg width="16" height="16" aria-hidden="true"><rect class="reference" y="7" width="16" height="2.5"/></svg> PyTorch, 5,000</p>'
has 'learned at depths 3 to 8'
has 'has the weights base + ('
has 'in a copy of the file, which has none'
! grep -q 'in the file' said || fail "a gene without scores is said to have some"
for depth in $depths; do
    grep -qE "^ *$depth +[1-9][0-9]+ +[1-9][0-9]+ +[0-9.]+ +[0-9.]+ +[0-9.]+%$" said || fail "the table has no depth $depth"
done
chosen
stopped "$gene"
# needs FILE: what the page would fetch.
needs() {
    grep -oiE '(src|href|srcset|poster|action|data)="[^"]*"?' "$1" | grep -v '="data:'
    grep -oiE 'url\(|@import|<(script|iframe|object|embed)' "$1"
}
[ -z "$(needs page.html)" ] || fail "the page needs $(needs page.html)"

if command -v python3 >/dev/null; then
    well_formed() { python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' "$1" || fail "$1 is not well-formed"; }
else
    well_formed() { echo "SKIP demo_page well-formed $1: python3 is not installed"; }
fi
well_formed page.html

# Where nothing fits, that is said.
sed "/^budget${tab}small/s/\"best\":[0-9]*/\"best\":null/" results >nothing
sh "$examples/demo/page.sh" nothing | grep -A 2 '<h3>A small device' | grep -qF '<p class="chosen">nothing fits</p>' || fail "something fits"
rm nothing
mv page.html seed.html
mv results seed.results

# ---- a gene of eight tensors that keeps its scores ----
grep -o '<h3>[a-z]*</h3>' seed.html | sed 's/<[^>]*>//g' >labels
"$tleg" new --dim 32 --heads 2 --image 32 --patch 8 --classes 10 --curve chebyshev --count 8 --labels labels -o fresh.safetensors &&
    "$tleg" eval fresh.safetensors --depth 2,12 --data "data <&>" --write-scores >/dev/null 2>&1 || fail "no gene with scores"
measure fresh.safetensors
has 'Every weight is stored as eight tensors; '
has 'the <i>k</i>-th Chebyshev polynomial at '
! grep -q 'base + ' page.html || fail "a gene of eight tensors is called base and ilayer"
has '<rect class="reference" y="7" width="16" height="2.5"/></svg> the file, 30</p>'
has '>in the file, of 30</th>'
grep -qE '^ *2 .*% +[0-9.]+%$' said || fail "the file's own score of depth 2 is not said"
grep -qE '^ *3 .*% *$' said || fail "a score of depth 3 is said, which the file has not"
[ "$(ls models)" = "$(printf '%s\n' depth-12.safetensors depth-2.safetensors depth-3.safetensors learngene.safetensors)" ] ||
    fail "models: $(ls models)"
chosen
stopped fresh.safetensors
well_formed page.html
mv page.html fresh.html
mv results fresh.results

# ---- the pieces beneath ----
# Of three pictures whose class gets 0.2, 0.7 and 0.4 on average the one in the middle is shown; the deeper folder is of the class too.
{
    printf 'eval\t1\t{"classes":[{"name":"a","index":4,"images":3},{"name":"b","index":1,"images":0}]}\n'
    for depth in 1 2; do
        printf 'classify\t%d\t{"file":"d/a/x.jpg","top":[{"index":4,"p":0.%d},{"index":1,"p":0.9}]}\n' $depth $depth
        printf 'classify\t%d\t{"file":"d/a/y.jpg","top":[{"index":4,"p":0.7}]}\n' $depth
        printf 'classify\t%d\t{"file":"d/a/in/z.jpg","top":[{"index":4,"p":0.4}]}\n' $depth
    done
} >made
[ "$(awk -v data=d/ -f "$examples/demo/json.awk" -f "$examples/demo/classes.awk" -f "$examples/demo/choose.awk" made made)" = "a${tab}d/a/in/z.jpg" ] ||
    fail "the middle picture is not chosen"
# Which of the pictures that stopped at a depth are right, and what they took: each depth before it as well.
{
    printf 'eval\t1\t{"classes":[{"name":"a","index":4,"images":2},{"name":"b","index":1,"images":1}]}\n'
    printf 'sure\t0\t{"file":"d/%s.jpg","depth":%d,"layers":0,"top":[{"index":%d}]}\n' a/x 2 4 a/y 2 1 b/z 6 1
} >made
[ "$(awk -v data=d -v stops=2,4,6 -f "$examples/demo/json.awk" -f "$examples/demo/classes.awk" -f "$examples/demo/stops.awk" made made |
    tr '\t' ' ')" = "$(printf 'stop 2 2 1 2\nstop 4 0 0 6\nstop 6 1 1 12')" ] || fail "stops are counted otherwise"
# Limits are rounded up: what they are made from fits.
echo '{"cost":{"ms_fixed":0.5,"ms_per_layer":0.25,"bytes_fixed":1024,"bytes_per_layer":1025}}' >made
[ "$(awk -v deepest=12 -f "$examples/demo/json.awk" -f "$examples/demo/budgets.awk" made | tr '\t' ' ')" = \
    "$(printf 'small 5K 1.167\nmiddle 9K 2.334\nlarge 14K 3.500')" ] || fail "the budgets are others"
# The factors of a curve at the middle of twelve layers, T_2(1/2) = -1/2 and T_3(1/2) = -1, and what no chart can draw.
cat >made.awk <<'EOT'
END { read_schedule(); print curve, tensors, mixed + 0; printf "%.4f %.4f\n", factor(2, 6, 12), factor(3, 6, 12) }
EOT
# curve_of SCHEDULE
curve_of() {
    echo | awk -v schedule="$1" -f "$examples/demo/json.awk" -f "$examples/demo/words.awk" -f "$examples/demo/svg.awk" \
        -f "$examples/demo/layers.awk" -f made.awk | tr '\n' ' '
}
sites() { echo norm1 norm2 qkv proj fc1 fc2 | sed "s/[a-z0-9]*/\"&\":$1/g; s/ /,/g; s/.*/{&}/"; }
[ "$(curve_of "$(sites '[[12,"chebyshev",8]]')")" = 'chebyshev 8 0 -0.5000 -1.0000 ' ] || fail "Chebyshev is read otherwise"
[ "$(curve_of "$(sites '[[12,"cosine",3]]')")" = 'cosine 3 0 -0.9659 0.3827 ' ] || fail "the cosine is wrong"
for straight in '' '{"qkv":[[4,true]]}' "$(sites '[[12,true]]')"; do
    [ "$(curve_of "$straight")" = 'power 2 0 0.2500 0.1250 ' ] || fail "not a straight line: $straight"
done
[ "$(curve_of "$(sites '[[1,false]]')")" = 'power 1 0 0.2500 0.1250 ' ] || fail "layers that are alike are read otherwise"
for mixed in '{"qkv":[[4,true],[2,false]]}' '{"qkv":[[6,"chebyshev",4]]}' '{"qkv":[[4,true]],"fc1":[[6,"cosine",3]]}'; do
    [ "$(curve_of "$mixed")" = 'power 1 1 0.2500 0.1250 ' ] || fail "not mixed: $mixed"
done
printf '%s\n' ' { "a" : [ { "b\"}" : -1.5e-3 } , [], null ], "c":{}, "d":"x\\\/y" , "e":true}' >made
echo '{ json($0); print JSON["a.length"], JSON["a.0.b\"}"], JSON["a.1.length"], "[" JSON["a.2"] "]", JSON["d"], JSON["e"] }' >made.awk
[ "$(awk -f "$examples/demo/json.awk" -f made.awk made)" = '3 -0.0015 0 [] x\/y true' ] || fail "JSON is read otherwise"

# ---- in a browser ----
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
if [ -z "$browser" ]; then
    echo "SKIP demo_page in a browser: chromium is not installed"
    [ $failures -eq 0 ]
    exit
fi
# dom SCHEME FILE: the page after its scripts ran; what a page writes to the console goes into the file console.
dom() {
    timeout 120 "$browser" --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$scratch/profile" \
        --window-size=1400,1000 --blink-settings=preferredColorScheme="$1" --virtual-time-budget=5000 --enable-logging=stderr \
        --dump-dom "file://$scratch/$2" 2>console
}
echo '<!DOCTYPE html><html><body>it runs</body></html>' >empty.html
if ! dom 1 empty.html | grep -q 'it runs'; then
    echo "SKIP demo_page in a browser: $browser does not start here"
    [ $failures -eq 0 ]
    exit
fi

# probed FROM TO: a copy of the page that tells the frame around it what is wrong.
probed() {
    { sed '/^<\/body>/,$d' "$1"; echo '<script>'; cat "$here/demo_page.js"; printf '</script>\n</body>\n</html>\n'; } >"$2"
}
frames() {
    cat <<EOT
<!DOCTYPE html><html><body>
<script>addEventListener("message", function (said) { document.body.appendChild(document.createElement("pre")).textContent = said.data })</script>
<iframe src="$1" width="390" height="844"></iframe><iframe src="$1" width="1280" height="900"></iframe></body></html>
EOT
}

# Times differ from run to run, and with them where the labels lie: here each layer takes as long.
for kind in seed fresh; do
    awk 'BEGIN { FS = OFS = "\t" } $1 == "bench" { sub(/"ms":[^,]*/, "\"ms\":" $2 * 0.115, $3) } { print }' $kind.results >even
    sh "$examples/demo/page.sh" even >even.html
    probed even.html probed.html
    frames probed.html >frames.html
    for scheme in 0 1; do # dark, light
        dom $scheme frames.html >dom
        for width in 390 1280; do
            grep -q "<pre>$width wide, $((1 - scheme)) dark: fine</pre>" dom ||
                fail "$kind, scheme $scheme, $width pixels: $(grep -o "<pre>$width.*</pre>" dom)"
        done
        ! grep CONSOLE console || fail "the page writes to the console"
    done
done

# What the probe is for is seen.
sed 's|<h2>Storage</h2>|<h4 style="width:2000px;color:#777;background:#888">x</h4><img src="none.png"/><script>console.error("seen")</script>|' \
    even.html >broken.html
probed broken.html probed.html
dom 1 frames.html >dom
for complaint in 'scrolls sideways' 'sticks out: H4' 'no picture: IMG' 'heading 4 after 2' 'hard to read: H4'; do
    grep -q "<pre>390 wide.*$complaint" dom || fail "a broken page is not said to be: $complaint"
done
[ "$(needs broken.html)" = "$(printf '%s\n' 'src="none.png"' '<script')" ] || fail "what a page needs is not seen: $(needs broken.html)"
grep -q 'CONSOLE.*seen' console || fail "what a page writes to the console is not seen"
[ $failures -eq 0 ]
