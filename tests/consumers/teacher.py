"""The trainer's teacher callback through examples/python/tleg_ctypes.py: what it is asked, that it lives, and how it fails.

    teacher.py        with TLEG_LIBRARY and PYTHONPATH set
"""
import gc

import numpy as np
import tleg_ctypes as tleg

context = tleg.Context()
config = tleg.Config(image_size=8, patch_size=4, dim=16, heads=2, classes=3)
gene = tleg.Learngene.create(context, config, 1)
random = np.random.default_rng(1)
images = random.standard_normal((6, 3, 8, 8)).astype(np.float32)
seen = []


def options():
    return tleg.TrainerOptions(batch=4, depth_mode=tleg.DEPTH_FIXED, depth_least=2, alpha=1)


def make(function):
    """The trainer alone holds what was given to it here."""
    return tleg.Trainer(context, gene, options(), lambda pictures: function(pictures))


def answer(pictures):
    seen.append(pictures.copy())
    return pictures.mean((2, 3)) * 5  # a logit a channel


def fails(status, call, *words):
    try:
        call()
    except tleg.Error as error:
        assert error.status == status and all(word in str(error) for word in words), error
    else:
        raise AssertionError(f'no failure with {words}')


# The teacher sees the very images of each call, full batches and smaller ones, and lives as long as the trainer.
trainer = make(answer)
losses = []
for step in range(40):
    gc.collect()
    count = 4 if step % 2 else 3
    chosen = images[step % 3:step % 3 + count]
    loss = trainer.backward(chosen)
    assert np.array_equal(seen[-1], chosen) and len(seen) == step + 1
    assert loss.depth == 2 and loss.total == loss.teacher > 0 and loss.labels == 0
    losses.append(loss.total)
    trainer.update(1e-2)
assert np.mean(losses[-5:]) < 0.2 * np.mean(losses[:5]), losses

# What has been learned answers as the teacher does, at the depth that was learned.
learned = trainer.learngene(context)
session = tleg.ElasticSession(context, learned, 2)
assert np.array_equal(session.logits(images).argmax(1), answer(images).argmax(1))
del trainer, learned
gc.collect()


# An exception of the teacher stops the step and comes back as itself; so does a status, and what is no number is refused.
def interrupted(pictures):
    raise KeyboardInterrupt('in the teacher')


trainer = make(interrupted)
try:
    trainer.backward(images[:4])
    raise AssertionError('the exception was lost')
except KeyboardInterrupt as raised:
    assert str(raised) == 'in the teacher'
fails(7, lambda: make(lambda pictures: np.full((len(pictures), 3), np.nan, np.float32)).backward(images[:4]), 'step 1', 'teacher')
try:
    make(lambda pictures: np.zeros((len(pictures), 5), np.float32)).backward(images[:4])
    raise AssertionError('five logits for three classes')
except ValueError:
    pass
fails(1, lambda: tleg.Trainer(context, gene, options()).backward(images[:4]), 'no teacher')
fails(1, lambda: make(answer).backward(images[:5]), '5 images')
fails(1, lambda: make(answer).update(-1.0), 'learning rate')
fails(1, lambda: tleg.Trainer(context, gene, tleg.TrainerOptions(batch=4)), 'depth')


def refused(call, words):
    try:
        call()
    except ValueError as error:
        assert words in str(error), error
    else:
        raise AssertionError(f'no failure with {words}')


# What the library cannot count is counted here: images of another size, labels that are too few.
refused(lambda: make(answer).backward(images[:4, :, :4]), 'expected images (batch, 3, 8, 8)')
refused(lambda: make(answer).backward(images[:4], [1]), 'a label for each')

# Pictures are prepared, and a teacher asked, in the channels and by the width that the learngene has.
grey = tleg.Learngene.create(context, tleg.Config(image_size=8, patch_size=4, dim=16, heads=2, classes=3, channels=1), 1)
preparation = tleg.Preparation(context, grey)
assert preparation.shape == (1, 8, 8)
assert context.prepare(preparation, np.zeros((9, 12, 3), np.uint8)).shape == (1, 8, 8)
shapes = []
trainer = tleg.Trainer(context, grey, options(), lambda pictures: shapes.append(pictures.shape) or np.zeros((len(pictures), 3)))
trainer.backward(np.zeros((2, 1, 8, 8), np.float32))
assert shapes == [(2, 1, 8, 8)]
print('the teacher is asked, and its failures arrive')
