"""The library through cffi: the preprocessed headers are all that it is told.

    consumer_cffi.py LIBRARY HEADERS SYMBOLS GOLDEN-DIRECTORY
"""
import sys

import cffi

library, headers, symbols, golden = sys.argv[1:]
ffi = cffi.FFI()
ffi.cdef(open(headers).read())
lib = ffi.dlopen(library)

names = [line.strip() for line in open(symbols) if line.startswith('tleg_')]
missing = [name for name in names if not hasattr(lib, name)]
assert names and not missing, missing
assert (lib.TLEG_OK, lib.TLEG_ERROR_NOT_FOUND, lib.TLEG_BF16, lib.TLEG_MAX_DEPTH) == (0, 9, 3, 1024)


def struct(kind, **members):
    return ffi.new(kind + ' *', dict(members, struct_size=ffi.sizeof(kind)))


def make(kind, function, *arguments):
    out = ffi.new(f'tleg_{kind} **')
    status = function(*arguments, out)
    assert status == lib.TLEG_OK, (function, ffi.string(lib.tleg_status_name(status)), ffi.string(lib.tleg_context_get_error(context)))
    return ffi.gc(out[0], getattr(lib, f'tleg_{kind}_free'))


context = ffi.NULL
context = make('context', lib.tleg_context_create, ffi.NULL)
expander = make('expander', lib.tleg_expander_open, context, (golden + '/mean.gene.safetensors').encode(), ffi.NULL, ffi.NULL)
model = make('model', lib.tleg_expander_expand, context, expander, 4)
session = make('session', lib.tleg_session_create, context, model, ffi.NULL)
info = struct('tleg_session_info')
assert lib.tleg_session_get_info(context, session, info) == lib.TLEG_OK
assert (info.depth, info.image_floats, info.logit_floats) == (4, 3 * 16 * 16, 5)


def numbers(file, name):
    file = make('file', lib.tleg_file_open, context, f'{golden}/{file}.safetensors'.encode(), ffi.NULL)
    tensor = make('tensor', lib.tleg_file_read_tensor, context, file, name)
    of = struct('tleg_tensor_info')
    assert lib.tleg_tensor_get_info(context, tensor, of) == lib.TLEG_OK and of.dtype == lib.TLEG_F32
    return list(ffi.cast('float *', of.data)[0:of.bytes // 4])


images, right = numbers('images-16', b'images'), numbers('mean-4.out', b'logits')
logits = ffi.new('float[]', len(right))
batch = len(right) // 5
assert lib.tleg_session_run(session, batch, ffi.new('float[]', images), len(images), logits, len(right), ffi.NULL, 0) == lib.TLEG_OK
assert all(abs(a - b) < 1e-4 for a, b in zip(logits, right))
assert lib.tleg_session_run(session, batch, ffi.new('float[]', images), len(images), logits, len(right) - 1, ffi.NULL,
                            0) == lib.TLEG_ERROR_ARGUMENT

# A callback, and a failure that says why.
notes = []


@ffi.callback('int32_t(void *, const char *, uint64_t, uint64_t)')
def progress(_, what, done, total):
    notes.append(ffi.string(what))
    return 0


context = make('context', lib.tleg_context_create, struct('tleg_context_options', progress=progress))
make('learngene', lib.tleg_learngene_open, context, (golden + '/mean.gene.safetensors').encode(), ffi.NULL)
assert notes
out = ffi.new('tleg_learngene **')
assert lib.tleg_learngene_open(context, b'/nowhere/at-all', ffi.NULL, out) == lib.TLEG_ERROR_NOT_FOUND and out[0] == ffi.NULL
assert b'/nowhere/at-all' in ffi.string(lib.tleg_context_get_error(context)) and lib.tleg_context_get_os_error(context) == 2
print(len(names), 'functions, all there')
