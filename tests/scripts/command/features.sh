#!/bin/sh
# Features of pictures, and what they are worth; the numbers of the probe are numpy's (tests/fixtures/probe/make.py).
# usage: features.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: features.sh TLEG" >&2; exit 2; }
fixtures=$(cd "$(dirname "$0")/../../fixtures/probe" && pwd)
. "$(dirname "$0")/checks.sh"
has_python features || exit 77

# ---- pictures as big as the model's input, the same prepared by hand, and grey ones in IDX files ----
cat >make.py <<'P'
import json, os, random, struct, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
def f32(x):
    return struct.unpack('<f', struct.pack('<f', x))[0]
random.seed(1)
values = []
for name in ("ant", "bee", "cat"):
    os.makedirs("own/" + name)
    for i in range(3):
        pixels = [random.randrange(256) for _ in range(192)]
        rows = b''.join(b'\0' + bytes(pixels[y * 24:y * 24 + 24]) for y in range(8))
        open(f"own/{name}/{i}.png", 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 8, 8, 8, 2, 0, 0, 0)) +
                                                chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
        values += [pixels[3 * p + c] / 255 for c in range(3) for p in range(64)]
header = json.dumps({"images": {"dtype": "F32", "shape": [9, 3, 8, 8], "data_offsets": [0, 4 * len(values)]}}).encode()
open("in.st", 'wb').write(struct.pack('<Q', len(header)) + header + struct.pack(f'<{len(values)}f', *values))
os.makedirs("idx")
grey = bytes(random.randrange(256) for _ in range(6 * 64))
open("idx/train-images-idx3-ubyte", 'wb').write(struct.pack('>4I', 0x803, 6, 8, 8) + grey)
open("idx/train-labels-idx1-ubyte", 'wb').write(struct.pack('>2I', 0x801, 6) + bytes([0, 1, 2, 0, 1, 2]))
header = json.dumps({"images": {"dtype": "F32", "shape": [6, 1, 8, 8], "data_offsets": [0, 4 * len(grey)]}}).encode()
open("grey.st", 'wb').write(struct.pack('<Q', len(header)) + header + struct.pack(f'<{len(grey)}f', *((f32(f32(v / 255) - 0.25)) / 0.5 for v in grey)))
P
cat >tensor.py <<'P'
import json, struct, sys
data = open(sys.argv[1], 'rb').read()
size = struct.unpack('<Q', data[:8])[0]
header = json.loads(data[8:8 + size])
if len(sys.argv) > 3:
    print(header['__metadata__'][sys.argv[3]])
else:
    start, end = header[sys.argv[2]]['data_offsets']
    sys.stdout.buffer.write(data[8 + size + start:8 + size + end])
P
must python3 make.py
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 3 --mean 0,0,0 --std 1,1,1 -o gene.st

# ---- a folder ----
try 0 features gene.st --depth 3 own -o f.st
says out "f.st: features [9,16] of 9 pictures, depth 3, with labels"
python3 tensor.py f.st features >found
try 0 run gene.st --depth 3 --input in.st -o run.st
python3 tensor.py run.st features >right
same found right
must test "$(python3 tensor.py f.st labels | od -An -v -td8 | tr -s ' \n' ' ')" = " 0 0 0 1 1 1 2 2 2 "
must test "$(python3 tensor.py f.st - classes | tr -d ' ')" = '["ant","bee","cat"]'
must test "$(python3 tensor.py f.st - names | tr -d ' ' | cut -c1-27)" = '["ant/0.png","ant/1.png","a'
must test "$(python3 tensor.py f.st - depth)" = 3
try 0 features gene.st --depth 3 --batch 4 --loaders 2 own -o f4.st --json
says out '"images":9,"skipped":0,"dim":16,"depth":3,"classes":3'
python3 tensor.py f4.st features >found
same found right
try 0 features gene.st --depth 2 own -o f2.st
python3 tensor.py f2.st features >found
must test "$(cmp -s found right; echo $?)" -eq 1

# ---- files, one of them bad ----
try 0 features gene.st --depth 3 own/ant/0.png own/ant/1.png -o two.st
says out "features [2,16] of 2 pictures"
python3 tensor.py two.st features >found
head -c 128 right >part
same found part
must test "$(python3 tensor.py two.st - names | tr -d ' ')" = '["own/ant/0.png","own/ant/1.png"]'
echo "not a picture" >bad.png
try 1 features gene.st --depth 3 own/ant/0.png bad.png own/ant/1.png -o x.st
says err "bad.png"
says err "--skip-bad"
must test ! -e x.st
try 0 features gene.st --depth 3 --skip-bad own/ant/0.png bad.png own/ant/1.png -o skip.st
python3 tensor.py skip.st features >found
same found part
try 1 features gene.st --depth 3 --skip-bad bad.png -o x.st
try 2 features gene.st --depth 3 own own/ant/0.png -o x.st
try 2 features gene.st own -o x.st
try 2 features gene.st --depth 3 own

# ---- a model that another takes the place of, as an epoch's does, while its features are made: a picture that is a pipe holds them up ----
cp gene.st now.st
try 0 new --seed 1 --dim 16 --heads 2 --image 8 --patch 4 --classes 3 --mean 0,0,0 --std 1,1,1 -o next.st
mkfifo held.png
now="tleg features now.st --depth 3 held.png own/ant/1.png -o held.st"
"$tleg" features now.st --depth 3 held.png own/ant/1.png -o held.st >out 2>err &
exec 3>held.png # once it is opened, the model has been read
mv next.st now.st
cat own/ant/0.png >&3
exec 3>&-
must wait $!
python3 tensor.py held.st features >found
same found part
must test "$(python3 tensor.py held.st - model)" = "$(python3 tensor.py two.st - model)"

# ---- weights that are not numbers ----
python3 - gene.st nan.st <<'P'
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
length = struct.unpack("<Q", data[:8])[0]
at = 8 + length + json.loads(data[8:8 + length])["patch_embed.proj.bias"]["data_offsets"][0]
data[at:at + 4] = struct.pack("<f", float("nan"))
open(sys.argv[2], "wb").write(data)
P
try 1 features nan.st --depth 3 own -o x.st
says err "nan.st: \"features\": row 0 is not finite"
must test ! -e x.st
try 0 run nan.st --depth 3 --input in.st -o x.st
says err "\"logits\" of image 0 is not finite"
rm x.st

# ---- one channel, from IDX files and from colours ----
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 3 --channels 1 --mean 0.25,0.25,0.25 --std 0.5,0.5,0.5 -o grey_gene.st
try 0 features grey_gene.st --depth 3 idx -o grey_f.st
python3 tensor.py grey_f.st features >found
try 0 run grey_gene.st --depth 3 --input grey.st -o run.st
python3 tensor.py run.st features >right
same found right
try 0 features grey_gene.st --depth 3 own -o x.st
try 0 tune grey_gene.st --depth 2 --data idx --epochs 1 --batch 3 -o grey_model.st
try 0 classify grey_model.st own/ant/0.png

# ---- the probe ----
try 0 probe $fixtures/learned.safetensors --test $fixtures/test.safetensors --neighbours 7 --json
cp out probe.json
try 0 probe $fixtures/learned.safetensors --val-every 4 --neighbours 7 --json
cp out every.json
must python3 - $fixtures/expected.json <<'P'
import json, sys
right = json.load(open(sys.argv[1]))
for name, found in ((right, "probe.json"), (right["every_4th"], "every.json")):
    found = json.load(open(found))
    assert found["images"] == name["images"], found
    assert found["neighbours_correct"] == name["neighbours"], found
    assert found["linear_correct"] == name["linear"], found
P
try 0 probe f.st --val-every 2
says out "3 rows of 16 features, 3 classes, judged by 6 others"
try 1 probe f.st --test grey_f.st
says err "other classes"
try 1 probe two.st
says err "labels"
try 1 probe f.st --test $fixtures/test.safetensors
says err "features of 12 numbers"
try 2 probe f.st --neighbours 0
try 0 features gene.st --depth 2 own -o f2.st
try 1 probe f.st --test f2.st
says err "f2.st: features of another model, depth or size of pictures than those of f.st"
try 2 probe f.st --test f2.st --val-every 5
try 2 probe f.st --test ./f.st
says err "--test names ./f.st, which is learned from"
# However narrow the weights, the nearest counts most.
try 0 probe f.st --val-every 2 --tau 1e-6 --json
must test "$(sed 's/.*neighbours_top1":\([^,]*\),.*/\1/' out)" = "$("$tleg" probe f.st --val-every 2 --neighbours 1 --json | sed 's/.*neighbours_top1":\([^,]*\),.*/\1/')"
# What made them is told apart by the filter of positions too; what is not used is refused, and nothing that is read is written over.
try 0 features gene.st --depth 2 --image 16 own -o cubic.st
try 0 features gene.st --depth 2 --image 16 --positions-filter antialias own -o smooth.st
must test "$(python3 tensor.py cubic.st features model)" != "$(python3 tensor.py smooth.st features model)"
try 1 distance cubic.st smooth.st
try 2 distance f2.st f2.st --dtype bf16
# What changes nothing makes no other name: the filter that is usual, and any at the size as learned.
try 0 features gene.st --depth 2 --image 16 --positions-filter bicubic own -o usual.st
same cubic.st usual.st
try 0 features gene.st --depth 2 --image 8 --positions-filter antialias own -o plain.st
same f2.st plain.st
# A schedule makes other layers of the same numbers.
try 0 new --dim 16 --heads 2 --image 8 --patch 4 --classes 3 --curve chebyshev --count 3 -o chebyshev.st
LC_ALL=C sed 's/\\"chebyshev\\"/\\"cosine\\"   /g' chebyshev.st >cosine.st
try 0 features chebyshev.st --depth 3 own -o chebyshev.f
try 0 features cosine.st --depth 3 own -o cosine.f
must test "$(python3 tensor.py chebyshev.f - model)" != "$(python3 tensor.py cosine.f - model)"
try 1 distance chebyshev.f cosine.f
says err "expected one model at one depth"
cp own/ant/0.png kept.png
try 2 features gene.st --depth 2 own/ant/1.png own/ant/0.png -o own/ant/0.png
says err "-o names own/ant/0.png, which is read"
same kept.png own/ant/0.png
try 2 features gene.st --depth 2 --test own -o x.st
try 2 features gene.st --depth 2 --test own/ant/0.png -o x.st
if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of features failed"
    exit 1
fi
echo "features: $checks checks"
