#!/usr/bin/env python3
"""Serve a PyTorch model as the teacher of `tleg distill` and `tleg tune`.

    tleg distill ... --teacher-command 'exec python3 serve.py --module train_cnn.py:load --checkpoint teacher.pt --bf16'
    tleg distill ... --teacher-command 'exec python3 serve.py --timm resnet18 --checkpoint finetuned.pt --size 224'

--module FILE.py:FUNCTION calls FUNCTION(CHECKPOINT), or FUNCTION() without --checkpoint, for an nn.Module; --timm NAME makes a
model of that name with the data's classes. Either is given images (count, 3, size, size) and answers with logits
(count, classes), in the order of the student's classes. Several --checkpoint are several models, whose mean answer is given;
--mirror also means over each image and its mirror image. Images arrive prepared for the student: --mean and --std, if they differ
from the student's, and --size turn them into what the model was trained with.

Needs torch (1.13 or later), and timm for --timm. The protocol is described in docs/teachers.md.
"""
import argparse
import contextlib
import importlib.util
import json
import os
import struct
import sys
from pathlib import Path

MAGIC = b'TLEG'


def multiplies_bf16():
    """Whether this processor does. Elsewhere PyTorch imitates it, some ten times slower than f32."""
    import torch
    about = Path('/proc/cpuinfo')
    known = set(about.read_text(encoding='utf-8', errors='replace').split()) if about.exists() else set()
    return torch.backends.mkldnn.is_available() and not known.isdisjoint(('avx512_bf16', 'amx_bf16', 'bf16'))


def three(text):
    values = [float(word) for word in text.split(',')]
    if len(values) != 3:
        raise argparse.ArgumentTypeError(f'expected three numbers, such as 0.5,0.5,0.5; found {text}')
    return values


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument('--module', metavar='FILE.py:FUNCTION', help='a function that returns an nn.Module')
    model.add_argument('--timm', metavar='NAME', help='a model of timm; without --checkpoint with its pretrained weights')
    parser.add_argument('--checkpoint', metavar='FILE', action='append', help='its weights; again for another model beside it')
    parser.add_argument('--mirror', action='store_true', help='answer with the mean over an image and its mirror image')
    parser.add_argument('--size', type=int, help='resize images to the size that the model was trained with')
    parser.add_argument('--mean', type=three, metavar='R,G,B', help='of its images, where they differ from the student\'s')
    parser.add_argument('--std', type=three, metavar='R,G,B')
    parser.add_argument('--threads', type=int, default=os.cpu_count(), help='to compute with (all cores)')
    parser.add_argument('--bf16', action='store_true', help='compute convolutions and products in bfloat16, if the processor does')
    parser.add_argument('--channels-last', action='store_true', help='the order of memory that convolutions like best')
    return parser.parse_args()


class Channel:
    """The two pipes. What anybody prints goes to standard error from here on: standard output is for answers alone."""

    def __init__(self):
        self.questions = sys.stdin.buffer
        self.answers = os.fdopen(os.dup(1), 'wb')
        os.dup2(2, 1)
        self.setup = json.loads(self.questions.readline())
        self.height, self.classes = self.setup['image_size'], self.setup['classes']
        self.width, self.channels = self.setup.get('image_width', self.height), self.setup.get('channels', 3)

    def say(self, **members):
        self.answers.write(json.dumps(members).encode() + b'\n')
        self.answers.flush()

    def read(self, count):
        """So many bytes; fewer when the other side has ended."""
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            came = self.questions.readinto(view[at:])
            if not came:
                return data[:at]
            at += came
        return data

    def questions_asked(self):
        """(header, count, the bytes of the images) of each question, until the training ends."""
        while True:
            header = self.read(8)
            if not header:
                return
            magic, count = struct.unpack('<4sI', header)
            size = 4 * count * self.channels * self.height * self.width
            images = self.read(size)
            if magic != MAGIC or len(images) < size:
                sys.exit('serve.py: the training ended in the middle of a question')
            yield header, count, images


def load(args, classes, checkpoint):
    import torch
    if args.timm:
        import timm
        model = timm.create_model(args.timm, num_classes=classes, pretrained=not checkpoint)
        if checkpoint:
            saved = torch.load(checkpoint, map_location='cpu')
            model.load_state_dict(saved.get('state_dict', saved) if isinstance(saved, dict) else saved)
        return model
    path, _, function = args.module.rpartition(':')
    if not path:
        raise ValueError(f'--module takes FILE.py:FUNCTION; found {args.module}')
    spec = importlib.util.spec_from_file_location('teacher_module', path)
    if spec is None:
        raise ValueError(f'--module {args.module}: {path} is not the name of a Python file')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, function)(*([checkpoint] if checkpoint else []))


class Teacher:
    def __init__(self, args, setup):
        import torch
        torch.set_num_threads(args.threads)
        self.layout = torch.channels_last if args.channels_last else torch.contiguous_format
        self.models = [load(args, setup['classes'], checkpoint).eval().to(memory_format=self.layout)
                       for checkpoint in args.checkpoint or [None]]
        self.size, self.mirror = args.size, args.mirror
        bf16 = args.bf16 and multiplies_bf16()
        if bf16 != args.bf16:
            print('serve.py: --bf16: this processor does not multiply it; it computes in f32', file=sys.stderr)
        self.precision = (lambda: torch.autocast('cpu', torch.bfloat16)) if bf16 else contextlib.nullcontext
        given, own = [(torch.tensor(mean).view(3, 1, 1), torch.tensor(std).view(3, 1, 1)) for mean, std in (
            (setup['mean'], setup['std']), (args.mean or setup['mean'], args.std or setup['std']))]
        self.same = args.mean is None and args.std is None  # as the student's
        self.scale, self.shift = given[1] / own[1], (given[0] - own[0]) / own[1]

    def answer(self, images):
        """Logits (B, classes) f32 of images (B, 3 or 1, height, width) that were prepared for the student."""
        import torch
        if images.shape[1] == 1:  # grey: the model knows colours
            images = images.expand(-1, 3, -1, -1)
        if not self.same:
            images = images * self.scale + self.shift
        if self.size and (self.size, self.size) != images.shape[-2:]:
            images = torch.nn.functional.interpolate(images, size=(self.size, self.size), mode='bicubic', antialias=True)
        views = [view.contiguous(memory_format=self.layout) for view in ((images, images.flip(3)) if self.mirror else (images,))]
        with torch.no_grad(), self.precision():
            return torch.stack([model(view).float() for view in views for model in self.models]).mean(0)


def main():
    args = parse()
    channel = Channel()
    try:
        import torch
        teacher = Teacher(args, channel.setup)
        answered = teacher.answer(torch.zeros(1, channel.channels, channel.height, channel.width)).shape
        if len(answered) != 2:
            raise ValueError(f'the model answers with a tensor of shape {tuple(answered)}; expected (images, classes)')
    except Exception as error:
        channel.say(error=f'{type(error).__name__}: {error}')
        raise
    channel.say(classes=answered[1], name=args.timm or args.module)
    for header, count, images in channel.questions_asked():
        batch = torch.frombuffer(images, dtype=torch.float32).view(count, channel.channels, channel.height, channel.width)
        channel.answers.write(header + teacher.answer(batch).numpy().tobytes())
        channel.answers.flush()


if __name__ == '__main__':
    main()
