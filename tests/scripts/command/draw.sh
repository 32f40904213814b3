#!/bin/sh
# What the command does with generators; the numbers are the reference's (tests/golden/draw-*).
# usage: draw.sh TLEG [SCRATCH_DIR]      prints what fails; exit 1 if anything did
here=$(cd "$(dirname "$0")" && pwd) || exit 2
tleg=$1 scratch=$2
[ -x "$tleg" ] || { echo "usage: draw.sh TLEG [SCRATCH_DIR]" >&2; exit 2; }
. "$here/checks.sh"
golden=${here%/scripts/*}/golden
has_python draw || exit 77

# numbers.py far FILE NAME FILE NAME LIMIT: two tensors are no further apart. set FILE OUT TENSOR INDEX VALUE: of int64. drop FILE OUT
# TENSOR: without it. wrap FILE OUT PREFIX...: each name after each prefix, and no metadata. png FILE [NUMBERS]: its width, height and channels; its pixels are those numbers.
cat >numbers.py <<'P'
import json, math, struct, sys, zlib
def load(path):
    data = open(path, 'rb').read()
    size = struct.unpack('<Q', data[:8])[0]
    return json.loads(data[8:8 + size]), bytearray(data[8 + size:])
def floats(path, name):
    header, data = load(path)
    start, end = header[name]['data_offsets']
    return header[name]['shape'], struct.unpack(f'<{(end - start) // 4}f', data[start:end])
def save(path, header, data):
    text = json.dumps(header).encode()
    open(path, 'wb').write(struct.pack('<Q', len(text)) + text + data)
what, path, *rest = sys.argv[1:]
if what == 'far':
    (shape, a), (other, b) = floats(path, rest[0]), floats(rest[1], rest[2])
    far = math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / sum(y * y for y in b))
    sys.exit(f'shapes {shape} and {other}' if shape != other else f'{far:.1e} apart' if not far < float(rest[3]) else 0)
elif what == 'set':
    header, data = load(path)
    at = header[rest[1]]['data_offsets'][0] + 8 * int(rest[2])
    data[at:at + 8] = struct.pack('<q', int(rest[3]))
    save(rest[0], header, data)
elif what == 'drop':
    header, data = load(path)
    del header[rest[1]]
    left = b''
    for entry in sorted(header.values(), key=lambda entry: entry['data_offsets'][0]):
        start, end = entry['data_offsets']
        entry['data_offsets'] = [len(left), len(left) + end - start]
        left += data[start:end]
    save(rest[0], header, left)
elif what == 'wrap':
    header, data = load(path)
    header.pop('__metadata__', None)
    wrapped = {prefix + name: {**entry, 'data_offsets': [k * len(data) + at for at in entry['data_offsets']]}
               for k, prefix in enumerate(rest[1:]) for name, entry in header.items()}
    save(rest[0], wrapped, data * len(rest[1:]))
elif what == 'png':
    data, at, pixels = open(path, 'rb').read(), 8, b''
    while at < len(data):
        length, kind = struct.unpack('>I4s', data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        assert struct.unpack('>I', data[at + 8 + length:at + 12 + length])[0] == zlib.crc32(kind + body)
        if kind == b'IHDR':
            width, height, bits, colours = struct.unpack('>IIBB', body[:10])
        pixels += body if kind == b'IDAT' else b''
        at += 12 + length
    channels, pixels = {0: 1, 2: 3}[colours], zlib.decompress(pixels)
    assert bits == 8 and len(pixels) == height * (1 + width * channels)
    rows = [bytes(width * channels)]
    for y in range(height): # what PNG's five filters took away is added again
        line = bytearray(pixels[y * (1 + width * channels):(y + 1) * (1 + width * channels)])
        row, above = line[1:], rows[-1]
        for x in range(len(row)):
            left, corner = (row[x - channels], above[x - channels]) if x >= channels else (0, 0)
            near = min((left, above[x], corner), key=lambda v: abs(left + above[x] - corner - v))
            row[x] = row[x] + (0, left, above[x], (left + above[x]) // 2, near)[line[0]] & 255
        rows.append(bytes(row))
    if rest: # the first tensor's numbers, -1..1, of one picture
        shape, numbers = floats(rest[0], 'images')
        assert shape == [1, channels, height, width]
        levels = [min(max(math.floor(255 * (v / 2 + 0.5) + 0.5), 0), 255) for v in numbers]
        assert b''.join(rows[1:]) == bytes(levels[c * height * width + i] for i in range(height * width) for c in range(channels))
    print(width, height, channels)
P
numbers() {
    python3 numbers.py "$@"
}

# ---- as the reference has it: what is told of noise, what is drawn, what is expanded ----
while read -r name depth image patch channels labels batch rest; do
    gene=$golden/$name.gene.safetensors in=$golden/$name.in.safetensors
    try 0 run "$gene" --depth "$depth" --input "$in" -o out.st
    says out "out.st: output [$batch,"
    must numbers far out.st output "$golden/$name.out.safetensors" output 1e-4
    try 0 generate "$gene" --depth "$depth" --input "$in" --steps 8 --guidance 1.5 -o drawn.st
    must numbers far drawn.st images "$golden/$name.sample.safetensors" images 1e-3
    try 0 expand "$gene" --depth "$depth" -o "$name.st"
    try 0 run "$name.st" --input "$in" -o model.st
    same model.st out.st
    try 0 generate "$name.st" --input "$in" --steps 8 --guidance 1.5 --batch 1 --threads 2 -o again.st
    same again.st drawn.st
    try 0 info "$gene" --json
    says out '"kind":"dit_learngene"'
    says out "\"channels\":$channels"
    says out "\"null_label\":$labels"
    says out "\"image_size\":$image,\"patch_size\":$patch"
done <"$golden/drawn.txt"
# what a wrapper put before all names is taken off
must numbers wrap draw-colour.st bare.st ""
try 0 run bare.st --heads 2 --input "$golden/draw-colour.in.safetensors" -o bare.out.st
for prefix in module. _orig_mod. model.diffusion_model.; do
    must numbers wrap draw-colour.st wrapped.st "$prefix"
    try 0 run wrapped.st --heads 2 --input "$golden/draw-colour.in.safetensors" -o wrapped.out.st
    says err "names begin with \"$prefix\": read without it"
    same wrapped.out.st bare.out.st
done
must numbers wrap draw-colour.st two.st model. ema.
try 1 run two.st --heads 2 --input "$golden/draw-colour.in.safetensors" -o no.st
says err 'missing tensor "x_embedder.proj.weight"; found "model.x_embedder.proj.weight" and "ema.x_embedder.proj.weight"'
gene=$golden/draw-colour.gene.safetensors in=$golden/draw-colour.in.safetensors
grey=$golden/draw-pixels.gene.safetensors latents=$golden/draw-latents.gene.safetensors
try 0 run "$gene" --depth 4 --dtype bf16 --input "$in" -o half.st --json
says out '"images":3,"channels":3,"depth":4'
must numbers far half.st output "$golden/draw-colour.out.safetensors" output 0.3
must test "$(cmp -s half.st out.st; echo $?)" -eq 1

# ---- pictures ----
try 0 generate "$gene" --depth 3 --steps 3 -o grid.png
says out "grid.png: 16 pictures, depth 3, 3 steps, guidance 2"
must test "$(numbers png grid.png)" = "70 70 3" # 4 x 4 of 16 pixels, and gaps of 2
try 0 generate "$gene" --depth 3 --steps 3 --threads 3 --batch 5 -o threads.png
for out in far.png far.st far/; do # no picture is what is not finite
    try 1 generate "$gene" --depth 3 --steps 3 --guidance 1e38 -o "$out"
    says err "$gene: what is drawn of picture 0 is not finite: lower --guidance, if its weights are finite; nothing is written"
    must test ! -e "$out"
done
must numbers set "$in" nan.st noise 1000 9205357640488583168 # two of f32, nan
for words in "generate $gene --steps 3" "run $gene"; do
    try 1 $words --depth 3 --input nan.st -o no.st
    says err 'nan.st: "noise": image 2 holds nan; expected finite numbers'
    must test ! -e no.st
done
same threads.png grid.png
try 0 generate "$gene" --depth 3 --steps 3 --seed 1 -o seed.png
must test "$(cmp -s seed.png grid.png; echo $?)" -eq 1
try 0 generate "$gene" --depth 3 --steps 2 --label all --count 3 --scale 2 -o all.png
must test "$(numbers png all.png)" = "100 168 3" # a row for each of 5 labels
try 0 generate "$gene" --depth 3 --steps 2 --label 1,any --json -o two.png
says out '"images":16,"labels":[1,1,1,1,1,1,1,1,5,5,5,5,5,5,5,5],"depth":3'
must test "$(numbers png two.png)" = "142 34 3"
try 0 generate "$grey" --depth 2 --steps 2 --count 7 -o grey.png
must test "$(numbers png grey.png)" = "25 25 1" # 3 x 3, of which two places are left
try 0 generate "$gene" --depth 3 --steps 2 --count 10 -o ten.png
must test "$(numbers png ten.png)" = "88 34 3" # 5 x 2
try 0 generate "$gene" --depth 3 --steps 2 --count 3 -o many/
must test "$(find many -type f | LC_ALL=C sort | tr '\n' ' ')" = "many/00000.png many/00001.png many/00002.png "
try 0 generate "$gene" --depth 3 --steps 2 --count 2 -o many/
says err "many/ holds pictures of an earlier call, from many/00002.png on"
try 0 generate "$gene" --depth 3 --steps 2 --count 10 -o ten.PNG
same ten.PNG ten.png
for ending in npy svg JPG; do
    try 2 generate "$gene" --depth 3 --steps 2 -o "no.$ending"
    says err "-o takes a file that ends in .png or .safetensors"
    must test ! -e "no.$ending"
done
must test "$(numbers png many/00002.png)" = "16 16 3"
for one in "$gene 3" "$grey 1"; do
    # shellcheck disable=SC2086 # words
    try 0 generate ${one% *} --depth 3 --steps 40 --count 1 --label 0 -o one.png
    # shellcheck disable=SC2086
    try 0 generate ${one% *} --depth 3 --steps 40 --count 1 --label 0 -o one.st
    must numbers png one.png one.st >size
    must test "$(cut -d' ' -f3 size)" = "${one#* }"
done
# a picture is the same whatever is drawn beside it
try 0 generate "$gene" --depth 3 --steps 2 --count 2 --label 0 -o few/
same few/00000.png many/00000.png
try 0 generate "$latents" --depth 2 --steps 2 --count 3 -o latents.st
must grep -qaF '"shape":[3,4,8,8]' latents.st
must grep -qaF '"labels"' latents.st

# ---- names of labels, and depths that the file knows ----
printf 'cat\nsea,dog\nowl\nbee\nant\n' >names.txt
try 0 convert "$gene" --labels names.txt --depths 2-4 -o named.st --json
says out '"kind":"dit_learngene"'
try 0 generate named.st --steps 2 --label owl --count 4 -o owl.png
says out "owl.png: 4 pictures of owl, depth 4,"
try 0 generate named.st --steps 2 --label sea,dog --count 4 -o dog.png
says out "4 pictures of sea,dog,"
try 0 generate named.st --steps 2 --label cat,2 --count 1 --json -o dog.png
says out '"labels":[0,2]'
try 0 generate named.st --depth 6 --steps 2 -o deep.png
says err "was learned at depths 2-4; at 6 it may do much worse"
printf 'cat\nowl\n' >two.txt
try 1 convert "$gene" --labels two.txt -o no.st
says err "two.txt: 2 lines; expected the names of 5 classes"
try 2 generate named.st --label fox -o fox.png
says err 'expected a label of named.st: 0 to 4, a name (cat; sea,dog; owl; bee; ant), any, or all; found "fox"'
must test ! -e fox.png

# ---- depths that change over steps ----
try 0 generate "$gene" --depths 3x2,7x2 --json -o depths.png
says out '"depth":null,"depths":"3x2,7x2","steps":4'
try 0 generate "$gene" --depths 3x4 -o same.png
try 0 generate "$gene" --depth 3 --steps 4 -o plain.png
same same.png plain.png
must test "$(cmp -s depths.png plain.png; echo $?)" -eq 1
try 2 generate "$gene" --depths 3x4 --steps 5 -o no.png
says err "--depths has 4 steps, --steps 5"
try 2 generate "$gene" --depths 3x4 --depth 5 -o no.png
says err "leave out --depth"
try 2 generate "$gene" --depths 3x4,1025 -o no.png
says err '--depths takes depths and how many steps each lasts'
try 2 generate draw-colour.st --depths 3x4 -o no.png
says err "is a model of depth 4; --depths is for a learngene"

# ---- other verbs ----
try 0 info draw-colour.st
says out "generator (a Diffusion Transformer) of depth 4, in f32"
says out "asked by      5 labels, and the null label"
try 0 info "$grey"
says out "its variance (learned sigma)"
try 0 plan "$gene"
says out "ms: of one step without guidance"
try 0 bench "$gene" --depth 2 --batch 2 --runs 1 --json
says out '"depth":2,"dtype":"f32","elastic":true,"batch":2'
try 0 bench draw-colour.st --runs 1
try 0 store "$gene" --dtype bf16 -o stored.st
try 0 generate stored.st --depth 3 --steps 2 -o stored.png
try 0 convert draw-colour.st --dtype f16 -o f16.st --json
says out '"kind":"dit","dtype":"f16"'
try 0 linearize draw-colour.st -o line.st --plot line.svg
says out "modulation   0.0000  1.0000"
must test "$(grep -c '^norm1' out)" -eq 0
try 0 run line.st --depth 4 --input "$in" -o line.out.st
must numbers far line.out.st output "$golden/draw-colour.out.safetensors" output 1e-4

# ---- a fresh one ----
try 0 new --kind dit --dim 24 --heads 2 --image 8 --patch 2 --channels 1 --classes 5 --labels names.txt --curve cosine --count 3 -o new.st
says out "new.st: a learngene of a generator, dim 24"
try 0 info new.st
says out "draws         grey pictures"
says out '"modulation":[[12,"cosine",3]]'
try 0 generate new.st --depth 2 --steps 2 --label owl -o new.png
try 0 new --kind dit --dim 24 --heads 2 --image 8 --patch 2 --channels 4 --classes 5 --sigma --no-null-label -o none.st
try 0 generate none.st --depth 2 --steps 2 -o none.out.st
says out "guidance 1,"
try 1 generate none.st --depth 2 --guidance 2 -o none.out.st
says err "expected 1, found 2: none.st has no null label"
try 2 generate none.st --depth 2 --label any -o none.out.st
says err '0 to 4, or all; found "any"'
try 2 new --dim 24 --heads 2 --image 8 --patch 2 --classes 5 --sigma -o no.st
says err "--sigma and --no-null-label are for --kind dit"
try 1 new --kind dit --dim 24 --heads 2 --image 8 --patch 2 --classes 5 --cls -o no.st
says err "class_token"
must test ! -e no.st

# ---- input that does not fit ----
must numbers set "$in" bad.st times 1 1000
try 1 run "$gene" --depth 2 --input bad.st -o no.st
says err "bad.st: time 1000 of image 1: expected 0 to 999"
must numbers set "$in" bad.st labels 2 6
try 1 run "$gene" --depth 2 --input bad.st -o no.st
says err "label 6 of image 2: expected 0 to 5, the null label"
try 1 generate "$gene" --depth 2 --input bad.st -o no.st
says err "label 6 of image 2: expected 0 to 5, the null label"
must numbers drop "$in" bad.st times
try 1 run "$gene" --depth 2 --input bad.st -o no.st
says err "no tensor 'times'"
try 0 generate "$gene" --depth 2 --steps 1 --input bad.st -o times.st # which drawing does not read
try 1 run "$gene" --depth 2 --input "$golden/draw-latents.in.safetensors" -o no.st
says err '"noise": expected f32 [B,3,16,16] with B at least 1, found f32 [2,4,8,8]'
try 1 generate "$gene" --depth 2 --input "$golden/draw-patch.in.safetensors" -o no.png
says err '"noise": expected f32 [B,3,16,16] with B at least 1, found f32 [5,1,6,6]'
must test ! -e no.st
try 2 generate "$gene" --depth 2 --input "$in" --label 1 -o no.st
says err "--input gives noise and labels"
try 2 generate "$gene" -o no.png
says err "is a learngene: it needs --depth"
try 2 generate "$gene" --depth 2 -o no.jpg
says err "-o takes a file that ends in .png or .safetensors, or a folder"
try 2 generate "$gene" --depth 2 --scale 2 -o no.st
says err "--scale is for pictures"
try 2 generate "$gene" --depth 2 --steps 1001 -o no.png
try 2 generate "$gene" --depth 2 --guidance 0 -o no.png
try 2 generate "$gene" --depth 2 --count 1000000 --scale 64 -o no.png
says err "the picture would be too large"
try 1 generate "$latents" --depth 2 -o no.png
says err "draws latents of 4 channels"
try 1 generate "$latents" --depth 2 -o no/
must test ! -e no -a ! -e no.png
try 1 expand "$gene" --depth 2 --classes 7 -o no.st
says err "a generator has 5 labels of its own"

# ---- what is read is not overwritten ----
cp "$gene" own.st
cp "$in" own.in.st
for call in "generate own.st --depth 2 -o ./own.st" "run own.st --depth 2 --input own.in.st -o own.st" \
    "grad own.st --depth 2 --input own.in.st -o own.st" "generate own.st --depth 2 --input own.in.st -o own.in.st" \
    "run own.st --depth 2 --input own.in.st -o ./own.in.st" "grad own.st --depth 2 --input own.in.st -o own.in.st"; do
    # shellcheck disable=SC2086 # words
    try 2 $call
    says err "which is read: give another name"
done
must cmp own.st "$gene"
must cmp own.in.st "$in"

# ---- a loss of classes ----
for words in "--alpha 0.5" "--tau 2" "--smoothing 0.1"; do
    # shellcheck disable=SC2086 # words
    try 2 grad own.st --depth 2 --input own.in.st $words -o no.st
    says err "own.st is a generator, whose loss is of the noise alone: leave out --alpha, --tau and --smoothing"
done

# ---- a signal among the pictures of a folder ----
now="tleg generate -o halted/, SIGINT"
env --default-signal=INT "$tleg" generate own.st --depth 2 --count 400 --steps 1 --guidance 1 --scale 64 -o halted/ >out 2>err &
pid=$!
until_so test -e halted/00002.png
kill -INT $pid
wait $pid
must test $? -eq 130
written=$(find halted -name '*.png' | wc -l)
says err "stopped by SIGINT: $written of 400 pictures are written to halted/"

# ---- pictures of another mean and std are numbers from -1 to 1 all the same ----
try 0 convert "$gene" --mean 0.3,0.4,0.5 --std 0.2,0.3,0.4 -o retold.st
for ending in png st; do
    try 0 generate retold.st --depth 2 --count 1 --label 1 --steps 2 -o "told.$ending"
done
must numbers png told.png told.st >size

# ---- like another generator ----
try 0 new --like "$gene" -o like.st
try 0 info like.st --json
says out '"kind":"dit_learngene"'
try 2 new --kind vit --like "$gene" -o no.st
says err "is a generator (dit): leave out --kind"
try 2 new --kind dit --dim 16 --heads 2 --image 8 --patch 4 --classes 2 --positions normal -o no.st
says err "--positions is for --kind vit"
mkdir -p data/a
cp many/00000.png data/a
try 2 record --data data --teacher "$gene" --teacher-depth 2 --from "$gene" --epochs 1 -o no.rec
says err "is a generator, which learns from noise"

# ---- a classifier's file where a generator's is wanted, and the reverse ----
mean=$golden/mean.gene.safetensors
try 1 generate "$mean" --depth 2 -o no.png
says err "$mean: expected a generator (a Diffusion Transformer), found a Vision Transformer that tells classes apart"
for call in "classify $gene --depth 2 grid.png" "eval $gene --depth 2 --data data" "features $gene --depth 2 -o no.st data" \
    "plan $gene --data data" "export $gene --depth 2 -o no.onnx" "distance many few --features $gene --depth 2"; do
    # shellcheck disable=SC2086 # words
    try 1 $call
    says err "expected a Vision Transformer that tells classes apart, found a generator (a Diffusion Transformer)"
    must test "$(grep -c ImageNet err)" -eq 0
done

# ---- stopped ----
now="tleg generate, stopped"
"$tleg" generate "$gene" --depth 1000 --steps 1000 --count 500 -o stopped.png >out 2>err &
drawing=$!
until_so sh -c 'ls .tleg-*.lock'
sleep 0.3
kill -TERM $drawing
wait $drawing
must test $? -eq 143
must test ! -e stopped.png

if [ $failures -eq 0 ]; then
    echo "all $checks checks of drawing hold"
else
    echo "$failures of $checks checks of drawing failed"
    exit 1
fi
