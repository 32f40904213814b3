#!/bin/sh
# How far two sets of pictures are apart by a model's features; the numbers are SciPy's (tests/fixtures/distance/make.py).
# usage: distance.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: distance.sh TLEG" >&2; exit 2; }
fixtures=$(cd "$(dirname "$0")/../../fixtures/distance" && pwd)
. "$(dirname "$0")/checks.sh"
has_python distance || exit 77

# ---- two sets of pictures: as files in folders of classes and in one folder, and as tensors of -1 to 1 ----
cat >make.py <<'P'
import json, os, random, struct, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
def png(path, pixels):
    rows = b''.join(b'\0' + bytes(pixels[y * 24:y * 24 + 24]) for y in range(8))
    open(path, 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0)) +
                           chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
def save(path, values, shape, name="images", **said):
    tensor = {name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * len(values)]}}
    header = json.dumps(tensor | ({"__metadata__": said} if said else {})).encode()
    open(path, 'wb').write(struct.pack('<Q', len(header)) + header + struct.pack(f'<{len(values)}f', *values))
def planes(pixels):
    return [pixels[3 * p + c] / 127.5 - 1 for c in range(3) for p in range(64)]
random.seed(1)
for name, low in (("one", 0), ("two", 60)):
    values = []
    os.makedirs(name + "_flat")
    for i in range(40):
        pixels = [random.randrange(low, 256) for _ in range(192)]
        os.makedirs(f"{name}/{'abcd'[i // 10]}", exist_ok=True)
        png(f"{name}/{'abcd'[i // 10]}/{i:02}.png", pixels)
        png(f"{name}_flat/{i:02}.png", pixels)
        values += planes(pixels)
    save(name + ".st", values, [40, 3, 8, 8])
save("latents.st", [0] * 512, [2, 4, 8, 8])
save("drawn.st", [0.5] * 384, [2, 3, 8, 8], latent_scale="0.5")
save("learned.st", [0.5] * 384, [2, 3, 8, 8], "latents")
save("nan.st", [0] * 100 + [float('nan')] + [0] * 283, [2, 3, 8, 8])
save("bytes.st", [200.0] * 384, [2, 3, 8, 8])
save("single.st", [0.5] * 192, [1, 3, 8, 8])
save("other.st", [0.5] * 192, [1, 192], "weights")
save("flat.st", [0.5] * 192, [192], "features")
save("endless.st", [0.5] * 31 + [float('inf')], [2, 16], "features")
save("wide.st", [i * i % 7 for i in range(96)], [4, 24], "features")
os.makedirs("idx")
open("idx/train-images-idx3-ubyte", 'wb').write(struct.pack('>4I', 0x803, 6, 8, 8) + bytes(random.randrange(256) for _ in range(384)))
os.makedirs("none")
open("none/train-images-idx3-ubyte", 'wb').write(struct.pack('>4I', 0x803, 0, 8, 8))
open("none/train-labels-idx1-ubyte", 'wb').write(struct.pack('>2I', 0x801, 0))
open("idx/train-labels-idx1-ubyte", 'wb').write(struct.pack('>2I', 0x801, 6) + bytes([0, 1, 2, 0, 1, 9]))
P
cat >holds.py <<'P'
import json, sys
a, b = (json.load(open(n)) if n.endswith("json") else None for n in sys.argv[1:3])
sys.exit(not eval(sys.argv[3]))
P
must python3 make.py
# so EXPRESSION [FILE]: what Python makes of `a`, the last answer, and `b`, that of FILE.json
so() {
    cp out a.json
    must python3 holds.py a.json "${2:-a}.json" "$1"
}
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 3 -o gene.st
by="--features gene.st --depth 3"

# ---- SciPy's numbers ----
for pair in "a b" "a few" "b few"; do
    set -- $pair
    try 0 distance $fixtures/$1.safetensors $fixtures/$2.safetensors --json
    cp out found.json
    must python3 - $fixtures/expected.json "$pair" <<'P'
import json, sys
found, right = json.load(open("found.json")), json.load(open(sys.argv[1]))[sys.argv[2]]
def near(a, b, within):
    assert abs(a - b) <= within * abs(b), (a, b)
near(found["means"], right["means"], 1e-13)
near(found["covariances"], right["svdvals"], 1e-13)
near(found["covariances"], right["sqrtm"], 1e-6 if "few" in sys.argv[2] else 1e-12)
assert found["distance"] == found["means"] + found["covariances"] and found["dim"] == 24
P
done
says err "does not say which model made its features"
says err "few.safetensors: 12 pictures for 24 features: their covariance is singular"
says err "70 pictures and 12"
try 0 distance $fixtures/a.safetensors $fixtures/a.safetensors --json
so "0 <= a['distance'] < 1e-12"

# ---- the same pictures, whatever holds them ----
try 0 distance one two $by
says out "chet distance "
says out "A: 40 pictures of one"
says out "16 features of gene.st. Comparable only with distances by the same MODEL"
says out "not FID"
must test ! -s err
try 0 distance one two $by --json
cp out right.json
so "a['distance'] > 1e-3 and a['a'] == {'path': 'one', 'images': 40, 'skipped': 0} and a['b']['path'] == 'two'"
for words in "--threads 2" "--batch 7 --loaders 3"; do
    try 0 distance one two $by $words --json
    same out right.json
done
for pair in "one_flat two_flat" "one.st two.st" "one two.st"; do
    try 0 distance $pair $by --json
    so "all(a[k] == b[k] for k in ('distance', 'means', 'covariances', 'model'))" right
done
try 0 distance two one $by --json
so "abs(a['distance'] - b['distance']) < 1e-12" right
try 0 distance one one_flat $by --json
so "a['distance'] < 1e-12"
try 0 features gene.st --depth 3 one -o one.f
try 0 features gene.st --depth 3 two -o two.f
try 0 distance one.f two.f --json
so "all(a[k] == b[k] for k in ('distance', 'model'))" right
must test ! -s err
try 0 distance one two.f $by --json
so "a['distance'] == b['distance']" right

# ---- fewer of them, spread evenly ----
mkdir less
for i in 00 03 06 10 13 16 20 23 26 30 33 36; do cp one_flat/$i.png less; done
try 0 distance less two $by --limit 12 --json
cp out less.json
says err "12 pictures for 16 features"
try 0 distance one two $by --limit 12 --json
so "a['distance'] == b['distance'] and a['a']['images'] == a['b']['images'] == 12" less
try 0 distance one.f two.f --limit 12 --json
so "a['distance'] == b['distance']" less

# ---- classes do not matter, but pictures must be readable ----
try 0 distance idx idx $by --json
so "a['a']['images'] == 6 and a['distance'] < 1e-9"
cp -r one spoilt && echo "not a picture" >spoilt/b/11x.png
try 1 distance spoilt two $by
says err "11x.png"
says err "--skip-bad"
try 0 distance spoilt two $by --skip-bad --json
says err "skipped spoilt/b/11x.png"
so "a['distance'] == b['distance'] and a['a'] == {'path': 'spoilt', 'images': 40, 'skipped': 1}" right

# ---- features of another model ----
try 0 features gene.st --depth 2 two -o shallow.f
try 1 distance one.f shallow.f
says err "expected one model at one depth"
try 1 distance one shallow.f $by
says err "shallow.f: features made by"
try 1 distance one.f two $by --crop 0.5
says err "one.f: features made by"
try 1 distance one.f two $by --dtype bf16
says err "one.f: features made by"
try 1 distance one.f $fixtures/a.safetensors
says err "features of 24 numbers; those of one.f have 16"
try 1 distance one.f wide.st $by
says err "wide.st: features of 24 numbers"

# ---- what cannot be compared ----
try 2 distance one.f two
says err "two holds pictures: it needs --features MODEL"
try 2 distance one two --features gene.st
says err "needs --depth"
try 2 distance one.f two.f --depth 3
try 2 distance one $by
try 2 distance one two one $by
try 2 distance one two $by --limit 1
try 1 distance one nowhere $by
says err "nowhere: No such file"
try 1 distance one/a/00.png two $by
says err "found one picture"
try 1 distance one gene.st $by
says err "a model or learngene is for --features"
try 1 distance one other.st $by
says err 'a safetensors file with "features" or "images"'
try 1 distance one make.py $by
try 1 distance one flat.st $by
says err 'expected "features", f32 [N,D]'
try 1 distance one endless.st $by
says err "row 1 is not finite"
try 1 distance one nan.st $by
says err '"images": picture 0 is not finite'
try 1 distance one latents.st $by
says err "latents have to be decoded first"
try 1 distance one drawn.st $by
says err "latents, which have to be decoded first"
try 1 distance one learned.st $by
says err "latents, which have to be decoded first"
try 1 distance one single.st $by
says err "expected 2 pictures or more, found 1"
mkdir nothing
try 1 distance one nothing $by
says err "no pictures in it"
try 1 distance none none $by
says err "none: no pictures"
try 0 distance one bytes.st $by
says err '100 % of the numbers of "images" lie outside -1 to 1'
if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of distances failed"
    exit 1
fi
echo "distance: $checks checks"
