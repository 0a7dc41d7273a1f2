"""From a linear classifier to a convolutional network: four models of the same images, compared.

The first three are yours from the first sum to the last gradient, in NumPy:

    linear                     ŷ = x·W + b
    two layers                 ŷ = σ(x·W1 + b1)·W2 + b2, trained on all images at once
    two layers, mini-batches   the same network, trained on a few images at a time

They share one loss, J = (1/m) ΣΣ (ŷ − y)² + λ ΣW², and one update. The fourth is a convolutional network in
torch.nn, which finds its gradients itself.

Shapes: m images in a batch, D = 3072 numbers per image, H = 200 hidden units, K = 10 classes. The weights of a
model are a list [W, b] or [W1, b1, W2, b2]; W has shape (inputs, outputs), b has shape (1, outputs). Labels are
one-hot: row i of y, shape (m, K), is 1 in the column of the class of image i, and 0 elsewhere.

Arrays keep their type: float32 goes in for training, which is twice as fast, and float64 for checks. A NumPy number such
as np.float64(0.5) makes float64 of a float32 array that it multiplies; a number of Python's own does not.

No function changes an array that it is given.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from toolbox.progress import track

MODELS = {
    'linear': ('linear', (3072, 10)),
    'two_layer': ('two_layer', (3072, 200, 10)),
    'two_layer_sgd': ('two_layer', (3072, 200, 10)),
}
"""What is trained by hand: which model, and the widths of its layers."""

SETTINGS = {
    'linear': dict(gains=(), scale=1, learning_rate=1.7e-2, num_steps=500, decay=1.0, reg=0.0),
    'two_layer': dict(gains=(0.07, 0.1), scale=60, learning_rate=1.2e-2, num_steps=500, decay=0.999, reg=0.0),
    'two_layer_sgd': dict(
        gains=(0.2, 0.3), scale=20, learning_rate=1e-2, batch_size=50, num_epochs=20, decay=0.87, reg=3e-4,
    ),
    'convolutional': dict(learning_rate=3e-3, batch_size=100, num_epochs=12),
}
"""Settings that reach what is asked for, by model. Change them as you like."""


# the data, given


def to_arrays(images):
    """Return a data set as NumPy arrays, given: images as rows, labels one-hot.

    Of the images that are for training and validation together, the last tenth validates.

    Args:
        images: what `toolbox.data.load()` returns, with all three parts.

    Returns:
        data: a dictionary. x_train, x_val and x_test are images, shape (m, 3072), float32; y_train, y_val and
            y_test are their labels, shape (m, 10), float32. In CIFAR-10, m is 45,000, 5,000 and 10,000.
    """
    x = torch.cat([images.X_train, images.X_val]).flatten(1).numpy()
    y = one_hot(torch.cat([images.y_train, images.y_val]).numpy())
    first = len(x) * 9 // 10
    return {
        'x_train': x[:first], 'y_train': y[:first], 'x_val': x[first:], 'y_val': y[first:],
        'x_test': images.X_test.flatten(1).numpy(), 'y_test': one_hot(images.y_test.numpy()),
    }


def one_hot(labels, classes=10):
    """Return labels, shape (m,), as rows with a single 1, shape (m, classes), given."""
    return np.eye(classes, dtype=np.float32)[labels]


def initial_weights(sizes, gains=(), seed=0):
    """Make the weights to start from, given, so that a new model predicts 0 for every image.

    A linear model starts from zero. Hidden units that start from zero would stay alike for ever, so a network
    of two layers starts from normal numbers, times gain / √(inputs of the layer). Of these, each hidden unit of the
    second half has the same weights in the first layer as one of the first half, and the opposite ones in the
    second layer: at first the two cancel, and from the first step on they go different ways. Biases are zero.

    Args:
        sizes: (3072, 10) for the linear model, (3072, 200, 10) for two layers; an even number of hidden units.
        gains: of the two layers; none for the linear model. Small ones leave it to training what the hidden units
            look for; the larger those of the first layer are, the more stays as it was drawn.
        seed: of the random numbers.

    Returns:
        weights: [W, b] or [W1, b1, W2, b2], float32.
    """
    weights = [np.zeros(shape, dtype=np.float32) for pair in pairwise(sizes) for shape in (pair, (1, pair[1]))]
    if len(sizes) == 3:
        rng = np.random.default_rng(seed)
        half = sizes[1] // 2
        W1 = gains[0] / np.sqrt(sizes[0]) * rng.standard_normal((sizes[0], half))
        W2 = gains[1] / np.sqrt(sizes[1]) * rng.standard_normal((half, sizes[2]))
        weights[0][:] = np.hstack([W1, W1])
        weights[2][:] = np.vstack([W2, -W2])
    return weights


def save(path, weights):
    """Write the weights of a model to a `.npz` file, given."""
    np.savez(path, **{f'{"Wb"[i % 2]}{i // 2 + 1}': value for i, value in enumerate(weights)})


def load(path):
    """Read the weights of a model, as `save` wrote them, given."""
    with np.load(path) as file:
        return [file[f'{"Wb"[i % 2]}{i // 2 + 1}'].astype(np.float32) for i in range(len(file.files))]


# loss, accuracy and update, the same for all


def mean_squared_error(y, y_hat, weights, reg):
    """Compute the loss J = (1/m) Σ_i Σ_k (ŷ_ik − y_ik)² + λ ΣW².

    The second sum is over all entries of all weights W. Biases do not count.

    Args:
        y: labels, shape (m, K).
        y_hat: predictions, shape (m, K).
        weights: [W, b] or [W1, b1, W2, b2].
        reg: λ.

    Returns:
        J: a number.
    """
    ### BEGIN SOLUTION
    data_term = np.sum((y_hat - y) ** 2) / len(y)
    J = data_term + reg * sum(np.sum(W ** 2) for W in weights[::2])
    ### END SOLUTION
    return J


def accuracy(y_hat, y):
    """Compute how many images are classified correctly, in per cent.

    The guess for an image is the class of its largest prediction.

    Args:
        y_hat: predictions, shape (m, K).
        y: labels, shape (m, K).

    Returns:
        percent: a number from 0 to 100.
    """
    ### BEGIN SOLUTION
    percent = 100 * np.mean(y_hat.argmax(axis=1) == y.argmax(axis=1))
    ### END SOLUTION
    return percent


def gradient_descent(grads, weights, learning_rate, reg):
    """Take one step: W ← W − α ∂J/∂W − α λ W for weights, b ← b − α ∂J/∂b for biases.

    ∂J/∂W is the gradient of the data term, which `backward_*` returns. λ enters here and nowhere else. (The
    derivative of λ W² is 2 λ W; this update decays by half of it. Many courses do so: they mean ½ λ W².)

    Args:
        grads: gradients of the data term, in the order of the weights; they stay as they are.
        weights: [W, b] or [W1, b1, W2, b2]; they stay as they are, too.
        learning_rate: α.
        reg: λ.

    Returns:
        new: the weights after the step, a list of new arrays.
    """
    ### BEGIN SOLUTION
    new = []
    for i, (value, grad) in enumerate(zip(weights, grads, strict=True)):
        decay = reg if i % 2 == 0 else 0.0
        new.append(value - learning_rate * grad - learning_rate * decay * value)
    ### END SOLUTION
    return new


# a linear model


def forward_linear(x, weights):
    """Compute the predictions of the linear model.

    Args:
        x: images, shape (m, D).
        weights: [W, b], W of shape (D, K), b of shape (1, K).

    Returns:
        y_hat: predictions, shape (m, K).
    """
    W, b = weights
    ### BEGIN SOLUTION
    y_hat = x @ W + b
    ### END SOLUTION
    return y_hat


def backward_linear(y, x, y_hat, weights):
    """Compute the gradients of the data term, (1/m) ΣΣ (ŷ − y)², for the linear model.

    Args:
        y: labels, shape (m, K).
        x: images, shape (m, D).
        y_hat: predictions from the forward pass, shape (m, K); like all that is given, they stay as they are.
        weights: [W, b].

    Returns:
        grads: [dW, db], each of the shape of what it is the gradient of.
    """
    ### BEGIN SOLUTION
    dy = 2 * (y_hat - y) / len(y)
    grads = [x.T @ dy, dy.sum(axis=0, keepdims=True)]
    ### END SOLUTION
    return grads


# two layers


def sigmoid(z):
    """Compute σ(z) = 1 / (1 + exp(−z)) for every number of z, however large or small, without an overflow.

    Args:
        z: an array of any shape.

    Returns:
        out: shape and type of z.
    """
    ### BEGIN SOLUTION
    small = np.exp(-np.abs(z))  # between 0 and 1
    out = np.where(z >= 0, 1, small) / (1 + small)
    ### END SOLUTION
    return out


def forward_two_layer(x, weights):
    """Compute z1 = x·W1 + b1, a1 = σ(z1) and the predictions z2 = a1·W2 + b2.

    Args:
        x: images, shape (m, D).
        weights: [W1, b1, W2, b2], of shapes (D, H), (1, H), (H, K), (1, K).

    Returns:
        cache: [z1, a1, z2], of shapes (m, H), (m, H), (m, K).
    """
    W1, b1, W2, b2 = weights
    ### BEGIN SOLUTION
    z1 = x @ W1 + b1
    a1 = sigmoid(z1)
    z2 = a1 @ W2 + b2
    ### END SOLUTION
    return [z1, a1, z2]


def backward_two_layer(y, x, cache, weights):
    """Compute the gradients of the data term, (1/m) ΣΣ (z2 − y)², for the two-layer network.

    Args:
        y: labels, shape (m, K).
        x: images, shape (m, D).
        cache: [z1, a1, z2] from the forward pass; like all that is given, they stay as they are.
        weights: [W1, b1, W2, b2].

    Returns:
        grads: [dW1, db1, dW2, db2], each of the shape of what it is the gradient of.
    """
    _, _, W2, _ = weights
    _, a1, z2 = cache
    ### BEGIN SOLUTION
    dz2 = 2 * (z2 - y) / len(y)
    dz1 = dz2 @ W2.T * a1 * (1 - a1)
    grads = [
        x.T @ dz1,
        dz1.sum(axis=0, keepdims=True),
        a1.T @ dz2,
        dz2.sum(axis=0, keepdims=True),
    ]
    ### END SOLUTION
    return grads


# training


def forward(model, x, weights):
    """Run a model forward, given.

    Args:
        model: 'linear' or 'two_layer'.
        x: images, shape (m, D).
        weights: of that model.

    Returns:
        y_hat: predictions, shape (m, K).
        cache: what `backward` wants to have: y_hat itself, or [z1, a1, z2].
    """
    if model == 'linear':
        y_hat = forward_linear(x, weights)
        return y_hat, y_hat
    cache = forward_two_layer(x, weights)
    return cache[-1], cache


def backward(model, y, x, cache, weights):
    """Return the gradients of the data term for a model, given; `cache` is what `forward` returned."""
    if model == 'linear':
        return backward_linear(y, x, cache, weights)
    return backward_two_layer(y, x, cache, weights)


def train_full_batch(model, data, weights, *, learning_rate, num_steps, decay=1.0, reg=0.0):
    """Train a model by gradient descent, every step on all training images.

    Step t = 0, 1, … has the learning rate learning_rate · decay^t.

    Args:
        model: 'linear' or 'two_layer'.
        data: a dictionary with x_train, y_train, x_val, y_val.
        weights: to start from; they stay as they are.
        learning_rate: of step 0.
        num_steps: how many steps.
        decay: factor of the learning rate from one step to the next.
        reg: λ.

    Returns:
        weights: after the last step.
        history: a dictionary of lists with an entry for each step. loss: J of all training images, before the
            step; val_accuracy: accuracy on the validation images in per cent, after the step.
    """
    x, y = data['x_train'], data['y_train']
    history = {'loss': [], 'val_accuracy': []}
    for step in track(range(num_steps), model):
        ### BEGIN SOLUTION
        y_hat, cache = forward(model, x, weights)
        history['loss'].append(mean_squared_error(y, y_hat, weights, reg))
        grads = backward(model, y, x, cache, weights)
        weights = gradient_descent(grads, weights, learning_rate * decay ** step, reg)
        history['val_accuracy'].append(accuracy(forward(model, data['x_val'], weights)[0], data['y_val']))
        ### END SOLUTION
    return weights, history


def train_mini_batch(model, data, weights, *, learning_rate, batch_size, num_epochs, decay=1.0, reg=0.0, seed=0):
    """Train a model by gradient descent, every step on a few training images.

    Each epoch begins with `order = rng.permutation(m)`, where m is the number of training images. Its batches are
    the first batch_size images in that order, the next ones, and so on; the last batch may be smaller. Every
    image comes once in an epoch. Epoch e = 0, 1, … has the learning rate learning_rate · decay^e.

    Args:
        model, data, weights, reg: as in `train_full_batch`.
        learning_rate: of epoch 0.
        batch_size: images in a batch.
        num_epochs: how often to go through the images.
        decay: factor of the learning rate from one epoch to the next.
        seed: `rng` is `np.random.default_rng(seed)`, made once.

    Returns:
        weights: after the last step.
        history: a dictionary of lists. loss: for each step, J of its batch, before the step; epoch_loss: for each
            epoch, the mean of the losses of its steps; val_accuracy: for each epoch, accuracy on the
            validation images in per cent, after it.
    """
    x, y = data['x_train'], data['y_train']
    rng = np.random.default_rng(seed)
    history = {'loss': [], 'epoch_loss': [], 'val_accuracy': []}
    for epoch in track(range(num_epochs), model):
        ### BEGIN SOLUTION
        order = rng.permutation(len(x))
        losses = []
        for start in range(0, len(x), batch_size):
            rows = order[start:start + batch_size]
            y_hat, cache = forward(model, x[rows], weights)
            losses.append(mean_squared_error(y[rows], y_hat, weights, reg))
            grads = backward(model, y[rows], x[rows], cache, weights)
            weights = gradient_descent(grads, weights, learning_rate * decay ** epoch, reg)
        history['loss'] += losses
        history['epoch_loss'].append(np.mean(losses))
        history['val_accuracy'].append(accuracy(forward(model, data['x_val'], weights)[0], data['y_val']))
        ### END SOLUTION
    return weights, history


def train_by_hand(name, data, seed=0, **changed):
    """Train one of the first three models with its settings, given.

    Images are multiplied by the setting `scale`, s, before the training, and the first weights after it, so what comes
    out is a model of images as they are. It learns differently, though: the gradient of W1 is s times as large, and a
    change of W1 does s times as much, so that the first layer learns s² times as fast as it would, compared
    with the second.

    Args:
        name: 'linear', 'two_layer' or 'two_layer_sgd'.
        data: as in `train_full_batch`.
        seed: of the initial weights, and of the order of the images.
        changed: settings that take the place of those in `SETTINGS`.

    Returns:
        weights, history: from `train_mini_batch` where the settings name a batch_size, else from `train_full_batch`.
    """
    model, sizes = MODELS[name]
    settings = {**SETTINGS[name], **changed}
    gains, scale = settings.pop('gains'), settings.pop('scale')
    if scale != 1:
        data = {key: scale * value if key[0] == 'x' else value for key, value in data.items() if 'test' not in key}
    weights = initial_weights(sizes, gains, seed)
    if 'batch_size' in settings:
        weights, history = train_mini_batch(model, data, weights, seed=seed, **settings)
    else:
        weights, history = train_full_batch(model, data, weights, **settings)
    return [scale * weights[0], *weights[1:]], history


# a convolutional network


class ConvolutionalNet(nn.Module):
    """conv 32 – pool – conv 64 – pool – conv 64 – pool – linear 64 – linear 10, with 122,570 parameters.

    Convolutions have filters of 3 × 3, stride 1 and padding 1, so that images keep their size; each pool takes
    the maximum of windows of 2 × 2. After each convolution and after the first linear layer comes a sigmoid.
    """

    def __init__(self):
        """Make the layers, all with biases, in the order in which images pass them."""
        super().__init__()
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(3, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 64, 3, padding=1)
        self.conv3 = nn.Conv2d(64, 64, 3, padding=1)
        self.hidden = nn.Linear(1024, 64)
        self.output = nn.Linear(64, 10)
        ### END SOLUTION

    def forward(self, x):
        """Compute the scores of images.

        Args:
            x: images, a tensor of shape (m, 3, 32, 32).

        Returns:
            scores: shape (m, 10), numbers of any size; the largest is the guess.
        """
        ### BEGIN SOLUTION
        for conv in (self.conv1, self.conv2, self.conv3):
            x = torch.sigmoid(F.max_pool2d(conv(x), 2))  # as σ grows, its maximum is σ of the maximum
        scores = self.output(torch.sigmoid(self.hidden(x.flatten(1))))
        ### END SOLUTION
        return scores

    def save(self, path):
        """Write the parameters to a `.pth` file, given."""
        torch.save(dict(self.state_dict()), path)

    def load(self, path):
        """Read the parameters from a `.pth` file, given."""
        self.load_state_dict(torch.load(path, map_location='cpu', weights_only=True))


def to_images(x):
    """Return rows of 3072 numbers as a tensor of images (m, 3, 32, 32), given."""
    return torch.from_numpy(x).reshape(-1, 3, 32, 32)


def start(net, gain=4.0):
    """Draw the parameters of a network with sigmoids, given.

    Weights are normal numbers times gain / √(inputs of a unit). What leaves a sigmoid is about ½, not 0, which
    would push every unit of the next layer to one side; its bias −½ ΣW takes that away again.
    """
    for number, layer in enumerate(layer for layer in net.modules() if hasattr(layer, 'weight')):
        with torch.no_grad():
            inputs = layer.weight[0].numel()
            layer.weight.normal_(0, gain / inputs ** 0.5)
            layer.bias.copy_(-0.5 * layer.weight.flatten(1).sum(dim=1) if number else torch.zeros(len(layer.bias)))


def scores_of(net, x, at_once=500):
    """Return the scores of many images, rows of x, as a NumPy array (m, 10), given."""
    with torch.no_grad():
        return torch.cat([net(part) for part in to_images(x).split(at_once)]).numpy()


def train_convolutional(net, data, *, learning_rate, batch_size, num_epochs, seed=0):
    """Train a convolutional network, given: Adam on the softmax loss, half of the images mirrored.

    The learning rate falls to zero along a quarter of a cosine.

    Args:
        net: a `ConvolutionalNet`; it is trained in place.
        data: as in `train_full_batch`.
        learning_rate: to begin with.
        batch_size: images in a batch.
        num_epochs: how often to go through the images.
        seed: of the initial parameters, of the order of the images and of which are mirrored.

    Returns:
        history: a dictionary of lists, as `train_mini_batch` returns it.
    """
    torch.manual_seed(seed)
    start(net)
    X, labels = to_images(data['x_train']), torch.from_numpy(data['y_train'].argmax(axis=1))
    optimizer = torch.optim.Adam(net.parameters(), lr=learning_rate)
    steps = num_epochs * -(-len(X) // batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: np.cos(np.pi / 2 * step / steps))
    history = {'loss': [], 'epoch_loss': [], 'val_accuracy': []}
    for _ in track(range(num_epochs), 'convolutional'):
        taken = []
        for rows in torch.randperm(len(X)).split(batch_size):
            mirrored = torch.rand(len(rows), 1, 1, 1) < 0.5
            batch = torch.where(mirrored, X[rows].flip(3), X[rows])
            loss = F.cross_entropy(net(batch), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            taken.append(loss.item())
        history['loss'] += taken
        history['epoch_loss'].append(np.mean(taken))
        history['val_accuracy'].append(accuracy(scores_of(net, data['x_val']), data['y_val']))
    return history
