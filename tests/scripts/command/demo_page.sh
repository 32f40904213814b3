#!/bin/sh
# The page that examples/demo.sh writes: whole, well-formed, in need of nothing beside it, and, where Chromium is installed, laid out
# on a phone and on a desk without anything that sticks out, overlaps or complains.      demo_page.sh TLEG
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
gene=$examples/cifar10/learngene-seed.safetensors
classes=$(ls "$examples/cifar10/val")
for class in $classes; do
    mkdir -p "data <&>/$class"
    cp "$examples/cifar10/val/$class/0000.jpg" "data <&>/$class/a \"b\" & 'c' <i>.jpg"
    cp "$examples/cifar10/val/$class/0010.jpg" "$examples/cifar10/val/$class/0020.jpg" "data <&>/$class"
done
printf '{\n "images": 5000,\n "learned_at_depths": [3, 8],\n "top1_by_depth": {"2": 0.6448, "12": 0.7361}\n}' >reference.json
sh "$examples/demo/measure.sh" "$tleg" "$gene" "data <&>" . "$depths" 'Said of <these> & "those".' reference.json >said 2>&1 ||
    { cat said; fail "measure.sh ended with $?"; }
grep -q '^page: *\./page\.html$' said || fail "it does not say where the page is"
[ "$(ls)" = "$(printf '%s\n' 'data <&>' models page.html reference.json results said)" ] || fail "left behind: $(ls)"

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
count 4 '<svg width="100%" height="[0-9]+" role="img" aria-label="[^"]+'
count 1 '<h1>'
for depth in $depths; do
    correct=$(sed -n "s/^eval${tab}$depth${tab}.*\"images\":30,\"correct\":\([0-9]*\),.*/\1/p" results)
    has "<th scope=\"row\">$depth</th><td>$correct of 30</td>"
done
# needs FILE: what the page would fetch.
needs() {
    grep -oiE '(src|href|srcset|poster|action|data)="[^"]*"?' "$1" | grep -v '="data:'
    grep -oiE 'url\(|@import|<(script|iframe|object|embed)' "$1"
}
[ -z "$(needs page.html)" ] || fail "the page needs $(needs page.html)"

if command -v python3 >/dev/null; then
    python3 -c 'import sys, xml.etree.ElementTree as t; t.parse(sys.argv[1])' page.html || fail "the page is not well-formed"
else
    echo "SKIP demo_page well-formed: python3 is not installed"
fi

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
[ "$(awk -v data=d/ -f "$examples/demo/json.awk" -f "$examples/demo/choose.awk" made made)" = "a${tab}d/a/in/z.jpg" ] ||
    fail "the middle picture is not chosen"
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
awk 'BEGIN { FS = OFS = "\t" } $1 == "bench" { sub(/"ms":[^,]*/, "\"ms\":" $2 * 0.115, $3) } { print }' results >even
awk -v css="$examples/demo/page.css" -f "$examples/demo/json.awk" -f "$examples/demo/charts.awk" -f "$examples/demo/page.awk" even >even.html
probed even.html probed.html
frames probed.html >frames.html
for scheme in 0 1; do # dark, light
    dom $scheme frames.html >dom
    for width in 390 1280; do
        grep -q "<pre>$width wide, $((1 - scheme)) dark: fine</pre>" dom || fail "scheme $scheme, $width pixels: $(grep -o "<pre>$width.*</pre>" dom)"
    done
    ! grep CONSOLE console || fail "the page writes to the console"
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
