"""For model_teachers.sh, with Python alone.

    model_teachers.py data                     the folder cifar of 36 pictures, and images.st, the same as a model's input
    model_teachers.py resized SIDE             big.st: images.st at SIDE pixels, by the antialiased bicubic filter of PIL
    model_teachers.py divergence ANSWER OUT    the teacher's loss of a student that says OUT where a teacher says ANSWER
    model_teachers.py told FEATURES OUT EVERY  the share of whitened features that OUT tells, of every EVERY-th picture
"""
import array
import json
import math
import os
import struct
import sys

MEAN, STD = [0.25, 0.5, 0.75], [0.5, 0.25, 0.125]
SIDE, PICTURES, CLASSES = 32, 36, 3


def save(path, name, shape, numbers):
    header = json.dumps({name: {'dtype': 'F32', 'shape': shape, 'data_offsets': [0, 4 * len(numbers)]}}).encode()
    header += b' ' * (-len(header) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(header)) + header + array.array('f', numbers).tobytes())


def load(path, name):
    """(rows, columns) of a matrix of f32."""
    with open(path, 'rb') as file:
        data = file.read()
    length, = struct.unpack('<Q', data[:8])
    entry = json.loads(data[8:8 + length])[name]
    begin, end = (8 + length + offset for offset in entry['data_offsets'])
    numbers, width = array.array('f', data[begin:end]), math.prod(entry['shape'][1:])
    return [numbers[i:i + width] for i in range(0, len(numbers), width)]


def write_data():
    os.mkdir('cifar')
    prepared, x, plane = array.array('f'), 17, SIDE * SIDE
    with open('cifar/data_batch_1.bin', 'wb') as file:
        for i in range(PICTURES):
            pixels = bytearray()
            for k in range(3 * plane):
                x = (x * 75 + 74) % 65537
                pixels.append(min(255, 60 + i % CLASSES * 70 * (k // plane == i % CLASSES) + x % 60))
            file.write(bytes([i % CLASSES]) + pixels)
            prepared.extend((p / 255 - MEAN[k // plane]) / STD[k // plane] for k, p in enumerate(pixels))
    with open('cifar/batches.meta.txt', 'w') as file:
        file.write('red\ngreen\nblue\n')
    save('images.st', 'images', [PICTURES, 3, SIDE, SIDE], prepared)


def cubic(x):
    x = abs(x)
    return (1.5 * x - 2.5) * x * x + 1 if x < 1 else ((-0.5 * x + 2.5) * x - 4) * x + 2 if x < 2 else 0


def weights(out):
    """Of each output, {input: weight}; enlarged, so that the filter is not stretched."""
    rows = []
    for i in range(out):
        centre = (i + 0.5) * SIDE / out
        row = {k: cubic(k + 0.5 - centre) for k in range(max(0, int(centre - 1.5)), min(SIDE, int(centre + 2.5)))}
        rows.append({k: w / sum(row.values()) for k, w in row.items()})
    return rows


def resize(side):
    rows, out = weights(side), array.array('f')
    for image in load('images.st', 'images'):
        for at in range(0, len(image), SIDE * SIDE):
            plane = [image[at + y * SIDE:at + (y + 1) * SIDE] for y in range(SIDE)]
            across = [[sum(w * line[k] for k, w in row.items()) for row in rows] for line in plane]
            out.extend(sum(w * across[k][x] for k, w in row.items()) for row in rows for x in range(side))
    save('big.st', 'images', [PICTURES, 3, side, side], out)


def chances(logits):
    total = sum(math.exp(x) for x in logits)
    return [math.exp(x) / total for x in logits]


def divergence(answer, out):
    """sum KL(teacher || student) / (B * C)"""
    rows = [(chances(t), chances(s)) for t, s in zip(load(answer, 'logits'), load(out, 'logits'))]
    return sum(t * math.log(t / s) for ts, ss in rows for t, s in zip(ts, ss)) / (len(rows) * len(rows[0][0]))


def whiten(row):
    mean = sum(row) / len(row)
    spread = math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + 1e-6)
    return [(x - mean) / spread for x in row]


def told(features, out, every):
    rows = list(zip(load(features, 'features'), load(out, 'logits')))[::every]
    off = [sum((w - s) ** 2 for w, s in zip(whiten(f), o)) / len(o) for f, o in rows]
    return 1 - sum(off) / len(off)


if sys.argv[1] == 'data':
    write_data()
elif sys.argv[1] == 'resized':
    resize(int(sys.argv[2]))
elif sys.argv[1] == 'divergence':
    print(divergence(*sys.argv[2:4]))
else:
    print(told(sys.argv[2], sys.argv[3], int(sys.argv[4])))
