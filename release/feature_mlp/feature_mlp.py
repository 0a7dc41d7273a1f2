"""A classifier on features: changed images, features of a fixed network, a network with one hidden layer.

Images are arrays (H, W, 3) of whole numbers from 0 to 255 (`uint8`): rows, columns, and red, green, blue. A set
of them is (N, H, W, 3). `rng` is a generator of random numbers (`np.random.default_rng`); whatever is random is
drawn from it and from nothing else.

The network is a dictionary of parameters: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,).
Shapes: N images, D features, H hidden units, C classes. What a function computes has the type of what it was
given: float32 in training, float64 where gradients are checked. A NumPy number such as np.float64(0.5) makes
float64 of a float32 array that it multiplies; a number of Python's own does not.

Use NumPy only. The gradients are yours to write.
"""

import hashlib
from pathlib import Path

import numpy as np
from backbone import Backbone, load_backbone  # noqa: F401  for the notebook and the checks

from toolbox.progress import track


def generator(seed):
    """Return a generator of random numbers; the same seed gives the same numbers."""
    return np.random.default_rng(seed)


def random_crop(image, rng, padding=4):
    """Cut a window of the image's own size out of the image with a black margin around it.

    Args:
        image: shape (H, W, 3), uint8. It stays as it is.
        rng: decides where the window lies; each of the (2·padding + 1)² places is as likely as any other.
        padding: width of the margin in pixels; with 0 the window is the image.

    Returns:
        the window: shape (H, W, 3), uint8.
    """
    # TODO: write random_crop
    raise NotImplementedError("random_crop is not written yet")
    return out


def random_rotation(image, rng, low=-15.0, high=15.0):
    """Turn the image about its centre, ((H − 1)/2, (W − 1)/2), with bilinear interpolation.

    What lies outside of the image counts as black pixels: near its edge they are interpolated with, too. Results
    are rounded to the nearest whole number.

    Args:
        image: shape (H, W, 3), uint8. It stays as it is.
        rng: decides the angle, any number between low and high.
        low, high: bounds of the angle in degrees, counter-clockwise as one sees the image.

    Returns:
        the turned image: shape (H, W, 3), uint8.
    """
    # TODO: write random_rotation
    raise NotImplementedError("random_rotation is not written yet")
    return out


def random_cutout(image, rng, size=8):
    """Make a square of the image black.

    Args:
        image: shape (H, W, 3), uint8. It stays as it is.
        rng: decides where the square lies; each place at which all of it is inside the image is as likely as
            any other.
        size: side of the square in pixels, at most H and W; with 0 the image stays whole.

    Returns:
        the image with the square: shape (H, W, 3), uint8.
    """
    # TODO: write random_cutout
    raise NotImplementedError("random_cutout is not written yet")
    return out


def random_contrast_and_flip(image, rng, low=0.6, high=1.4, flip=0.5):
    """Change the contrast of the image, and mirror it or not.

    With m the mean of all its numbers, each number v becomes m + f·(v − m), held between 0 and 255 and rounded to
    the nearest whole number.

    Args:
        image: shape (H, W, 3), uint8. It stays as it is.
        rng: decides the factor f, any number between low and high, and, whatever f is, whether left and right are
            exchanged.
        low, high: bounds of the factor.
        flip: probability that left and right are exchanged.

    Returns:
        the changed image: shape (H, W, 3), uint8.
    """
    # TODO: write random_contrast_and_flip
    raise NotImplementedError("random_contrast_and_flip is not written yet")
    return out


def augment(images, labels, rng):
    """Double a set: for each image, add a changed copy with the same label.

    Go through the images in order. Each copy is made by `random_crop`, then `random_rotation`, `random_cutout` and
    `random_contrast_and_flip` on what came out before, all with their default settings and all with `rng`.

    Args:
        images: shape (N, H, W, 3), uint8. They stay as they are.
        labels: shape (N,), whole numbers.
        rng: what the four functions draw from.

    Returns:
        images: shape (2N, H, W, 3), uint8, first the N given ones, then their copies in the same order.
        labels: shape (2N,).
    """
    # TODO: write augment
    raise NotImplementedError("augment is not written yet")
    return images, labels


def extract_features(images, backbone, batch_size=100):
    """Compute the features of all images, some at a time. `track(…)` goes through a range and shows a bar.

    Args:
        images: shape (N, H, W, 3), uint8.
        backbone: a function from images (n, H, W, 3) to features (n, D), such as `load_backbone()`.
        batch_size: how many images the backbone gets at a time; the last batch has what is left.

    Returns:
        features: shape (N, D), float32, in the order of the images.
    """
    # TODO: write extract_features
    raise NotImplementedError("extract_features is not written yet")
    return features


def kept_features(file, images, backbone, batch_size=100):
    """Return the features of images as `extract_features` gives them, from a file if they are in it.

    What has been computed is written to the file. The images are recognised by a digest of all their numbers, so
    features of other images are never mistaken for theirs.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(images)).hexdigest()
    if Path(file).is_file():
        with np.load(file) as kept:
            if str(kept['digest']) == digest:
                return kept['features']
    features = extract_features(images, backbone, batch_size)
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, features=features, digest=digest)
    return features


def initialize(seed, sizes=(512, 64, 10)):
    """Make the parameters of a network.

    Args:
        seed: a whole number; the same one gives the same parameters.
        sizes: D, H and C.

    Returns:
        params: a dictionary of float32 arrays: W1 (D, H) and W2 (H, C), every number drawn from the standard normal
        distribution and divided by 1000; b1 (H,) and b2 (C,), zeros.
    """
    params = {}
    # TODO: write initialize
    raise NotImplementedError("initialize is not written yet")
    return params


def forward(x, params):
    """Compute the scores of a batch: linear, ReLU, linear.

    Args:
        x: features, shape (N, D). They stay as they are.
        params: the parameters.

    Returns:
        scores: shape (N, C).
        cache: whatever `backward` needs.
    """
    # TODO: write forward
    raise NotImplementedError("forward is not written yet")
    return scores, cache


def softmax(scores):
    """Turn scores into probabilities; right for scores of any size.

    Args:
        scores: shape (N, C). They stay as they are.

    Returns:
        probabilities: shape (N, C), proportional to exp(score) in each row, which adds up to 1.
    """
    # TODO: write softmax
    raise NotImplementedError("softmax is not written yet")
    return probabilities


def cross_entropy(scores, labels):
    """Compute the mean loss of a batch, finite and exact for scores of any size.

    Args:
        scores: shape (N, C). They stay as they are.
        labels: the right classes, shape (N,), from 0 to C − 1.

    Returns:
        the mean over the N images of −log(probability of the right class), one number.
    """
    # TODO: write cross_entropy
    raise NotImplementedError("cross_entropy is not written yet")
    return loss


def backward(scores, labels, params, cache):
    """Compute the gradients of the mean loss, `cross_entropy(scores, labels)`.

    Args:
        scores, cache: what `forward` returned; scores of shape (N, C). They stay as they are.
        labels: the right classes, shape (N,).
        params: the parameters that `forward` was given. They stay as they are.

    Returns:
        grads: a dictionary with an array for each parameter, named like it and of its shape.
    """
    grads = {}
    # TODO: write backward
    raise NotImplementedError("backward is not written yet")
    return grads


def update(params, grads, learning_rate):
    """Take one step of gradient descent: each parameter p in the dictionary becomes p − learning_rate · its gradient.

    Args:
        params: the parameters, which change.
        grads: their gradients, which stay as they are.
        learning_rate: a number.
    """
    # TODO: write update
    raise NotImplementedError("update is not written yet")


def save(params, path):
    """Write parameters to an `.npz` file that `load` and the grader can read."""
    np.savez(path, **params)
    print(f'saved {path}')


def load(path):
    """Return the parameters that `save` has written to a file, as float32."""
    with np.load(path) as saved:
        return {name: saved[name].astype(np.float32) for name in saved.files}


def prepare(images):
    """Return the images that this assignment trains and tests on, from what `toolbox.data.load()` gives.

    Args:
        images: a data set with the parts train, val and test.

    Returns:
        a dictionary: x_train (25000, 32, 32, 3) uint8 and y_train (25000,), the second half of the images of train and
        val together: the backbone has seen none of them; x_test (10000, 32, 32, 3) and y_test (10000,).
    """
    x = np.concatenate([images.unnormalise(part).numpy() for part in (images.X_train, images.X_val)])
    y = np.concatenate([part.numpy() for part in (images.y_train, images.y_val)])
    half = len(x) // 2
    return {
        'x_train': x[half:], 'y_train': y[half:],
        'x_test': images.unnormalise(images.X_test).numpy(), 'y_test': images.y_test.numpy(),
    }


def schedule(epoch, learning_rate=0.01, every=100):
    """Return the learning rate of an epoch: it is divided by 10 after every so many epochs.

    Args:
        epoch: the number of the epoch, counted from 0.
        learning_rate: that of the first epochs.
        every: how many epochs share one learning rate.
    """
    # TODO: write schedule
    raise NotImplementedError("schedule is not written yet")
    return rate


def evaluate(params, x, y):
    """Measure a network.

    Args:
        params: its parameters.
        x: features, shape (N, D).
        y: the right classes, shape (N,).

    Returns:
        loss: the mean loss, one number.
        accuracy: the fraction of rows whose largest score is that of the right class, from 0 to 1.
    """
    # TODO: write evaluate
    raise NotImplementedError("evaluate is not written yet")
    return loss, accuracy


def train(params, data, *, learning_rate=0.01, every=100, batch_size=64, epochs=300, seed=0):
    """Train a network by gradient descent on batches.

    Each epoch goes once through the training set, in a random order of its own, and takes a step after every
    `batch_size` rows; the last batch of an epoch has what is left. `track(range(epochs))` counts like `range` and
    shows a progress bar.

    Args:
        params: the parameters, which are trained: the dictionary holds the trained ones afterwards.
        data: x_train (N, D), y_train (N,), x_test, y_test. They stay as they are.
        learning_rate, every: decide the learning rate of each epoch, see `schedule`.
        batch_size: rows per step.
        epochs: how many epochs.
        seed: decides the orders (`generator(seed)`): the same one gives the same training.

    Returns:
        history: a dictionary of lists with one number per epoch, measured after it: loss, the mean loss on the
        training set; train_accuracy and test_accuracy, fractions.
    """
    history = {'loss': [], 'train_accuracy': [], 'test_accuracy': []}
    # TODO: write train
    raise NotImplementedError("train is not written yet")
    return history
