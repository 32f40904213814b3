#!/usr/bin/env python3
"""A PyTorch convolutional network teaches a libtleg learngene, in one process.

    distill_from_torch.py [--data DIR] [--teacher FILE.pt] [--epochs N] [--depths 2-4] [-o GENE]

The teacher is a small convolutional network, trained here for a moment (or loaded from what an earlier run saved with
--save-teacher). libtleg trains the student: in each step it calls back into Python with the very images that it is about to
learn from, and PyTorch answers with its logits. Labels are not used (alpha 1): all that the learngene knows comes from the
teacher. Every depth is drawn anew, so that the learngene works at each of them. At the end the two are compared.

Needs numpy, PyTorch, PIL, and libtleg.so.0 (TLEG_LIBRARY=build/lib/libtleg.so.0 for one that is not installed).
"""
import argparse
import os
import sys

import numpy as np
import torch
from PIL import Image
from torch import nn

import tleg_ctypes as tleg

HERE = os.path.dirname(os.path.abspath(__file__))


def read_pictures(context, preparation, folder, classes):
    """All pictures of a folder of class folders, prepared: (count, 3, size, size), and labels."""
    images, labels = [], []
    for label, name in enumerate(classes):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            with Image.open(os.path.join(folder, name, file)) as picture:
                images.append(context.prepare(preparation, np.asarray(picture.convert('RGB'))))
            labels.append(label)
    return np.stack(images), np.array(labels)


def make_network(classes):
    def stage(inputs, outputs):
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(stage(3, 32), stage(32, 64), stage(64, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(64, classes))


def batches(random, count, size):
    """The indices of each batch of an epoch, in random order; what does not fill a batch is left out."""
    order = random.permutation(count)
    return [order[at:at + size] for at in range(0, count - size + 1, size)]


def mirrored(random, images):
    """Half of the pictures, the other way round."""
    flip = random.random(len(images)) < 0.5
    return np.where(flip[:, None, None, None], images[..., ::-1], images)


def train_teacher(network, images, labels, epochs, size, random):
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(epochs):
        for batch in batches(random, len(images), size):
            optimiser.zero_grad()
            logits = network(torch.from_numpy(mirrored(random, images[batch])))
            nn.functional.cross_entropy(logits, torch.from_numpy(labels[batch])).backward()
            optimiser.step()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', default=os.path.join(HERE, '../cifar10/val'), help='folder of class folders')
    parser.add_argument('--teacher', help='a file that --save-teacher wrote')
    parser.add_argument('--save-teacher')
    parser.add_argument('--teacher-epochs', type=int, default=20)
    parser.add_argument('--epochs', type=int, default=60)
    parser.add_argument('--batch', type=int, default=20)
    parser.add_argument('--depths', default='2-4', help='least-most')
    parser.add_argument('--dim', type=int, default=64)
    parser.add_argument('--rate', type=float, default=2e-3, help='the largest learning rate')
    parser.add_argument('--threads', type=int, default=1, help='of libtleg')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('-o', dest='out', default='learngene.safetensors')
    args = parser.parse_args()
    least, most = map(int, args.depths.split('-'))
    random = np.random.default_rng(args.seed)
    torch.manual_seed(args.seed)

    classes = sorted(os.listdir(args.data))
    names = (tleg.c_char_p * len(classes))(*map(os.fsencode, classes))
    context = tleg.Context(workers=args.threads)
    gene = tleg.Learngene.create(context, tleg.Config(image_size=32, patch_size=4, dim=args.dim, heads=max(1, args.dim // 32),
                                                      classes=len(classes), label_count=len(classes), labels=names), args.seed)
    images, labels = read_pictures(context, tleg.Preparation(context, gene), args.data, classes)
    print(f'{len(images)} pictures of {len(classes)} classes')

    network = make_network(len(classes))
    if args.teacher:
        network.load_state_dict(torch.load(args.teacher, map_location='cpu'))
    else:
        train_teacher(network, images, labels, args.teacher_epochs, args.batch, random)
    if args.save_teacher:
        torch.save(network.state_dict(), args.save_teacher)
    network.eval()

    @torch.no_grad()
    def teacher(pictures):
        return network(torch.from_numpy(pictures)).numpy()

    answers = teacher(images)
    print(f'teacher: {(answers.argmax(1) == labels).mean():.1%} of the pictures right')

    # The trainer keeps the teacher's callback alive (see tleg_ctypes.Trainer), and the teacher keeps the network.
    trainer = tleg.Trainer(context, gene, tleg.TrainerOptions(batch=args.batch, depth_mode=tleg.DEPTH_RANDOM, depth_least=least,
                                                              depth_most=most, alpha=1, seed=args.seed), teacher)
    rate = tleg.Rate(epochs=args.epochs, warmup=min(5, args.epochs), peak=args.rate)
    for epoch in range(args.epochs):
        losses = []
        for batch in batches(random, len(images), args.batch):
            losses.append(trainer.backward(mirrored(random, images[batch])).total)
            trainer.update(tleg.learning_rate(rate, epoch))
        print(f'epoch {epoch + 1}: loss {np.mean(losses):.6f}', flush=True)

    gene = trainer.learngene(context)
    session = tleg.ElasticSession(context, gene, least)
    for depth in range(least, most + 1):
        session.set_depth(depth)
        same = session.logits(images).argmax(1) == answers.argmax(1)
        print(f'depth {depth}: {same.mean():.1%} of the answers are the teacher\'s')
    gene.save(args.out)
    print(f'{args.out}: the learngene')


if __name__ == '__main__':
    try:
        main()
    except (tleg.Error, OSError) as failed:
        sys.exit(f'distill_from_torch: {failed}')
