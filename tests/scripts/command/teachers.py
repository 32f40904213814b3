"""A teacher for teachers.sh that behaves well, or misbehaves in one way, from its AT-th answer on.

    teachers.py data            writes the folder cifar and stored.st, the logits of `teach` for its pictures
    teachers.py MODE [AT]       a teacher; it leaves its first line in setup.json and its process id in pid
"""
import array
import json
import os
import signal
import struct
import sys
import time

MEAN, STD = [0.25, 0.5, 0.75], [0.5, 0.25, 0.125]
CLASSES, SIDE, PICTURES = 3, 32, 36
NUMBERS = 3 * SIDE * SIDE


def teach(pixels):
    """Logits of 3 * side * side whole numbers 0 to 255: exact in f32, the same for a mirrored picture."""
    plane = len(pixels) // CLASSES
    return [sum(pixels[c * plane:(c + 1) * plane]) % 61 / 16 for c in range(CLASSES)]


# ---- the data ----

def save(path, tensors, metadata=None):
    """A safetensors file of {name: (dtype, shape, bytes)}."""
    header, at = {}, 0
    if metadata:
        header['__metadata__'] = metadata
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {'dtype': dtype, 'shape': shape, 'data_offsets': [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(data for _, _, data in tensors.values()))


def write_data():
    os.mkdir('cifar')
    names, logits, x = [], array.array('f'), 17
    with open('cifar/data_batch_1.bin', 'wb') as file:
        for i in range(PICTURES):
            pixels = bytearray()
            for k in range(NUMBERS):
                x = (x * 75 + 74) % 65537
                pixels.append(min(255, 60 + i % CLASSES * 70 * (k // (SIDE * SIDE) == i % CLASSES) + x % 60))
            file.write(bytes([i % CLASSES]) + pixels)
            logits.extend(teach(pixels))
            names.append(f'data_batch_1.bin:{i}')
    with open('cifar/batches.meta.txt', 'w') as file:
        file.write('red\ngreen\nblue\n')
    save('stored.st', {'logits': ('F32', [PICTURES, CLASSES], logits.tobytes())}, {'names': json.dumps(names)})


# ---- the teacher ----

def bytes_of(image, setup):
    """The pixels that a prepared picture was made from, where it is not changed: x = (p / 255 - mean) / std."""
    plane = len(image) // 3
    return [round((x * setup['std'][k // plane] + setup['mean'][k // plane]) * 255) for k, x in enumerate(image)]


def start(mode, setup):
    """What it says when it is ready, or in place of that."""
    ready = {'classes': setup['classes'], 'name': 'test', 'labels': setup.get('labels')}
    if mode == 'exit':
        sys.exit(3)
    if mode == 'silent':
        time.sleep(60)
    if mode == 'closed':
        os.close(1)
        time.sleep(60)
    if mode == 'text':
        print('Loading the "weights"\tnow ...\n' + 'x' * 100, flush=True)
        time.sleep(60)
    if mode == 'classes':
        ready['classes'] = 1000
    if mode == 'labels':
        ready['labels'] = ['green', 'red', 'blue']
    if mode == 'error':
        ready = {'error': 'no such weights: "a.pt"'}
    if mode == 'version':
        ready['version'] = 2
    if mode == 'null':
        ready = {}
    print(json.dumps(ready), flush=True)


def answer(mode, header, logits):
    """The bytes of an answer, or of what it gives in place of one."""
    if mode == 'die':
        sys.exit(7)
    if mode == 'killed':
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == 'hang':
        time.sleep(60)
    if mode == 'half':
        os.write(1, header + logits.tobytes()[:20])
        os.close(1)
        time.sleep(60)
    if mode in ('nan', 'stubborn'):
        logits[4] = float('nan')
    if mode == 'inf':
        logits[-1] = float('-inf')
    if mode == 'short':
        logits = logits[:-2]
    if mode == 'long':
        logits.append(0)
    if mode == 'count':
        header = header[:4] + struct.pack('<I', 3)
    if mode == 'print':
        return b'step done\n' + header + logits.tobytes()
    return header + logits.tobytes()


def serve(mode, at):
    if mode == 'stubborn':
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open('pid', 'w') as file:
        file.write(str(os.getpid()))
    questions = sys.stdin.buffer
    setup = json.loads(questions.readline())
    with open('setup.json', 'w') as file:
        json.dump(setup, file)
    start(mode, setup)
    numbers, asked = 3 * setup['image_size'] ** 2, 0
    while header := questions.read(8):
        asked += 1
        count = struct.unpack('<4xI', header)[0]
        now = mode if asked >= at else 'good'
        if now == 'deaf':
            os.close(0)
            time.sleep(60)
        if now == 'early':  # it answers before it has read
            os.write(1, header)
            for i in range(count):
                os.write(1, struct.pack('<3f', 1, 0, -1)[:4 * setup['classes']])
                questions.read(4 * numbers)
            continue
        images = array.array('f', questions.read(4 * numbers * count))
        logits = array.array('f')
        for i in range(count):
            logits.extend(teach(bytes_of(images[i * numbers:(i + 1) * numbers], setup)))
        if mode == 'dump':
            save('asked.st', {'images': ('F32', [count, 3, setup['image_size'], setup['image_size']], images.tobytes()),
                              'teacher_logits': ('F32', [count, setup['classes']], logits.tobytes())})
        if mode == 'slow':
            time.sleep(0.3)
        sys.stdout.buffer.write(answer(now, header, logits))
        sys.stdout.buffer.flush()
        if now == 'after':
            print('bye', flush=True)
        if now == 'gone':
            sys.exit(5)
    if mode == 'stubborn':
        time.sleep(60)
    if mode == 'badly':
        sys.exit(9)


if sys.argv[1] == 'data':
    write_data()
else:
    serve(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1)
