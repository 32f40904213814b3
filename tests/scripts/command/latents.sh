#!/bin/sh
# Learning generators of latents with the command tleg: element types, parts, scales and labels; what is written, drawn and refused.
#    latents.sh TLEG        prints what fails; exit 1 if anything did
tleg=$1
[ -x "$tleg" ] || { echo "usage: latents.sh TLEG" >&2; exit 2; }
. "$(dirname "$0")/checks.sh"
has_python latents || exit 77

# make FILE KEY=VALUE...: 24 latents of four channels and 8 x 8 numbers whose sign tells the label, as safetensors. type, labels (I64, I32,
# none, or one number for the last), names, scale (the file's), times (what numbers are multiplied by), side, channels, name, bad, count.
cat >make.py <<'P'
import json, random, struct, sys
out, given = sys.argv[1], dict(word.split('=', 1) for word in sys.argv[2:])
kind, side, channels = given.get('type', 'F32'), int(given.get('side', 8)), int(given.get('channels', 4))
count, first = int(given.get('count', 24)), int(given.get('first', 0))
def encode(value):
    if kind == 'F16':
        return struct.pack('<e', value)
    return struct.pack('<f', value)[2 if kind == 'BF16' else 0:] if kind != 'I32' else struct.pack('<i', int(value))
tensors, labels = [], [(first + i) % 2 for i in range(count)]
data = b''
for i in range(count):
    draw = random.Random(first + i)
    row = [draw.choice((0.5, 1.0, 1.5)) * (1 if labels[i] else -1) * draw.choice((1, 1, 1, -1)) * float(given.get('times', 1))
           for _ in range(channels * side * side)]
    if given.get('bad') == str(i):
        row[5] = float('nan')
    data += b''.join(map(encode, row))
tensors.append((given.get('name', 'latents'), kind, [count, channels, side, side], data))
form = given.get('labels', 'I64')
if form.lstrip('-').isdigit():
    labels[-1], form = int(form), 'I64'
if form in ('I64', 'I32'):
    tensors.append(('labels', form, [count], struct.pack(f'<{count}{"q" if form == "I64" else "i"}', *labels)))
elif form == 'F32':
    tensors.append(('labels', form, [count], struct.pack(f'<{count}f', *labels)))
said = {key: given[word] for key, word in (('tleg.labels', 'names'), ('latent_scale', 'scale')) if word in given}
header, body = {'__metadata__': said}, b''
for name, dtype, shape, bytes_ in tensors:
    header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [len(body), len(body) + len(bytes_)]}
    body += bytes_
text = json.dumps(header).encode()
text += b' ' * (-len(text) % 8)
open(out, 'wb').write(struct.pack('<Q', len(text)) + text + body)
P
# twice FILE OTHER: the images of OTHER are the double of FILE's. scale FILE: what its metadata say.
cat >compare.py <<'P'
import json, struct, sys
def load(path):
    data = open(path, 'rb').read()
    size = struct.unpack('<Q', data[:8])[0]
    header = json.loads(data[8:8 + size])
    start, end = header.get('images', {'data_offsets': (0, 0)})['data_offsets']
    return header, struct.unpack(f'<{(end - start) // 4}f', data[8 + size + start:8 + size + end])
what, path, *rest = sys.argv[1:]
header, images = load(path)
if what == 'scale':
    print(header.get('__metadata__', {}).get('latent_scale'))
elif what == 'twice':
    other = load(rest[0])[1]
    sys.exit(0 if images and any(images) and [2 * x for x in images] == list(other) else 'not the double')
P
make() { python3 make.py "$@" || exit 1; }
scale() { # FILE WHAT
    must test "$(python3 compare.py scale "$1")" = "$2"
}
refuse() { # EXIT TEXT VERB...
    code=$1 text=$2
    shift 2
    try "$code" "$@"
    says err "$text"
    must test ! -e no.st
}

try 0 new --kind dit --dim 16 --heads 2 --image 8 --patch 4 --channels 4 --classes 2 -o fresh.st
names='["dark","light"]'
learn="--depths 2-3 --batch 8 --epochs 3 --val-every 6 --checkpoint-every 1"

# ---- three element types that hold the same numbers give the same bits, and so do two kinds of labels ----
make f32.st names="$names"
try 0 distill --from fresh.st --data f32.st $learn --log log.json -o a.st
says out "f32.st: 20 images of 2 classes to learn from, 4 to validate with; latents of 4 x 8 x 8 numbers, times 1"
says out "validation noise told"
must sh -c '! grep -q note err'
must grep -q '"latent_scale":1' log.json
for type in F16 BF16; do
    make half.st names="$names" type=$type labels=I32
    try 0 distill --from fresh.st --data half.st $learn --loaders 3 --threads 2 -o half.gene.st
    same a.st half.gene.st
done
try 0 info a.st
says out "latents of 4 channels"
says out "latent scale  learned and drawn at 1 times"
says out "dark"

# ---- a run that ended early goes on to the same bits; with other latents, or another scale, it does not ----
try 0 distill --from fresh.st --data f32.st $learn --limit-steps 4 --checkpoint part.ck -o part.st
make other.st names="$names" times=1.5
for change in "--data other.st" "--data f32.st --latent-scale 0.9"; do
    try 1 distill --from fresh.st $change $learn --resume --checkpoint part.ck -o part.st
    says err "a checkpoint of another run"
done
says err "--latent-scale is"
try 0 distill --from fresh.st --data f32.st $learn --resume --checkpoint part.ck -o part.st
same a.st part.st

# ---- the scale: of the call, the file, or the gene; and back again when it draws ----
make double.st names="$names" times=2
make told.st names="$names" times=2 scale=0.5
try 0 distill --from fresh.st --data double.st --latent-scale 0.5 $learn -o call.st
try 0 distill --from fresh.st --data told.st $learn -o file.st
same call.st file.st
scale a.st 1
scale call.st 0.5
try 0 tune call.st --depth 2 --data double.st --batch 8 --epochs 1 -o tuned.st
scale tuned.st 0.5
try 0 expand call.st --depth 3 -o model.st
scale model.st 0.5
try 0 store call.st --dtype bf16 -o stored.st
scale stored.st 0.5
for from in call.st model.st; do
    at=$([ $from = model.st ] || echo --depth 3)
    try 0 generate $from $at --label light --count 3 --steps 4 --seed 7 -o drawn-$from
done
same drawn-call.st drawn-model.st
try 0 generate a.st --depth 3 --label light --count 3 --steps 4 --seed 7 -o drawn-one.st
now="the scale is undone"
must python3 compare.py twice drawn-one.st drawn-call.st
scale drawn-call.st 0.5
try 0 generate a.st --depth 3 --label light --count 3 --steps 4 --seed 7 --latent-scale 0.5 -o drawn-said.st
same drawn-said.st drawn-call.st
make twins.st names='["dark","dark"]'
try 1 distill --from fresh.st --data twins.st $learn -o x.st
says err 'twins.st: "dark" is the name of class 0 and of class 1: expected a name of its own for each'
make third.st names="$names" scale=0.3
refuse 1 "has learned at 0.5: expected the same; --latent-scale chooses" distill --from call.st --data third.st $learn -o no.st
try 0 distill --from call.st --data third.st --latent-scale 0.3 $learn -o moved.st
scale moved.st 0.3
make wide.st names="$names" times=8
try 0 distill --from fresh.st --data wide.st $learn -o wide.gene.st
says err "the standard deviation of latents is 8.6"
says err "--latent-scale 0.11"

# ---- other latents to validate with; labels by their names; none ----
make val.st names='["light","dark"]' first=25 count=9
make plain.st
make unlabelled.st labels=none
validate="--depths 2-3 --batch 8 --epochs 1"
try 0 distill --from fresh.st --data f32.st --val val.st $validate -o valued.st
says out "9 to validate with"
refuse 1 "expected labels with names" distill --from fresh.st --data f32.st --val plain.st $validate -o no.st
make other-names.st names='["dark","dim"]'
refuse 1 "its 2 labels have other names than the 2 that are learned" distill --from a.st --data f32.st --val other-names.st $validate -o no.st
make small.st names="$names" side=4
refuse 1 "expected [N,4,8,8]" distill --from fresh.st --data f32.st --val small.st $validate -o no.st
make scaled.st names="$names" scale=0.7
refuse 1 "expected a scale of 1, as --data has, found 0.7" distill --from fresh.st --data f32.st --val scaled.st $validate -o no.st
try 0 distill --from fresh.st --data plain.st $validate -o plain.gene.st
try 0 new --kind dit --dim 16 --heads 2 --image 8 --patch 4 --channels 4 --classes 1 -o one.st
try 0 distill --from one.st --data unlabelled.st $validate -o unlabelled.gene.st

# ---- a file that is larger than what is held of it ----
now="memory"
must python3 - "$tleg" <<'P'
import json, resource, struct, subprocess, sys
tleg, count = sys.argv[1], 400000
header = json.dumps({'latents': {'dtype': 'F32', 'shape': [count, 4, 16, 16], 'data_offsets': [0, count * 4096]}}).encode()
with open('large.st', 'wb') as file:
    file.write(struct.pack('<Q', len(header)) + header)
    file.truncate(8 + len(header) + count * 4096)
shape = ['--dim', '16', '--heads', '2', '--image', '16', '--patch', '8', '--channels', '4', '--classes', '1']
subprocess.run([tleg, 'new', '--kind', 'dit', *shape, '-o', 'sixteen.st'], check=True, stdout=subprocess.DEVNULL)
subprocess.run([tleg, 'distill', '--from', 'sixteen.st', '--data', 'large.st', '--depth', '2', '--batch', '8', '--epochs', '1',
                '--limit-steps', '2', '-o', 'large.gene.st'], check=True, stdout=subprocess.DEVNULL)
most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
sys.exit(f'{most} MiB for a file of {count * 4096 >> 20}' if most > 600 else 0)
P
rm -f large.st

# ---- bad latents ----
make nan.st names="$names" bad=3
refuse 1 "a number of latent 3 is not finite" distill --from fresh.st --data nan.st $validate -o no.st
try 0 distill --from fresh.st --data nan.st --skip-bad $validate -o skipped.st
says err "skipped nan.st"
says out "23 images of 2 classes"
make misnamed.st name=latent
refuse 1 "no tensor 'latents'; did you mean 'latent'?" distill --from fresh.st --data misnamed.st $validate -o no.st
make integers.st type=I32
refuse 1 "expected f32, f16 or bf16 [N,C,H,W] of 1 to 64 channels, found i32 [24,4,8,8]" distill --from fresh.st --data integers.st \
    $validate -o no.st
refuse 1 '"latents": expected [N,4,8,8] for fresh.st, found [N,4,4,4]' distill --from fresh.st --data small.st $validate -o no.st
make three.st channels=3
refuse 1 '"latents": expected [N,4,8,8] for fresh.st, found [N,3,8,8]' distill --from fresh.st --data three.st $validate -o no.st
make seventh.st names="$names" labels=7
refuse 1 "expected 0 to 1, as there are names, found 7 of latent 23" distill --from fresh.st --data seventh.st $validate -o no.st
make below.st labels=-1
refuse 1 "found -1 of latent 23" distill --from fresh.st --data below.st $validate -o no.st
make third-label.st labels=2
refuse 1 "a generator of 2 labels; the data have 3 classes" distill --from fresh.st --data third-label.st $validate -o no.st
make real.st labels=F32
refuse 1 "expected i64 or i32 [24], one for each latent, found f32 [24]" distill --from fresh.st --data real.st $validate -o no.st
for bad in '{"a":1}' '[]' '["dark",""]' dark; do
    make bad-names.st names="$bad"
    refuse 1 "expected a JSON array of names" distill --from fresh.st --data bad-names.st $validate -o no.st
done
for bad in 0 -1 nan "0.5 " x; do
    make bad-scale.st scale="$bad"
    refuse 1 "expected a number above 0, such as 0.18215" distill --from fresh.st --data bad-scale.st $validate -o no.st
done

# ---- what does not go with latents ----
for option in "--flip 0.5" "--augment light" "--crop-scale 0.5"; do
    refuse 2 "latents are not augmented" distill --from fresh.st --data f32.st $validate $option -o no.st
done
refuse 2 "are for pictures, not latents" distill --from fresh.st --data f32.st $validate --crop 0.9 -o no.st
mkdir pictures
for i in $(seq 0 15); do cifar $((i % 2)) "$i"; done >pictures/data_batch_1.bin
cp pictures/data_batch_1.bin pictures/test_batch.bin
try 0 new --arch tiny --image 8 --patch 4 --classes 2 -o classifier.st
refuse 1 "which is a classifier, found latents" distill --from classifier.st --data f32.st $validate -o no.st
refuse 1 "draws latents of 4 channels: expected --data FILE" distill --from fresh.st --data pictures $validate -o no.st
refuse 1 "expected latents, as --data is, found pictures" distill --from fresh.st --data f32.st --val pictures $validate -o no.st
try 0 new --kind dit --dim 16 --heads 2 --image 8 --patch 4 --channels 3 --classes 2 -o colours.st
refuse 1 "expected pictures, as --data is, found latents" distill --from colours.st --data pictures --val three.st $validate -o no.st
try 0 new --kind dit --dim 16 --heads 2 --image 8 --patch 4 --channels 1 --classes 2 -o one.st
refuse 2 "--latent-scale is for latents" generate one.st --depth 2 --latent-scale 0.5 -o no.st
refuse 2 "--latent-scale is for latents" distill --from colours.st --data pictures --latent-scale 0.5 $validate -o no.st

# ---- latents are no pictures: also where they have three channels ----
try 0 distill --from colours.st --data three.st $validate -o three.gene.st
for gene in a.st three.gene.st; do
    refuse 1 "which their autoencoder's decoder makes pictures of: expected -o to end in .safetensors" generate $gene --depth 2 --count 1 \
        --steps 2 -o no.png
    must test ! -e no.png
done
refuse 1 "draws latents of 3 channels: expected --data FILE" tune three.gene.st --depth 2 --data pictures --batch 4 --epochs 1 -o no.st

if [ $failures -gt 0 ]; then
    echo "$failures of $checks checks of latents failed"
    exit 1
fi
echo "latents: $checks checks"
