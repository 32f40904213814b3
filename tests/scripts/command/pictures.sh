#!/bin/sh
# How pictures are prepared: what a file says, what a call says in its place, what is said where nobody does.
# usage: pictures.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: pictures.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"
# never FILE TEXT: the text does not stand in out or err.
never() {
    checks=$((checks + 1))
    ! grep -qF -e "$2" "$1" || fail "\"$2\" in std$1"
}
has_python pictures || exit 77

# ---- noise that is wider than high, and a file that does not say some of its keys ----
cat >make.py <<'P'
import json, os, random, struct, sys, zlib
def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
random.seed(1)
for name in ("ant", "bee", "cat"):
    os.makedirs("own/" + name)
    for i in range(4):
        rows = b''.join(b'\0' + bytes(random.randrange(256) for _ in range(60)) for _ in range(12))
        open(f"own/{name}/{i}.png", 'wb').write(b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', 20, 12, 8, 2, 0, 0, 0)) +
                                                chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))
P
cat >leave_out.py <<'P'
import json, struct, sys
data = open(sys.argv[1], 'rb').read()
size = struct.unpack('<Q', data[:8])[0]
header = json.loads(data[8:8 + size])
for key in sys.argv[3:]:
    header['__metadata__'].pop(key, None)
text = json.dumps(header).encode()
open(sys.argv[2], 'wb').write(struct.pack('<Q', len(text)) + text + data[8 + size:])
P
must python3 make.py
new="new --dim 16 --heads 2 --image 8 --patch 4 --classes 3"
asked="--mean 0.5,0.4,0.3 --std 0.2,0.3,0.4 --crop 0.8 --interpolation bilinear --fit squash"
try 0 $new -o gene.st
try 0 $new $asked -o asked_gene.st
try 0 expand gene.st --depth 2 -o plain.st
try 0 expand asked_gene.st --depth 2 -o asked.st
must python3 leave_out.py asked.st silent.st tleg.mean tleg.std tleg.crop tleg.interpolation tleg.fit

# ---- what a file says ----
try 0 info asked.st
says out "pictures      bilinear, squash 0.8, mean 0.5 0.4 0.3, std 0.2 0.3 0.4"
try 0 info asked.st --json
says out '"interpolation":"bilinear","fit":"squash"'
try 0 info plain.st
says out "pictures      bicubic, crop 1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
try 0 classify asked.st own/ant/0.png own/bee/1.png --json
never err "does not say"
cp out right

# ---- what is said where nobody says it ----
note="silent.st does not say how its pictures were prepared: taken as ImageNet's mean and std, bicubic, crop 1 ("
try 0 classify silent.st own/ant/0.png own/bee/1.png --json
says err "$note"
must test "$(grep -c 'does not say how' err)" -eq 1
must test "$(cmp -s out right; echo $?)" -eq 1
try 0 eval silent.st --data own
says err "$note"
try 0 tune silent.st --data own --epochs 1 --batch 4 -o tuned.st
says err "$note"
must python3 leave_out.py asked_gene.st silent_gene.st tleg.mean tleg.std tleg.crop tleg.interpolation tleg.fit
try 0 plan silent_gene.st --data own --depth 1,2
says err "silent_gene.st does not say how its pictures were prepared"
try 0 plan silent_gene.st
never err "does not say how its pictures"
try 0 classify silent.st own/ant/0.png --mean 0.5,0.5,0.5 --std 0.5,0.5,0.5
says err "silent.st does not say how its pictures were prepared: taken as bicubic, crop 1 ("

# ---- what a call says in its place ----
try 0 classify silent.st $asked own/ant/0.png own/bee/1.png --json
never err "does not say"
same out right
try 0 classify plain.st $asked own/ant/0.png own/bee/1.png --json
same out right
try 0 eval asked.st --data own --json
sed 's/.*"classes"//' out >right
try 0 eval silent.st $asked --data own --json
sed 's/.*"classes"//' out >found
same found right
try 0 classify silent_gene.st --depth 2 $asked own/ant/0.png --json
try 0 expand silent_gene.st --depth 2 $asked -o expanded.st
try 0 info expanded.st
says out "pictures      bilinear, squash 0.8, mean 0.5 0.4 0.3, std 0.2 0.3 0.4"

# ---- what is written says it ----
try 0 tune silent.st $asked --data own --epochs 1 --batch 4 -o tuned.st
try 0 info tuned.st
says out "pictures      bilinear, squash 0.8, mean 0.5 0.4 0.3, std 0.2 0.3 0.4"
try 1 tune silent.st --data own --epochs 2 --batch 4 --resume -o tuned.st
says err "mean"
try 0 distill --from gene.st --depth 2 --interpolation box --data own --epochs 1 --batch 4 -o learned.st
try 0 info learned.st
says out "pictures      box, crop 1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
try 0 distill --dim 16 --heads 2 --image 8 --patch 4 --depth 2 $asked --data own --epochs 1 --batch 4 -o fresh.st
try 0 info fresh.st
says out "pictures      bilinear, squash 0.8, mean 0.5 0.4 0.3, std 0.2 0.3 0.4"

# ---- where half of an odd margin is rounded down, as transformers does, files, learngenes and graphs say so ----
try 0 convert plain.st --fit crop_floor -o floored.st
try 0 info floored.st
says out "pictures      bicubic, crop_floor 1, mean"
try 0 new --like floored.st -o floored_gene.st
try 0 info floored_gene.st --json
says out '"fit":"crop_floor"'
try 0 export floored.st -o floored.onnx
try 0 info floored.onnx
says out "pictures      bicubic, crop_floor 1, mean"
try 0 distill --from floored_gene.st --depth 2 --data own --epochs 1 --batch 4 -o floored_learned.st
try 0 info floored_learned.st
says out "pictures      bicubic, crop_floor 1, mean"
try 0 $new --fit squash_floor --crop 0.73 -o squashed.st
try 0 info squashed.st
says out "pictures      bicubic, squash_floor 0.73, mean"

# ---- a model in another type and for other images is what its gene expands to ----
try 0 expand gene.st --depth 2 --image 16 -o larger.st
try 0 classify larger.st own/ant/0.png --json
cp out right
try 0 classify plain.st --image 16 own/ant/0.png --json
same out right
try 0 expand gene.st --depth 2 --dtype bf16 -o half.st
try 0 classify half.st own/ant/0.png --json
cp out right
try 0 classify plain.st --dtype bf16 own/ant/0.png --json
same out right
try 0 tune plain.st --image 16 --data own --epochs 1 --batch 4 -o tuned16.st
try 0 info tuned16.st
says out "image         16 x 16 pixels"
try 1 classify plain.st --image 18 own/ant/0.png
says err "image_size: expected 0 or a multiple of the patch, 4"

# ---- pictures and patches that are not square ----
try 0 new --dim 16 --heads 2 --image 8x24 --patch 2x6 --classes 3 --cls -o wide.st
try 0 info wide.st
says out "image         8 x 24 pixels (height first), patches of 2 x 6: 17 tokens, 1 before the patches"
try 0 info wide.st --json
says out '"image_size":8,"patch_size":2,"image_width":24,"patch_width":6,'
try 0 expand wide.st --depth 2 -o wide2.st
try 0 eval wide.st --depth 2 --data own --json
sed 's/"top1":[^,]*,//;s/"ms_per_image":[^,]*//' out >right
try 0 eval wide2.st --data own --json
sed 's/"top1":[^,]*,//;s/"ms_per_image":[^,]*//' out >now
must cmp right now
try 0 features wide2.st own/ant/0.png own/bee/0.png -o features.st
try 0 bench wide.st --depth 2 --runs 1
for recipe in light deit; do
    try 0 distill --from wide.st --depth 2 --augment $recipe --data own --epochs 1 --batch 4 --teacher wide2.st -o wider.st
done
try 0 record --image 8x24 --teacher wide2.st --data own --epochs 1 --batch 4 -o recorded
try 0 distill --from wide.st --depth 2 --recorded recorded --data own --epochs 1 --batch 4 -o wider.st
try 1 distill --dim 16 --heads 2 --image 8 --patch 2 --depth 2 --recorded recorded --data own --epochs 1 --batch 4 -o x.st
says err "recorded with image_width 24; here it is (absent)"
try 0 distill --dim 16 --heads 2 --image 24x8 --patch 2 --depth 2 --data own --epochs 1 --batch 4 --teacher wide2.st -o wider.st
try 0 tune wide2.st --image 12x12 --positions-filter antialias --data own --epochs 1 --batch 4 -o wider.st
try 0 info wider.st
says out "image         12 x 12 pixels, patches of 2 x 6: 13 tokens"
try 0 convert wide2.st --image 4x36 -o bicubic.st
try 0 convert wide2.st --image 4x36 --positions-filter antialias -o antialias.st
checks=$((checks + 1))
cmp -s bicubic.st antialias.st && fail "both filters give the same positions"
try 0 info antialias.st
says out "image         4 x 36 pixels (height first)"
try 0 new --like wide2.st -o like.st
try 0 info like.st
says out "patches of 2 x 6"
try 0 linearize wide2.st -o lines.st
try 0 info lines.st
says out "image         8 x 24 pixels"
try 0 export wide2.st -o wide.onnx
must python3 leave_out.py bicubic.st unsaid.st tleg.image_size
try 1 info unsaid.st
says err "say their height and width (image_size and image_width"
try 0 convert unsaid.st --image 4x36 -o said.st
try 0 info said.st
says out "image         4 x 36 pixels (height first)"
# Pixels that no patch has are left out of a learngene like the model.
sed 's/"4x36"/"4x38"/' said.st >left.st
try 0 info left.st
says out "image         4 x 38 pixels (height first)"
try 0 new --like left.st -o like.st
try 0 info like.st
says out "image         4 x 36 pixels (height first)"
for wrong in 8x 0x4 x 8x8x8 8X8; do
    try 2 new --dim 16 --heads 2 --image $wrong --patch 2 --classes 3 -o x.st
    says err "or height and width, such as 224x128; found \"$wrong\""
done
try 1 classify wide2.st --image 8x20 own/ant/0.png
says err "image_size: expected 0 or a multiple of the patch, 2x6, at most"
try 1 new --kind dit --dim 16 --heads 2 --image 8x16 --patch 2 --classes 3 -o x.st
says err "a generator's images and patches are square"
try 2 classify wide2.st --positions-filter lanczos own/ant/0.png

# ---- what makes no sense ----
for wrong in "--mean 0.5,0.5,0.5" "--std 0.5,0.5,0.5" "--mean 0,0,0 --std 0,1,1" "--crop 1.5" "--crop 0" "--crop 1e-9" "--fit border" "--interpolation nearest"; do
    try 2 classify plain.st $wrong own/ant/0.png
    try 2 tune plain.st $wrong --data own --epochs 1 -o x.st
    try 2 $new $wrong -o x.st
done
try 2 eval plain.st --write-scores --crop 0.9 --data own
says err "leave out how pictures are prepared"
try 2 plan gene.st --crop 0.9
says err "are for --data"

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of pictures failed"
    exit 1
fi
echo "pictures: $checks checks"
