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
    ### BEGIN SOLUTION
    height, width, _ = image.shape
    padded = np.pad(image, ((padding, padding), (padding, padding), (0, 0)))
    top, left = rng.integers(0, 2 * padding + 1, 2)
    out = padded[top:top + height, left:left + width]
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    angle = np.deg2rad(rng.uniform(low, high))
    height, width, _ = image.shape
    y, x = np.indices((height, width))
    y, x = y - (height - 1) / 2, x - (width - 1) / 2
    rows = x * np.sin(angle) + y * np.cos(angle) + (height - 1) / 2
    columns = x * np.cos(angle) - y * np.sin(angle) + (width - 1) / 2
    black = np.pad(image.astype(float), ((1, 1), (1, 1), (0, 0)))  # pixel (i, j) of the image is (i + 1, j + 1) here
    rows, columns = np.clip(rows + 1, 0, height + 1), np.clip(columns + 1, 0, width + 1)
    top = np.minimum(rows.astype(int), height)
    left = np.minimum(columns.astype(int), width)
    down, right = (rows - top)[:, :, None], (columns - left)[:, :, None]
    above = (1 - right) * black[top, left] + right * black[top, left + 1]
    below = (1 - right) * black[top + 1, left] + right * black[top + 1, left + 1]
    out = np.rint((1 - down) * above + down * below).astype(np.uint8)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    height, width, _ = image.shape
    top, left = rng.integers(0, height - size + 1), rng.integers(0, width - size + 1)
    out = image.copy()
    out[top:top + size, left:left + size] = 0
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    factor = rng.uniform(low, high)
    mean = image.mean()
    out = np.rint(np.clip(mean + factor * (image - mean), 0, 255)).astype(np.uint8)
    if rng.random() < flip:
        out = out[:, ::-1]
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    copies = np.empty_like(images)
    for number, image in enumerate(track(images)):
        for change in (random_crop, random_rotation, random_cutout, random_contrast_and_flip):
            image = change(image, rng)
        copies[number] = image
    images, labels = np.concatenate([images, copies]), np.concatenate([labels, labels])
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    batches = []
    for start in track(range(0, len(images), batch_size)):
        batches.append(backbone(images[start:start + batch_size]))
    features = np.concatenate(batches)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    rng = generator(seed)
    features, hidden, classes = sizes
    params['W1'] = (rng.standard_normal((features, hidden)) / 1000).astype(np.float32)
    params['b1'] = np.zeros(hidden, np.float32)
    params['W2'] = (rng.standard_normal((hidden, classes)) / 1000).astype(np.float32)
    params['b2'] = np.zeros(classes, np.float32)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    hidden = np.maximum(x @ params['W1'] + params['b1'], 0)
    scores = hidden @ params['W2'] + params['b2']
    cache = x, hidden
    ### END SOLUTION
    return scores, cache


def softmax(scores):
    """Turn scores into probabilities; right for scores of any size.

    Args:
        scores: shape (N, C). They stay as they are.

    Returns:
        probabilities: shape (N, C), proportional to exp(score) in each row, which adds up to 1.
    """
    ### BEGIN SOLUTION
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities = powers / powers.sum(axis=1, keepdims=True)
    ### END SOLUTION
    return probabilities


def cross_entropy(scores, labels):
    """Compute the mean loss of a batch, finite and exact for scores of any size.

    Args:
        scores: shape (N, C). They stay as they are.
        labels: the right classes, shape (N,), from 0 to C − 1.

    Returns:
        the mean over the N images of −log(probability of the right class), one number.
    """
    ### BEGIN SOLUTION
    shifted = scores - scores.max(axis=1, keepdims=True)
    right = shifted[np.arange(len(labels)), labels]
    loss = np.mean(np.log(np.exp(shifted).sum(axis=1)) - right)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    x, hidden = cache
    dscores = softmax(scores)
    dscores[np.arange(len(labels)), labels] -= 1
    dscores /= len(labels)
    grads['W2'] = hidden.T @ dscores
    grads['b2'] = dscores.sum(axis=0)
    dhidden = dscores @ params['W2'].T
    dhidden[hidden <= 0] = 0
    grads['W1'] = x.T @ dhidden
    grads['b1'] = dhidden.sum(axis=0)
    ### END SOLUTION
    return grads


def update(params, grads, learning_rate):
    """Take one step of gradient descent: each parameter p in the dictionary becomes p − learning_rate · its gradient.

    Args:
        params: the parameters, which change.
        grads: their gradients, which stay as they are.
        learning_rate: a number.
    """
    ### BEGIN SOLUTION
    for name in params:
        params[name] = params[name] - learning_rate * grads[name]
    ### END SOLUTION


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
    ### BEGIN SOLUTION
    rate = learning_rate / 10 ** (epoch // every)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    scores, _ = forward(x, params)
    loss = cross_entropy(scores, y)
    accuracy = np.mean(scores.argmax(axis=1) == y)
    ### END SOLUTION
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
    ### BEGIN SOLUTION
    x, y = data['x_train'], data['y_train']
    rng = generator(seed)
    for epoch in track(range(epochs)):
        rate = schedule(epoch, learning_rate, every)
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start:start + batch_size]
            scores, cache = forward(x[batch], params)
            update(params, backward(scores, y[batch], params, cache), rate)
        loss, train_accuracy = evaluate(params, x, y)
        _, test_accuracy = evaluate(params, data['x_test'], data['y_test'])
        history['loss'].append(loss)
        history['train_accuracy'].append(train_accuracy)
        history['test_accuracy'].append(test_accuracy)
    ### END SOLUTION
    return history
