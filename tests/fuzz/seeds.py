"""Writes the inputs to begin with, one file each, into DIRECTORY/TARGET/.   python3 tests/fuzz/seeds.py tests/fuzz/corpus

Learngenes and models are as small as they get: what matters is which tensors there are, and of which shapes."""
import io
import json
import os
import re
import struct
import sys
import zipfile
import zlib

out = sys.argv[1]


def write(target, name, data):
    os.makedirs(f'{out}/{target}', exist_ok=True)
    with open(f'{out}/{target}/{name}', 'wb') as file:
        file.write(data if isinstance(data, bytes) else data.encode())


CAFE = 'caf\u00e9', 'cafe\u0301'  # one character, or two
write('fuzz_folder', 'plain', 'bee/a.jpg\nbee/deeper/b.PNG\nowl/c.jpeg\nowl/notes.txt\nempty/\n.hidden/d.jpg\n%owl\nempty\nbee\n')
write('fuzz_folder', 'forms', f'{CAFE[0]}/a.jpg\nbee/b.jpg\n%bee\n{CAFE[1]}\n')
write('fuzz_folder', 'twins', f'{CAFE[0]}/a.jpg\n{CAFE[1]}/b.jpg\n%bee\n{CAFE[1]}\n')
write('fuzz_folder', 'latin', b'caf\xe9/a.jpg\nbee/\xff.jpg\n%bee\n')
write('fuzz_folder', 'links', 'bee/a.jpg\n' + ''.join(f'.p/{i}/x>.p/{i + 1}\n.p/{i}/y>.p/{i + 1}\n' for i in range(12)) +
      '.p/12/z.jpg\nbee/pool>.p/0\nowl>bee\nbee/up>\nbee/self>bee\nbee/lost.jpg>nowhere\n')
write('fuzz_folder', 'alike', 'Night_Snake/a.jpg\n%night snake\nbee\nbee\n')
write('fuzz_folder', 'stray', 'stray.jpg\nbee/a.jpg\n')

SITES = {'norm1': ('norm1', 1), 'norm2': ('norm2', 1), 'attn.qkv': ('qkv', 3), 'attn.proj': ('proj', 1),
         'mlp.fc1': ('fc1', 0), 'mlp.fc2': ('fc2', 0)}


def site_shapes(site, dim, hidden):
    rows = {'norm1': None, 'norm2': None, 'attn.qkv': 3 * dim, 'attn.proj': dim, 'mlp.fc1': hidden, 'mlp.fc2': dim}[site]
    columns = hidden if site == 'mlp.fc2' else dim
    return (str(dim) if rows is None else f'{rows},{columns}', str(rows or dim))


def outer(dim, patch, side, prefix, classes, norm='norm'):
    lines = [f'pos_embed 1,{side * side + prefix},{dim}', f'patch_embed.proj.weight {dim},3,{patch},{patch}',
             f'patch_embed.proj.bias {dim}', f'{norm}.weight {dim}', f'{norm}.bias {dim}', f'head.weight {classes},{dim}',
             f'head.bias {classes}']
    if prefix > 0:
        lines.append(f'cls_token 1,1,{dim}')
    if prefix > 1:
        lines += [f'dist_token 1,1,{dim}', f'head_dist.weight {classes},{dim}', f'head_dist.bias {classes}']
    return lines


def without(name, text):
    return ''.join(line for line in text.splitlines(True) if not line.startswith(name))


def gene(dim=2, patch=1, side=1, prefix=0, classes=2, hidden=4, bias=True, schedule=None, norm='norm', front='', type='F32',
         keys=()):
    lines = outer(dim, patch, side, prefix, classes, norm)
    for site, (key, _) in SITES.items():
        weight, vector = site_shapes(site, dim, hidden)
        segments = (schedule or {}).get(key, [[1, True]])
        named = schedule and key in schedule
        for k, (layers, *kind) in enumerate(segments):
            parts = [f'_basis{i}' for i in range(kind[1])] if len(kind) == 2 else ['_base', '_ilayer'] if kind[0] else ['']
            for part in [''] if named and layers == 1 else parts:
                lines.append(f'blocks.block.{site}.instances.{k}.weight{part} {weight}')
                if bias or site != 'attn.qkv':
                    lines.append(f'blocks.block.{site}.instances.{k}.bias{part} {vector}')
    pairs = [f'tleg.kind=learngene', 'tleg.heads=1', *keys]
    if schedule:
        pairs.append('tleg.schedule=' + json.dumps(schedule, separators=(',', ':')))
    return '\n'.join([*pairs, *(front + line.replace(' ', f' {type} ') for line in lines)]) + '\n'


def model(dim=2, patch=1, side=1, prefix=0, classes=2, hidden=4, bias=True, depth=1, norm='fc_norm', front='', type='F32',
          keys=('tleg.heads=1',)):
    lines = outer(dim, patch, side, prefix, classes, norm)
    for layer in range(depth):
        for site in SITES:
            weight, vector = site_shapes(site, dim, hidden)
            lines.append(f'blocks.{layer}.{site}.weight {weight}')
            if bias or site != 'attn.qkv':
                lines.append(f'blocks.{layer}.{site}.bias {vector}')
    return '\n'.join([*keys, *(front + line.replace(' ', f' {type} ') for line in lines)]) + '\n'


def lucid(simple, dim=8):
    """A ViT or SimpleViT of vit-pytorch, patches of one pixel."""
    block = [('0.norm.weight', dim), ('0.norm.bias', dim), ('0.to_qkv.weight', f'{3 * dim},{dim}'), ('1.net.0.weight', dim),
             ('1.net.0.bias', dim), ('1.net.1.weight', f'4,{dim}'), ('1.net.1.bias', 4)]
    out, end, head = ('0.to_out.weight', '1.net.3', 'linear_head') if simple else ('0.to_out.0.weight', '1.net.4', 'mlp_head')
    block += [(out, f'{dim},{dim}'), (end + '.weight', f'{dim},4'), (end + '.bias', dim)] + ([] if simple else [('0.to_out.0.bias', dim)])
    outside = [(f'to_patch_embedding.{k}.{part}', shape) for k, shapes in ((1, (3, 3)), (2, (f'{dim},3', dim)), (3, (dim, dim)))
               for part, shape in zip(('weight', 'bias'), shapes)]
    outside += [('transformer.norm.weight', dim), ('transformer.norm.bias', dim), (head + '.weight', f'2,{dim}'), (head + '.bias', 2)]
    outside += [] if simple else [('cls_token', f'1,{dim}'), ('pos_embedding', f'2,{dim}')]
    return ''.join(f'{name} F32 {shape}\n' for name, shape in outside + [('transformer.layers.0.' + name, shape) for name, shape in block])


def wider(text):
    """With attention of 4 numbers where tokens have 2."""
    for part in ('', '_base', '_ilayer'):
        for site, old, new in (('attn.qkv', '6,2', '12,2'), ('attn.proj', '2,2', '2,4')):
            text = re.sub(rf'({re.escape(site)}\.(?:instances\.0\.)?weight{part} F32) {old}\n', rf'\1 {new}\n', text)
        text = re.sub(rf'(attn\.qkv\.(?:instances\.0\.)?bias{part} F32) 6\n', r'\1 12\n', text)
    return text


KEYS = ('tleg.image_size=4', 'tleg.patch_size=2', 'tleg.eps=1e-6', 'tleg.mean=0.5,0.5,0.5', 'tleg.std=0.2,0.2,0.2',
        'tleg.crop=0.9', 'tleg.labels=["a","b"]', 'tleg.norm=before_pool', 'tleg.pool=mean')
for name, text in {
        'gene': gene(), 'gene-keys': gene(patch=2, side=2, keys=KEYS), 'gene-class': gene(prefix=1, side=2),
        'gene-distilled': gene(prefix=2), 'gene-no-bias': gene(bias=False), 'gene-bf16': gene(type='BF16'),
        'gene-f64': gene(type='F64'), 'gene-wrapped': gene(front='module.'),
        'gene-schedule': gene(schedule={'qkv': [[4, True], [2, False]], 'norm1': [[1, True], [5, True]]}),
        'gene-basis': gene(schedule={'qkv': [[4, 'chebyshev', 4]], 'fc2': [[2, 'cosine', 3], [2, False]], 'norm1': [[4, 'power', 16]]}),
        'gene-shared': gene(schedule={'fc1': [[1, False]], 'proj': [[1, False]]}),
        'gene-after': gene(norm='fc_norm', keys=('tleg.norm=after_pool',)), 'gene-ints': gene(type='I32'),
        'model': model(), 'model-keys': model(patch=2, side=2, keys=('tleg.kind=vit', 'tleg.heads=1', *KEYS[:-2])),
        'model-class': model(prefix=1, norm='norm', side=2, depth=2), 'model-distilled': model(prefix=2, norm='norm'),
        'model-no-bias': model(bias=False), 'model-f16': model(type='F16', depth=3), 'model-bf16': model(type='BF16'),
        'model-wrapped': model(front='module.model.'), 'model-foreign': model() + 'blocks.0.ls1.gamma F32 2\n',
        'model-spare': model() + 'something.else U8 3\n', 'model-timm': model(dim=64, norm='norm', prefix=1, keys=()),
        'gene-learned': gene(keys=('tleg.heads=1', 'tleg.depths=[2,[4,6]]',
                                   'tleg.scores={"on":"val","images":10,"depths":[2,4],"scores":[0.5,0.75]}')),
        'model-learned': model(keys=('tleg.heads=1', 'tleg.depths=[[1,3]]', 'tleg.scores={"depths":[1],"scores":[1]}')),
        'gene-needs': gene(keys=('tleg.needs=["basis-k"]',)), 'gene-needs-none': gene(keys=('tleg.needs=[]',)),
        'model-qk-norm': model() + ''.join(f'blocks.0.attn.{qk}_norm.{part} F32 2\n' for qk in 'qk' for part in ('weight', 'bias')),
        'model-cls-mean': without('head.weight', model(prefix=1, norm='norm', side=2)) + 'head.weight F32 2,4\n',
        'model-inner': wider(model(prefix=1, norm='norm', side=2, keys=('tleg.heads=2',))), 'gene-inner': wider(gene()),
        'model-represented': without('head.weight', model(prefix=1, norm='norm', side=2)) + 'pre_logits.weight F32 5,2\npre_logits.bias F32 5\nhead.weight F32 2,5\n',
        'gene-represented': without('head.weight', gene()) + 'pre_logits.weight F32 3,2\npre_logits.bias F32 3\nhead.weight F32 2,3\n',
        'model-max': model(side=2, keys=('tleg.heads=1', 'tleg.pool=mean_max')), 'model-lucid': lucid(False), 'model-simple': lucid(True), 'model-pixels-left': model(patch=2, side=2, keys=('tleg.heads=1', 'tleg.image_size=5')),
        'model-computed': without('pos_embed', model(dim=8, keys=('tleg.heads=2', 'tleg.positions=sincos', 'tleg.image_size=2'))),
        'gene-third': gene() + 'blocks.block.attn.qkv.instances.0.weight_ilayer2 F32 6,2\n',
        'gene-adaln': gene(keys=('tleg.schedule={"adaln":[[2,true]]}',)), 'model-needs': model(keys=('tleg.needs=["x",1]',)),
        'gene-no-head': without('head.', gene(prefix=1, side=2)), 'model-no-head': without('head.', model(prefix=2, norm='norm')),
}.items():
    write('fuzz_model', name, text)

DRAWING = {'attn.qkv': 3, 'attn.proj': 1, 'mlp.fc1': 4, 'mlp.fc2': 1, 'adaLN_modulation.1': 6}


def drawing(depth=0, dim=4, patch=1, side=1, channels=1, labels=2, sigma=1, basis=('_base', '_ilayer'), type='F32', keys=(), front=''):
    """A generator's learngene, or with a depth a generator."""
    lines = [f'pos_embed 1,{side * side},{dim}', f'x_embedder.proj.weight {dim},{channels},{patch},{patch}', f'x_embedder.proj.bias {dim}',
             f't_embedder.mlp.0.weight {dim},256', f't_embedder.mlp.0.bias {dim}', f't_embedder.mlp.2.weight {dim},{dim}',
             f't_embedder.mlp.2.bias {dim}', f'y_embedder.embedding_table.weight {labels},{dim}',
             f'final_layer.adaLN_modulation.1.weight {2 * dim},{dim}', f'final_layer.adaLN_modulation.1.bias {2 * dim}',
             f'final_layer.linear.weight {sigma * patch * patch * channels},{dim}', f'final_layer.linear.bias {sigma * patch * patch * channels}']
    for site, rows in DRAWING.items():
        columns = 4 * dim if site == 'mlp.fc2' else dim
        for layer in range(depth or 1):
            for part in [''] if depth else basis:
                name = f'blocks.{layer}.{site}' if depth else f'blocks.block.{site}.instances.0'
                lines += [f'{name}.weight{part} {rows * dim},{columns}', f'{name}.bias{part} {rows * dim}']
    pairs = [f'tleg.kind={"dit" if depth else "dit_learngene"}', 'tleg.heads=1', f'tleg.image_size={patch * side}', *keys]
    return '\n'.join([*pairs, *(front + line.replace(' ', f' {type} ') for line in lines)]) + '\n'


for name, text in {
        'gene': drawing(), 'gene-keys': drawing(patch=2, side=2, channels=3, labels=3, keys=KEYS[2:7]), 'gene-sigma': drawing(sigma=2, side=2),
        'gene-latents': drawing(channels=4, side=2, labels=4), 'gene-bf16': drawing(type='BF16'), 'gene-one-label': drawing(labels=1),
        'gene-no-null': drawing(labels=2, keys=('tleg.null_label=no',)), 'gene-odd': drawing(sigma=3), 'gene-wrapped': drawing(front='module.'),
        'gene-basis': drawing(basis=('_basis0', '_basis1', '_basis2'), keys=('tleg.schedule=' + json.dumps(
            {key: [[2, 'cosine', 3]] for key in ('qkv', 'proj', 'fc1', 'fc2', 'modulation')}, separators=(',', ':')),)),
        'gene-spare': drawing() + 'blocks.block.norm1.instances.0.weight F32 4\n', 'gene-null': drawing(keys=('tleg.null_label=maybe',)),
        'model': drawing(2), 'model-f16': drawing(1, type='F16', side=3), 'model-no-keys': drawing(3).split('\n', 1)[1],
        'model-narrow': drawing(1, dim=3), 'model-head': drawing(1) + 'head.weight F32 2,4\n', 'classifier': gene(),
        'gene-learned': drawing(keys=('tleg.depths=[2,[4,6]]', 'tleg.labels=["a"]')),
}.items():
    write('fuzz_dit', name, text)

# For a source: which read fails, how, how far its size is off (from 128 on: too small), one byte more.
for name, control, text in (
        ('gene', (0, 0, 0, 0), gene()), ('model', (0, 0, 0, 0), model()), ('model-f16', (0, 0, 0, 0), model(type='F16')),
        ('wrapped', (0, 0, 0, 0), gene(front='module.')), ('fails-first', (1, 0, 0, 0), gene()),
        ('fails-later', (7, 1, 0, 0), gene()), ('fails-oddly', (9, 3, 0, 0), model()), ('too-long', (0, 0, 8, 0), gene()),
        ('too-short', (0, 0, 136, 0), model()), ('needs', (0, 0, 0, 0), gene(keys=('tleg.needs=["basis-k"]',))),
        ('index', (0, 0, 0, 0), 'weight_map={}\n')):
    write('fuzz_source', name, bytes(control) + text.encode())

shapes = [line for line in gene(hidden=2).split('\n') if ' F32 ' in line]
for name, depth in {'state': '2', 'state-deep': '9', 'state-fraction': '1.5'}.items():
    pairs = ['+', 'tleg.trainer.steps=3', 'tleg.trainer.random=' + '0123456789abcdef ' * 4 + depth]
    kinds = ['parameter', 'moment1', 'moment2', 'average']
    lines = pairs + [f'{kind}.{line}' for kind in kinds for line in shapes]
    write('fuzz_state', name, '\n'.join(lines) + '\n')
    write('fuzz_state', f'{name}-short', '\n'.join(lines[:-1]) + '\n')
write('fuzz_state', 'other', 'tleg.kind=trainer\ntleg.trainer.setup=kind=model \n')


def index(where, *parts):
    return json.dumps({'metadata': {'total_size': 1}, 'weight_map': where}, separators=(',', ':')) + '%' + '%'.join(parts)


lines = model(keys=('tleg.heads=1',)).splitlines()
where = {line.split()[0]: 'ab'[i % 2] + '.safetensors' for i, line in enumerate(lines[1:])}
halves = ['\n'.join([lines[0]] + lines[1 + i::2]) for i in (0, 1)]
for name, data in {
        'model': index(where, *halves), 'swapped': index(where, *halves[::-1]), 'alone': index({'t': 'a.safetensors'}, 't F32 2', ''),
        'none': index({'t': 'c.safetensors'}, 't F32 2', ''), 'outside': index({'t': '../a.safetensors'}, 't F32 2', ''),
        'itself': index({'t': 'model.safetensors.index.json'}, '', ''), 'empty': index({}, '', ''),
        'both': index({'t': 'a.safetensors', 'u': 'b.safetensors'}, 'k=1\nt F32 2\nu F16 3', 'k=2\nu BF16 0\nt U8 1'),
        'twice': '{"weight_map":{"t":"a.safetensors","t":"b.safetensors"}}%t F32 1%t F32 1', 'number': '{"weight_map":{"t":1}}%t F32 1%',
}.items():
    write('fuzz_index', name, data)


def wish(layout=1, width=6, height=5, gap=0, upside_down=0, size=4, crop=0.875, mean=0.5, std=0.25, pixels=b'\x10\x80\xf0'):
    return struct.pack('<dddhhBBBB', crop, mean, std, width, height, layout, gap, upside_down, size) + pixels


for name, data in {
        'rgb': wish(), 'bgr': wish(2, 9, 3, 5), 'rgba': wish(3, 3, 9, 0, 1), 'bgra': wish(4, 30, 1, 7, 1, 8), 'grey': wish(5, 1, 64),
        'no-layout': wish(0), 'no-width': wish(width=0), 'defaults': wish(crop=0, mean=0, std=0), 'tiny-crop': wish(crop=1e-7),
        'no-crop': wish(crop=float('nan')), 'one': wish(width=1, height=1, size=1), 'large': wish(width=128, height=128, size=32),
        'thin': wish(width=16384, height=1, size=64), 'tall': wish(width=1, height=16384, size=2), 'bad-std': wish(std=-1.0),
}.items():
    write('fuzz_prepare', name, data)


idx = struct.pack('>IIII', 0x803, 3, 2, 2) + bytes(range(12)) + b'%' + struct.pack('>II', 0x801, 3) + bytes([0, 1, 0])
for name, data in {
        'ten': b'red\ngreen\n%green\nred%' + bytes([0, 0, 1, 1, 0]), 'hundred': b'red\ngreen\n%red\nblue%' + bytes([1, 0, 1, 1]),
        'twins': b'red\nred\n%red\nblue%' + bytes([0, 0, 1]), 'same': b'red\nblue%red\nred%' + bytes([0, 0, 1]),
        'numbers': b'%a\nb%' + bytes([0, 1, 0]), 'cut': b'%%' + bytes([4, 1, 0]), 'beyond': b'red%red%' + bytes([0, 3]),
        'idx': b'%0\n1%' + bytes([2]) + idx, 'idx-gzip': b'%%' + bytes([2]) + b'\x1f\x8b\x08%', 'idx-short': b'%%' + bytes([2]) + idx[:-1],
}.items():
    write('fuzz_dataset', name, data)


def header(said=None, **tensors):
    entries, at = {'__metadata__': said} if said else {}, 0
    for name, (type, shape) in tensors.items():
        bytes = {'F32': 4, 'F16': 2, 'BF16': 2, 'F64': 8, 'U8': 1, 'I64': 8, 'I32': 4}[type]
        for n in shape:
            bytes *= n
        entries[name] = {'dtype': type, 'shape': shape, 'data_offsets': [at, at + bytes]}
        at += bytes
    return json.dumps(entries, separators=(',', ':'))


def whole(text, data):
    return struct.pack('<Q', len(text)) + text.encode() + data


four = ('F32', [3, 4, 2, 2])
named = {'tleg.labels': '["owl","bee"]', 'latent_scale': '0.18215'}
numbers = struct.pack('<48f', *(number / 16 for number in range(48)))
for name, data in {
        'one': header(latents=('F32', [1, 1, 1, 1])), 'labels': header(named, latents=four, labels=('I64', [3])),
        'short-labels': header(latents=('F16', [3, 4, 2, 2]), labels=('I32', [2])), 'none': header(images=four),
        'flat': header(latents=('F32', [48])), 'bytes': header(latents=('U8', [3, 4, 2, 2])),
        'no-name': header(named | {'tleg.labels': '["owl",""]'}, latents=four), 'no-scale': header({'latent_scale': '0'}, latents=four),
        'classes': whole(header(named, latents=four, labels=('I64', [3])), numbers + struct.pack('<3q', 0, 1, 1)),
        'beyond': whole(header(named, latents=four, labels=('I32', [3])), numbers + struct.pack('<3i', 0, 2, 1)),
        'not-finite': whole(header(latents=('BF16', [3, 4, 2, 2])), b'\x80\x3f' * 20 + b'\x80\x7f' + b'\0\0' * 27),
        'huge-scale': whole(header({'latent_scale': '1e308'}, latents=four), numbers),
}.items():
    write('fuzz_latents', name, data)

image = header(images=('F32', [1, 3, 4, 4]))
for name, data in {
        'one': image, 'three': header(images=('F32', [3, 3, 4, 4])), 'spare': header(a=('U8', [3]), images=('F32', [1, 3, 4, 4])),
        'half': header(images=('F16', [1, 3, 4, 4])), 'flat': header(images=('F32', [48])), 'none': header(images=('F32', [0, 3, 4, 4])),
        'large': header(images=('F32', [1, 3, 8, 8])),
        'low': header(images=('F32', [1, 3, 2, 4])), 'narrow': header(images=('F32', [1, 3, 4, 2])), 'grey': header(images=('F32', [1, 1, 4, 4])),
        'last': header(images=('F32', [1, 4, 4, 3])), 'missing': header(image=('F32', [1])),
        'whole': whole(image, struct.pack('<48f', *range(48))), 'nan': whole(image, b'\xff' * 192),
}.items():
    write('fuzz_run', name, data)

for name, text in {
        'labels': '["cat","dog","\\u00e9\\ud83d\\ude00"]', 'schedule': '{"qkv":[[4,true],[2,false]],"norm1":[[6,false]]}',
        'curves': '{"fc1":[[3,"power",3],[3,"chebyshev",16]],"fc2":[[5,"cosine",2],[1,"power",2]]}',
        'header': header(a=('F32', [2, 3]), b=('BF16', []), c=('F64', [0])), 'deep': '[' * 40 + ']' * 40,
        'metadata': '{"__metadata__":{"k":"v","tleg.kind":"vit"},"t":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]}}',
        'numbers': '[0,-1,1e5,1.5E-3,9223372036854775807,-9223372036854775808,18446744073709551616]', 'words': '[true,false,null,{}]',
        'depths': '[2,[4,6],8,[100,1024]]', 'depths-twice': '[[3,12],12]',
        'scores': '{"on":"caf\u00e9","images":5000,"depths":[2,5,9],"scores":[0.5,0.8532,1.0],"top5":[[]]}',
        'scores-twice': '{"depths":[2],"scores":[1],"depths":[2]}',
        'index': '{"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00002.safetensors"}}',
}.items():
    write('fuzz_json', name, text)

def recording(settings, blocks, magic=b'tlegrec1'):
    text = settings.encode()
    return (magic + struct.pack('<Q', len(text)) + text + struct.pack('<I', zlib.crc32(text)) +
            b''.join(block + struct.pack('<I', zlib.crc32(block)) for block in blocks))


small = '{"epochs":2,"places":4,"batch":2,"classes":["cat","dog","bird"],"mixup":0.8}'
halves = [struct.pack('<6e', *range(6 * i, 6 * i + 6)) for i in range(4)]
for name, data in {
        'whole': recording(small, halves), 'begun': recording(small, halves[:3]), 'none': recording(small, []),
        'cut': recording(small, halves)[:-3], 'other': recording(small, halves, b'tlegrec2'), 'settings': small + '%',
        'large': '{"epochs":1000000,"places":9223372036854775807,"batch":1,"classes":[0]}%',
        'wide': '{"epochs":1,"places":65536,"batch":65536,"classes":[0,0]}%', 'uneven': '{"epochs":1,"places":5,"batch":2,"classes":[0]}%',
        'one': '{"epochs":1,"places":1,"batch":1,"classes":[null]}%', 'empty': '{}%', 'twice': '{"epochs":1,"epochs":2}%',
        'huge': b'tlegrec1' + b'\xff' * 8 + b'{}',
}.items():
    write('fuzz_recording', name, data)

# Pickles as PyTorch writes them, opcode by opcode.
def text(value):
    value = value.encode() if isinstance(value, str) else value
    return b'\x8c' + bytes([len(value)]) + value


def integer(value):
    return b'K' + bytes([value]) if 0 <= value < 256 else b'\x8a\x08' + struct.pack('<q', value)


def row(*values):
    return b'(' + b''.join(integer(value) for value in values) + b't'


def named(module, name):
    return f'c{module}\n{name}\n'.encode()


def storage(key='0', count=4, kind='FloatStorage', module='torch'):
    return b'(' + text('storage') + named(module, kind) + text(key) + text('cpu') + integer(count) + b'tQ'


def tensor(of=storage(), offset=0, shape=(4,), strides=(1,), call='_rebuild_tensor_v2', more=b''):
    return named('torch._utils', call) + b'(' + of + integer(offset) + row(*shape) + row(*strides) + b'\x89)' + more + b'tR'


def table(items):
    return b'}(' + b''.join((key if isinstance(key, bytes) else text(key)) + value for key, value in items.items()) + b'u'


def called(callable, *arguments):
    return callable + b'(' + b''.join(arguments) + b'tR'


def pickled(value, protocol=2):
    return b'\x80' + bytes([protocol]) + value + b'.'


plain = tensor()
turned = tensor(storage('1', 16), 0, (4, 4), (1, 4))
weights = table({'a': plain, 'b.c': turned, 'h': tensor(storage('2', 2048, 'HalfStorage'), 3, (2, 3, 5), (100, 2, 20))})
parameter = called(named('torch._utils', '_rebuild_parameter'), plain, b'\x88', b')')
module = named('my', 'Net') + b')\x81' + table({'_parameters': table({'w': parameter}), '_modules': table({'in': named('my', 'A') + b')\x81' + table(
    {'_buffers': weights}) + b'b'})}) + b'b'
for name, data in {
        'plain': weights, 'model': table({'model': weights, 'epoch': integer(3)}),
        'several': table({'student': weights, 'teacher': table({'x': weights}), 'optimizer': table({'state': weights})}),
        'inner': table({'model': table({'x': weights}), 'other': weights}), 'parameter': table({'p': parameter}),
        'with-state': table({'p': called(named('torch._utils', '_rebuild_parameter_with_state'), plain, b'\x88', b')', table({'x': b'\x88'}))}),
        'of-type': table({'p': called(named('torch._tensor', '_rebuild_from_type_v2'), named('torch._utils', '_rebuild_tensor_v2'), named('my', 'T'),
                                      b'(' + storage() + b'K\0' + row(2) + row(2) + b'\x89)t', b'}')}),
        'typed': table({'t': tensor(storage('1', 64, 'UntypedStorage', 'torch.storage'), 0, (8,), (1,), '_rebuild_tensor_v3', named('torch', 'uint16'))}),
        'bf16': table({'t': tensor(storage('1', 32, 'BFloat16Storage'), 5, (3, 3), (2, 7))}), 'bool': table({'t': tensor(storage('0', 16, 'BoolStorage'))}),
        'module': module, 'script': named('__torch__', 'Net') + b')\x81' + table({'w': plain, 'in': named('__torch__.a', 'B') + b')\x81' + table({'v': turned}) + b'b'}) + b'b',
        'ordered': named('collections', 'OrderedDict') + b')R(' + text('w') + plain + b'u', 'lists': table({'a': plain, 'l': b']q\1(K\1h\1NNGabcdefghe', 's': b'\x8f(K\1\x90'}),
        'memo': b'}q\0(' + text('w') + plain + b'q\1' + text('v') + b'h\1' + text('self') + b'h\0u', 'stacked': table({'w': plain, 'x': text('os') + text('system') + b'\x93' + text('ls') + b'\x85R'}),
        'system': table({'w': called(named('posix', 'system'), text('ls')), 'v': plain}), 'sparse': table({'w': plain, 'm': called(named('torch._utils', '_rebuild_sparse_tensor'), plain)}),
        'beyond': table({'w': tensor(shape=(5,))}), 'repeats': table({'w': tensor(shape=(9,), strides=(0,))}), 'empty': table({'w': tensor(shape=(0, 1 << 62), strides=(1 << 62, 1))}),
        'huge': table({'w': tensor(shape=(1 << 62, 1 << 62), strides=(1, 1))}), 'late': table({'w': tensor(offset=4, shape=(0,))}), 'none': b'N', 'tensor': plain,
        'keep': b'Nr\xff\xff\xff\x3f', 'objects': table({'w': plain, 'o': b'(' + named('a', 'B') + b'K\1o}b', 'e': named('a', 'C') + b')}\x92', 'f': b'(K\1K\2d', 'g': b'(K\1l', 'z': b'(K\1\x91'}),
}.items():
    write('fuzz_pth', name, pickled(data))
write('fuzz_pth', 'framed', b'\x80\5\x95' + struct.pack('<Q', len(weights) + 1) + weights.replace(b'(', b'(\x8c\1x0', 1) + b'\x94.')


def archive(members, packing=zipfile.ZIP_STORED, comment=b''):
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', packing) as made:
        made.comment = comment
        for name, data in members.items():
            made.writestr(zipfile.ZipInfo(name), data, packing)
    return file.getvalue()


whole = {'a/data.pkl': pickled(table({'a': plain})), 'a/byteorder': b'little', 'a/data/0': bytes(range(16)), 'a/version': b'3\n'}
for name, data in {
        'zip': archive(whole), 'zip-deflated': archive(whole, zipfile.ZIP_DEFLATED), 'zip-comment': archive(whole, comment=b'PK\5\6'),
        'zip-big': archive({**whole, 'a/byteorder': b'big'}), 'zip-script': archive({**whole, 'a/constants.pkl': b''}),
        'zip-cut': archive(whole)[:-7], 'zip-short': archive({**whole, 'a/data/0': b'123'}), 'zip-two': archive({**whole, 'b/data.pkl': b''}),
        'zip-numpy': archive({'a.npy': b'x'}), 'zip-none': archive({}), 'zip-bare': archive({'data.pkl': pickled(table({'a': plain})), 'data/0': bytes(16)}),
}.items():
    write('fuzz_pth', name, data)

# A chunk of EXIF that claims two gigabytes.
head = struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)
write('fuzz_picture', 'exif-claims', b'\x89PNG\r\n\x1a\n' + struct.pack('>I', 13) + b'IHDR' + head +
      struct.pack('>II', zlib.crc32(b'IHDR' + head), 0x7fffffff) + b'eXIfII*\0')

# Formats that are named, not read.
for name, data in {
        'webp': b'RIFF\0\0\0\0WEBPVP8 ', 'gif': b'GIF89a\1\0\1\0', 'tiff': b'II*\0\x08\0\0\0', 'heic': b'\0\0\0\x18ftypheic\0\0\0\0',
        'bmp': b'BM\x46\0\0\0\0\0\0\0\x36\0\0\0', 'ppm': b'P6\n1 1\n255\n\0\0\0', 'html': b'<!DOCTYPE html><html>', 'svg': b'<?xml?><svg/>',
        'text': b'hello', 'zip': b'PK\3\4', 'pdf': b'%PDF-1.4', 'jxl': b'\xff\x0a\0', 'lfs': b'version https://git-lfs.github.com/spec/v1\n',
}.items():
    write('fuzz_picture', name, data)
