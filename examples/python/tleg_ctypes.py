"""libtleg from Python, through ctypes alone: what distill_from_torch.py needs of it, and a pattern for the rest.

Not a package: copy it beside your program. The structs are those of the headers in include/tleg, member for member; a handle
is an object that frees its own; a status that is no TLEG_OK becomes an Error with the library's words. Arrays are numpy's.
The library is the system's libtleg.so.0, or the file that the environment variable TLEG_LIBRARY names.
"""
import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint8, c_uint32
from ctypes import c_uint64, c_void_p, sizeof

import numpy as np

OK, STATE = 0, 8
PIXELS_RGB = 1
DEPTH_FIXED, DEPTH_RANDOM, DEPTH_SANDWICH = 1, 2, 3

lib = ctypes.CDLL(os.environ.get('TLEG_LIBRARY', 'libtleg.so.0'))


# ---- structs ----

class Options(Structure):
    """A struct whose first member is its size: what is not given stays zero, which means default."""

    def __init__(self, **members):
        unknown = set(members) - {name for name, *_ in self._fields_}
        if unknown:
            raise TypeError(f'{type(self).__name__} has no member {", ".join(sorted(unknown))}')
        super().__init__(struct_size=sizeof(self), **members)


def fields(kind, names):
    return [(name, kind) for name in names.split()]


class ContextOptions(Options):
    _fields_ = (fields(c_uint32, 'struct_size') + fields(c_int32, 'level workers gemm') +
                fields(c_uint64, 'error_text_bytes') +
                fields(c_void_p, 'error_text alloc release alloc_host parallel parallel_host log log_host '
                                 'progress progress_host'))


class OpenOptions(Options):
    _fields_ = fields(c_uint32, 'struct_size flags') + fields(c_int32, 'heads reserved')


class Config(Options):
    _fields_ = (fields(c_uint32, 'struct_size') +
                fields(c_int32, 'image_size patch_size dim heads hidden classes depth class_token distillation_token registers '
                                'pool norm no_qkv_bias dtype label_count kind channels') +
                [('eps', c_double), ('mean', c_double * 3), ('std', c_double * 3), ('crop', c_double),
                 ('ignored_count', c_int64), ('parameters', c_uint64), ('labels', POINTER(c_char_p)), ('schedule', c_char_p),
                 ('ignored', POINTER(c_char_p)), ('reserved', c_void_p)])


class Image(Options):
    _fields_ = (fields(c_uint32, 'struct_size') + fields(c_int32, 'layout width height') +
                [('stride', c_int64), ('pixels', POINTER(c_uint8)), ('reserved', c_void_p)])


class PreparationInfo(Options):
    _fields_ = (fields(c_uint32, 'struct_size') + [('image_size', c_int32), ('floats', c_uint64), ('crop', c_double),
                                                   ('mean', c_double * 3), ('std', c_double * 3)] +
                fields(c_int32, 'interpolation fit channels image_width'))


class SessionOptions(Options):
    _fields_ = fields(c_uint32, 'struct_size') + fields(c_int32, 'batch')


# teacher(host, batch, images, floats in images, classes, logits): the logits (batch, classes) for the very images of a step.
TEACHER = CFUNCTYPE(c_int32, c_void_p, c_int64, POINTER(c_float), c_size_t, c_int32, POINTER(c_float))
ALL_REDUCE = CFUNCTYPE(c_int32, c_void_p, POINTER(c_float), c_size_t)


class TrainerOptions(Options):
    _fields_ = (fields(c_uint32, 'struct_size') +
                fields(c_int32, 'batch depth_mode depth_least depth_most checkpoint norm image_size') +
                fields(c_double, 'alpha tau smoothing weight_decay beta1 beta2 epsilon clip drop_path ema') +
                [('seed', c_uint64), ('teacher', TEACHER), ('teacher_host', c_void_p), ('all_reduce', ALL_REDUCE),
                 ('all_reduce_host', c_void_p), ('ranks', c_int32), ('dtype', c_int32)])


class Batch(Options):
    _fields_ = (fields(c_uint32, 'struct_size') +
                [('size', c_int32), ('share', c_double), ('images', POINTER(c_float)), ('labels', POINTER(c_int64)),
                 ('targets', POINTER(c_float)), ('teacher_logits', POINTER(c_float))])


class Loss(Options):
    _fields_ = (fields(c_uint32, 'struct_size') + fields(c_int32, 'depth') + fields(c_double, 'total labels teacher') +
                fields(c_int64, 'correct'))


class Rate(Options):
    _fields_ = (fields(c_uint32, 'struct_size') + fields(c_int32, 'epochs warmup curve') + fields(c_double, 'peak start end') +
                fields(c_int32, 'decay warmup_steps') + [('steps', c_int64)])


# ---- functions ----

def declare(name, result, *arguments):
    """Without it ctypes would take every argument for an int, and cut pointers."""
    function = getattr(lib, 'tleg_' + name)
    function.restype, function.argtypes = result, arguments
    return function


HANDLE, OUT = c_void_p, POINTER(c_void_p)
FLOATS = POINTER(c_float)
status_name = declare('status_name', c_char_p, c_int32)
context_create = declare('context_create', c_int32, POINTER(ContextOptions), OUT)
context_error = declare('context_get_error', c_char_p, HANDLE)
preparation_get_info = declare('preparation_get_info', c_int32, HANDLE, HANDLE, POINTER(PreparationInfo))
learngene_copy_preparation = declare('learngene_copy_preparation', c_int32, HANDLE, HANDLE, OUT)
image_prepare = declare('image_prepare', c_int32, HANDLE, HANDLE, POINTER(Image), FLOATS, c_size_t)
learngene_create = declare('learngene_create', c_int32, HANDLE, POINTER(Config), c_uint64, OUT)
learngene_open = declare('learngene_open', c_int32, HANDLE, c_char_p, POINTER(OpenOptions), OUT)
learngene_save = declare('learngene_save', c_int32, HANDLE, HANDLE, c_char_p, c_void_p)
learngene_get_info = declare('learngene_get_info', c_int32, HANDLE, HANDLE, POINTER(Config))
expander_create = declare('expander_create', c_int32, HANDLE, HANDLE, c_void_p, OUT)
session_create_elastic = declare('session_create_elastic', c_int32, HANDLE, HANDLE, c_int32, POINTER(SessionOptions), OUT)
session_set_depth = declare('session_set_depth', c_int32, HANDLE, c_int32)
session_run = declare('session_run', c_int32, HANDLE, c_int64, FLOATS, c_size_t, FLOATS, c_size_t, FLOATS, c_size_t)
session_error = declare('session_get_error', c_char_p, HANDLE)
trainer_create = declare('trainer_create', c_int32, HANDLE, HANDLE, POINTER(TrainerOptions), OUT)
trainer_backward = declare('trainer_backward', c_int32, HANDLE, POINTER(Batch), POINTER(Loss))
trainer_update = declare('trainer_update', c_int32, HANDLE, c_double)
trainer_learngene = declare('trainer_copy_learngene', c_int32, HANDLE, HANDLE, c_int32, OUT)
trainer_error = declare('trainer_get_error', c_char_p, HANDLE)
rate_of_epoch = declare('train_rate_of_epoch', c_int32, HANDLE, POINTER(Rate), c_int32, POINTER(c_double))
free = {kind: declare(kind + '_free', None, HANDLE) for kind in 'context learngene expander preparation session trainer'.split()}


class Error(Exception):
    """A call that failed: its status, and what the library says about it."""

    def __init__(self, status, text):
        super().__init__(f'{status_name(status).decode()}: {text.decode()}' if text else status_name(status).decode())
        self.status = status


def floats(array):
    """A pointer to an array's numbers, which the caller keeps alive during the call."""
    assert array.dtype == np.float32 and array.flags.c_contiguous
    return array.ctypes.data_as(FLOATS)


# ---- handles ----

class Handle:
    """A pointer of the library's, freed with its object. Handles hold what they depend on: any order will do."""
    kind = ''

    def __init__(self, make, *arguments):
        """Calls make(*arguments, &pointer); self.context is the one that the errors come from, if there is one."""
        self.pointer = c_void_p()
        self.check(make(*arguments, byref(self.pointer)))

    context = None

    def error(self):
        return context_error(self.context.pointer) if self.context else b''

    def check(self, status):
        if status != OK:
            raise Error(status, self.error())

    def __del__(self):
        free[self.kind](getattr(self, 'pointer', None))


class Context(Handle):
    """A host's choices. One thread at a time may use it, and what it says about errors."""
    kind = 'context'

    def __init__(self, workers=1):
        super().__init__(context_create, byref(ContextOptions(workers=workers)))

    def error(self):
        return context_error(self.pointer)

    def prepare(self, preparation, rgb):
        """A model's input (channels, height, width) from 8-bit RGB (height, width, 3)."""
        rgb = np.ascontiguousarray(rgb, np.uint8)
        if rgb.ndim != 3 or rgb.shape[2] != 3:
            raise ValueError(f'expected 8-bit RGB (height, width, 3), found an array of shape {rgb.shape}')
        out = np.empty(preparation.shape, np.float32)
        image = Image(layout=PIXELS_RGB, width=rgb.shape[1], height=rgb.shape[0], pixels=rgb.ctypes.data_as(POINTER(c_uint8)))
        self.check(image_prepare(self.pointer, preparation.pointer, byref(image), floats(out), out.size))
        return out


class Preparation(Handle):
    """What is done to pictures before a learngene's models see them, as its file says. shape: (channels, height, width)"""
    kind = 'preparation'

    def __init__(self, context, gene):
        self.context = context
        super().__init__(learngene_copy_preparation, context.pointer, gene.pointer)
        info = PreparationInfo()
        self.check(preparation_get_info(context.pointer, self.pointer, byref(info)))
        self.shape = info.channels, info.image_size, info.image_width or info.image_size


class Learngene(Handle):
    kind = 'learngene'

    def __init__(self, context, make, *arguments):
        self.context = context
        super().__init__(make, context.pointer, *arguments)

    @classmethod
    def create(cls, context, config, seed=0):
        return cls(context, learngene_create, byref(config), seed)

    @classmethod
    def open(cls, context, path, heads=0):
        return cls(context, learngene_open, os.fsencode(path), byref(OpenOptions(heads=heads)))

    def info(self):
        """Its texts live as long as the learngene."""
        config = Config()
        self.check(learngene_get_info(self.context.pointer, self.pointer, byref(config)))
        return config

    def save(self, path):
        self.check(learngene_save(self.context.pointer, self.pointer, os.fsencode(path), None))


class ElasticSession(Handle):
    """Runs a learngene at a depth that may be changed between runs."""
    kind = 'session'

    def __init__(self, context, gene, depth, batch=32):
        self.context, self.config = context, gene.info()
        expander = c_void_p()
        self.check(expander_create(context.pointer, gene.pointer, None, byref(expander)))
        try:
            super().__init__(session_create_elastic, context.pointer, expander, depth, byref(SessionOptions(batch=batch)))
        finally:
            free['expander'](expander)
        self.context = None  # from here on the session has its own errors

    def error(self):
        return super().error() if self.context else session_error(self.pointer)

    def set_depth(self, depth):
        self.check(session_set_depth(self.pointer, depth))

    def logits(self, images):
        images = np.ascontiguousarray(images, np.float32)
        out = np.empty((len(images), self.config.classes), np.float32)
        self.check(session_run(self.pointer, len(images), floats(images), images.size, floats(out), out.size, None, 0))
        return out


class Trainer(Handle):
    """Learns a learngene's base and ilayer. teacher(images) gives logits (batch, classes) for images (batch, channels, height,
    width)."""
    kind = 'trainer'

    def __init__(self, context, gene, options, teacher=None):
        self.context, self.config, self.raised = context, gene.info(), None
        channels, height, width = Preparation(context, gene).shape
        self.shape = (channels, *([options.image_size] * 2 if options.image_size else [height, width]))
        # The trainer keeps the address of this object's machine code and calls it in every step: it must live as long as
        # the trainer. Were it a temporary of this line alone, Python would free it, and the next step would jump into nothing.
        self.callback = TEACHER(self.ask(teacher)) if teacher else TEACHER()
        options.teacher = self.callback
        super().__init__(trainer_create, context.pointer, gene.pointer, byref(options))
        self.context = None  # from here on the trainer has its own errors

    def ask(self, teacher):
        def call(_, batch, images, image_floats, classes, logits):
            # An exception cannot pass through C: it waits here until the call that it stops is back in Python.
            try:
                images = np.ctypeslib.as_array(images, (batch, *self.shape))  # the trainer's memory: no copy
                np.ctypeslib.as_array(logits, (batch, classes))[:] = teacher(images)
                return OK
            except BaseException as raised:
                self.raised = raised
                return STATE
        return call

    def error(self):
        return super().error() if self.context else trainer_error(self.pointer)

    def check(self, status):
        raised, self.raised = self.raised, None
        if raised:
            raise raised
        super().check(status)

    def backward(self, images, labels=None, share=1.0):
        """Adds the gradients of these images; returns the Loss."""
        images, loss = np.ascontiguousarray(images, np.float32), Loss()
        if images.shape[1:] != self.shape or (labels is not None and len(labels) != len(images)):
            raise ValueError(f'expected images (batch, {", ".join(map(str, self.shape))}) and a label for each, found images of '
                             f'shape {images.shape}')  # the library is told how many there are, and trusts it
        batch = Batch(size=len(images), images=floats(images), share=share)
        if labels is not None:
            labels = np.ascontiguousarray(labels, np.int64)
            batch.labels = labels.ctypes.data_as(POINTER(c_int64))
        self.check(trainer_backward(self.pointer, byref(batch), byref(loss)))
        return loss

    def update(self, learning_rate):
        self.check(trainer_update(self.pointer, learning_rate))

    def learngene(self, context, average=False):
        """What has been learned so far."""
        return Learngene(context, trainer_learngene, self.pointer, average)


def learning_rate(rate, epoch):
    value = c_double()
    status = rate_of_epoch(None, byref(rate), epoch, byref(value))
    if status != OK:
        raise Error(status, b'')
    return value.value
