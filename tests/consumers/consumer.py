"""The library through ctypes alone: opens a learngene, expands it, runs it and compares with the stored logits.

    consumer.py LIBRARY GOLDEN-DIRECTORY
"""
import ctypes, json, math, struct, sys
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p

lib = ctypes.CDLL(sys.argv[1])
golden = sys.argv[2] + '/'


class Config(ctypes.Structure):
    _fields_ = [('struct_size', c_uint32)] + [(name, c_int32) for name in (
        'image_size patch_size dim heads hidden classes depth class_token distillation_token registers pool norm no_qkv_bias '
        'dtype label_count kind channels').split()] + [
        ('eps', c_double), ('mean', c_double * 3), ('std', c_double * 3), ('crop', c_double),
        ('ignored_count', c_int64), ('parameters', c_uint64), ('labels', POINTER(c_char_p)), ('schedule', c_char_p),
        ('ignored', POINTER(c_char_p)), ('reserved', c_void_p)]


def declare(name, result, *arguments):
    function = getattr(lib, name)
    function.restype, function.argtypes = result, arguments
    return function


version = declare('tleg_version', c_uint32)
context_create = declare('tleg_context_create', c_int32, c_void_p, POINTER(c_void_p))
context_error = declare('tleg_context_get_error', c_char_p, c_void_p)
gene_open = declare('tleg_learngene_open', c_int32, c_void_p, c_char_p, c_void_p, POINTER(c_void_p))
gene_info = declare('tleg_learngene_get_info', c_int32, c_void_p, c_void_p, POINTER(Config))
expander_create = declare('tleg_expander_create', c_int32, c_void_p, c_void_p, c_void_p, POINTER(c_void_p))
expand = declare('tleg_expander_expand', c_int32, c_void_p, c_void_p, c_int32, POINTER(c_void_p))
session_create = declare('tleg_session_create', c_int32, c_void_p, c_void_p, c_void_p, POINTER(c_void_p))
run = declare('tleg_session_run', c_int32, c_void_p, c_int64, POINTER(c_float), c_size_t, POINTER(c_float), c_size_t, POINTER(c_float), c_size_t)
free = {kind: declare(f'tleg_{kind}_free', None, c_void_p) for kind in 'context learngene expander model session'.split()}


def tensor(path, name):
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = file.read()
    begin, end = header[name]['data_offsets']
    return struct.unpack(f'<{(end - begin) // 4}f', data[begin:end])


context = c_void_p()
assert context_create(None, byref(context)) == 0
handles = {}


def make(kind, function, *arguments):
    handle = c_void_p()
    if function(context, *arguments, byref(handle)): sys.exit(context_error(context).decode())
    handles[kind] = handle
    return handle


assert version() >= 1000
gene = make('learngene', gene_open, (golden + 'mean.gene.safetensors').encode(), None)
config = Config(struct_size=ctypes.sizeof(Config))
assert gene_info(context, gene, byref(config)) == 0
assert (config.image_size, config.patch_size, config.dim, config.heads, config.classes) == (16, 4, 24, 3, 5)
assert (config.depth, list(config.mean), config.crop) == (0, [0.485, 0.456, 0.406], 1.0)
expander = make('expander', expander_create, gene, None)
model = make('model', expand, expander, 4)
session = make('session', session_create, model, None)
images = tensor(golden + 'images-16.safetensors', 'images')
batch = len(images) // (3 * 16 * 16)
logits = (c_float * (batch * config.classes))()
assert run(session, batch, (c_float * len(images))(*images), len(images), logits, len(logits), None, 0) == 0
answers = tensor(golden + 'mean-4.out.safetensors', 'logits')
error = math.sqrt(sum((a - b) ** 2 for a, b in zip(logits, answers)) / sum(b * b for b in answers))
assert error < 1e-4, error

# A failure is a status and a text that names the file.
nothing = c_void_p(1)
assert gene_open(context, b'/nowhere/at-all.safetensors', None, byref(nothing)) == 9 and nothing.value is None
assert b'/nowhere/at-all.safetensors' in context_error(context)
for kind, handle in handles.items(): free[kind](handle)
free['context'](context)
print(f'relative error {error:.1e}')
