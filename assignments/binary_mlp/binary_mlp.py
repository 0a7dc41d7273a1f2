"""A network for two classes, written by hand in NumPy: layers, loss, network, training.

Every layer is a class. `forward` computes its output and keeps whatever `backward` will need. `backward` takes
the gradient of the loss with respect to the output, keeps the gradients of the layer's own parameters, and
returns the gradient with respect to the input. `step` then moves the parameters.

Shapes: N images, D numbers per image, M outputs of a layer, H hidden units. Parameters are float64.

Use NumPy only. The gradients are yours to write.
"""

import numpy as np

from toolbox.progress import track


class LinearLayer:
    """An affine map of each image: out = x·weights + bias."""

    def __init__(self, input_dim, output_dim):
        """Make the parameters of the layer.

        Args:
            input_dim: D, numbers per image.
            output_dim: M, outputs per image.

        Sets `weights` (D, M), small random numbers with mean 0, and `bias` (M,), zeros. Draw from NumPy's
        global generator (`np.random.randn`), so that `np.random.seed` makes a network repeatable.
        """
        ### BEGIN SOLUTION
        self.weights = np.random.randn(input_dim, output_dim) * np.sqrt(2 / input_dim)
        self.bias = np.zeros(output_dim)
        ### END SOLUTION
        self.x = None                  # what `forward` was given
        self.grad_weights = None       # what `backward` computes
        self.grad_bias = None
        self.velocity_weights = np.zeros((input_dim, output_dim))
        self.velocity_bias = np.zeros(output_dim)

    def forward(self, x):
        """Compute the output of the layer and keep x for `backward`.

        Args:
            x: inputs, shape (N, D).

        Returns:
            out: shape (N, M).
        """
        self.x = x
        ### BEGIN SOLUTION
        out = x @ self.weights + self.bias
        ### END SOLUTION
        return out

    def backward(self, grad):
        """Compute the gradients of the layer for the images of the last `forward`.

        Args:
            grad: gradient of the loss with respect to the output, shape (N, M).

        Returns:
            gradient with respect to x, shape (N, D).

        Sets `grad_weights` (D, M) and `grad_bias` (M,).
        """
        x = self.x
        ### BEGIN SOLUTION
        self.grad_weights = x.T @ grad
        self.grad_bias = grad.sum(axis=0)
        grad_x = grad @ self.weights.T
        ### END SOLUTION
        return grad_x

    def step(self, step_size, momentum=0.8, weight_decay=0.0):
        """Move the parameters by one step of gradient descent with momentum and weight decay.

        v ← μ·v − η·grad_weights, weights ← weights + v − 2·η·λ·weights, where the last term takes the weights
        from before the step. The bias moves in the same way, with a velocity of its own and no decay.

        Args:
            step_size: η.
            momentum: μ.
            weight_decay: λ.
        """
        ### BEGIN SOLUTION
        self.velocity_weights *= momentum
        self.velocity_weights -= step_size * self.grad_weights
        self.weights *= 1 - 2 * step_size * weight_decay
        self.weights += self.velocity_weights
        self.velocity_bias = momentum * self.velocity_bias - step_size * self.grad_bias
        self.bias = self.bias + self.velocity_bias
        ### END SOLUTION


class ReLU:
    """The rectifier: out = max(0, x), number by number."""

    def __init__(self):
        self.x = None

    def forward(self, x):
        """Compute the output; x stays as it is, and is kept for `backward`.

        Args:
            x: inputs of any shape.

        Returns:
            out: shape of x.
        """
        self.x = x
        ### BEGIN SOLUTION
        out = np.maximum(x, 0)
        ### END SOLUTION
        return out

    def backward(self, grad):
        """Compute the gradient with respect to the input of the last `forward`; it is 0 where that was 0.

        Args:
            grad: gradient with respect to the output, shape of x.

        Returns:
            gradient with respect to x, same shape.
        """
        x = self.x
        ### BEGIN SOLUTION
        grad_x = grad * (x > 0)
        ### END SOLUTION
        return grad_x

    def step(self, step_size, momentum=0.8, weight_decay=0.0):
        """Do nothing: this layer has no parameters. With it a network can treat all layers alike."""


class SigmoidCrossEntropy:
    """The loss of two classes: the cross-entropy between labels and the sigmoid of the logits."""

    def __init__(self):
        self.logits = None
        self.labels = None

    def forward(self, logits, labels):
        """Compute the mean loss of a batch, finite and exact for logits of any size.

        Args:
            logits: shape (N, 1); σ(logit) is the probability of class 1.
            labels: shape (N, 1), each 0 or 1.

        Returns:
            the mean over the N images of −y·log σ(z) − (1 − y)·log(1 − σ(z)), one number.
        """
        self.logits, self.labels = logits, labels
        ### BEGIN SOLUTION
        loss = np.mean(np.maximum(logits, 0) - logits * labels + np.log1p(np.exp(-np.abs(logits))))
        ### END SOLUTION
        return loss

    def backward(self):
        """Return the gradient of the last `forward`'s mean loss with respect to its logits, shape (N, 1)."""
        logits, labels = self.logits, self.labels
        ### BEGIN SOLUTION
        small = np.exp(-np.abs(logits))
        probabilities = np.where(logits > 0, 1.0, small) / (1 + small)
        grad = (probabilities - labels) / len(logits)
        ### END SOLUTION
        return grad


class FeedForwardNeuralNetwork:
    """Linear – ReLU – linear – … – linear: `num_layers` linear layers with a ReLU between any two of them."""

    def __init__(self, input_dim, output_dim, hidden_dim, num_layers):
        """Make the layers.

        Args:
            input_dim: D, numbers per image.
            output_dim: numbers per image that the last layer gives; 1 for two classes.
            hidden_dim: H, outputs of every other linear layer.
            num_layers: how many linear layers, at least 1.

        Sets `layers`, the list of all layers in order: LinearLayer, ReLU, LinearLayer, …, LinearLayer.
        """
        self.layers = []
        ### BEGIN SOLUTION
        sizes = [input_dim] + [hidden_dim] * (num_layers - 1) + [output_dim]
        for number in range(num_layers):
            if number > 0:
                self.layers.append(ReLU())
            self.layers.append(LinearLayer(sizes[number], sizes[number + 1]))
        ### END SOLUTION

    def forward(self, x):
        """Compute the logits of a batch.

        Args:
            x: images, shape (N, D).

        Returns:
            logits: shape (N, output_dim).
        """
        ### BEGIN SOLUTION
        out = x
        for layer in self.layers:
            out = layer.forward(out)
        ### END SOLUTION
        return out

    def backward(self, grad):
        """Compute the gradients of all layers, going through them in reverse order.

        Args:
            grad: gradient of the loss with respect to the logits, shape (N, output_dim).

        Returns:
            gradient with respect to x, shape (N, D).
        """
        ### BEGIN SOLUTION
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        ### END SOLUTION
        return grad

    def step(self, step_size, momentum=0.8, weight_decay=0.0):
        """Let every layer move its parameters; arguments as in `LinearLayer.step`."""
        ### BEGIN SOLUTION
        for layer in self.layers:
            layer.step(step_size, momentum, weight_decay)
        ### END SOLUTION


def save(model, path):
    """Write the weights W1, b1, W2, b2, … of a network to an `.npz` file that `load` and the grader can read."""
    arrays = {}
    for number, layer in enumerate(linear_layers(model), start=1):
        arrays[f'W{number}'], arrays[f'b{number}'] = layer.weights, layer.bias
    np.savez(path, **arrays)
    print(f'saved {path}')


def load(path):
    """Return the network that `save` has written to a file."""
    with np.load(path) as saved:
        arrays = {name: saved[name].astype(np.float64) for name in saved.files}
    num_layers = len(arrays) // 2
    input_dim, hidden_dim = arrays['W1'].shape
    model = FeedForwardNeuralNetwork(input_dim, arrays[f'W{num_layers}'].shape[1], hidden_dim, num_layers)
    for number, layer in enumerate(linear_layers(model), start=1):
        layer.weights, layer.bias = arrays[f'W{number}'], arrays[f'b{number}']
    return model


def linear_layers(model):
    """Return the linear layers of a network, in order."""
    return [layer for layer in model.layers if isinstance(layer, LinearLayer)]


def prepare(images):
    """Return the arrays that `train` takes, from what `toolbox.data.load(classes=(0, 8))` gives.

    Args:
        images: a data set of two classes with the parts train, val and test.

    Returns:
        a dictionary: x_train (10000, 3072) float32, the images of the parts train and val, each in one row;
        y_train (10000, 1) float64, 0 or 1; x_test (2000, 3072) and y_test (2000, 1) of the part test.
    """
    x = {part: getattr(images, f'X_{part}').flatten(1).numpy() for part in ('train', 'val', 'test')}
    y = {part: getattr(images, f'y_{part}').double()[:, None].numpy() for part in ('train', 'val', 'test')}
    return {
        'x_train': np.concatenate([x['train'], x['val']]), 'y_train': np.concatenate([y['train'], y['val']]),
        'x_test': x['test'], 'y_test': y['test'],
    }


def evaluate(model, x, y, batch_size):
    """Measure a network on images, some at a time.

    Args:
        model: a FeedForwardNeuralNetwork with one output.
        x: images, shape (N, D).
        y: labels, shape (N, 1), each 0 or 1.
        batch_size: how many images at a time; the last batch has what is left.

    Returns:
        loss: the mean loss over all N images.
        accuracy: the fraction of images that are classified correctly, from 0 to 1. An image is taken for
        class 1 where its logit is positive.
    """
    ### BEGIN SOLUTION
    criterion = SigmoidCrossEntropy()
    loss = right = 0
    for start in range(0, len(x), batch_size):
        labels = y[start:start + batch_size]
        logits = model.forward(x[start:start + batch_size])
        loss += criterion.forward(logits, labels) * len(labels)
        right += np.sum((logits > 0) == labels)
    loss, accuracy = loss / len(x), right / len(x)
    ### END SOLUTION
    return loss, accuracy


AT_ONCE = 1000
"""How many images `train` gives `evaluate` at a time; any number will do."""


def train(model, data, *, step_size, momentum, weight_decay, batch_size, max_epochs, seed):
    """Train a network by gradient descent on batches.

    Each epoch goes once through the training images, in a random order of its own, and takes a step after every
    `batch_size` of them; the last batch of an epoch has what is left. `seed` decides the orders
    (`np.random.default_rng(seed)`). `track(range(max_epochs))` counts like `range` and shows a progress bar.

    Args:
        model: a FeedForwardNeuralNetwork, which is trained in place.
        data: x_train (N, D), y_train (N, 1), x_test, y_test, as `prepare` returns them. They stay as they are.
        step_size, momentum, weight_decay: as in `LinearLayer.step`.
        batch_size: images per step.
        max_epochs: how many epochs.
        seed: a whole number; the same one gives the same training.

    Returns:
        history: a dictionary of lists with one number per epoch, measured after it:
            objective: the mean loss on the training images, plus λ·ΣW² over all weights (λ is weight_decay; no
            biases). It is for the figure alone. With momentum the steps lead to the minimum of another sum, since the
            decay stands outside of the velocity; question 1 of the notebook asks which;
            train_error, test_error: the fraction of training and of test images that are classified wrongly.
    """
    history = {'objective': [], 'train_error': [], 'test_error': []}
    ### BEGIN SOLUTION
    x, y = data['x_train'], data['y_train']
    rng = np.random.default_rng(seed)
    criterion = SigmoidCrossEntropy()
    for _ in track(range(max_epochs)):
        order = rng.permutation(len(x))
        for start in range(0, len(x), batch_size):
            batch = order[start:start + batch_size]
            criterion.forward(model.forward(x[batch]), y[batch])
            model.backward(criterion.backward())
            model.step(step_size, momentum, weight_decay)
        loss, train_accuracy = evaluate(model, x, y, AT_ONCE)
        _, test_accuracy = evaluate(model, data['x_test'], data['y_test'], AT_ONCE)
        squares = sum(np.sum(layer.weights ** 2) for layer in linear_layers(model))
        history['objective'].append(loss + weight_decay * squares)
        history['train_error'].append(1 - train_accuracy)
        history['test_error'].append(1 - test_accuracy)
    ### END SOLUTION
    return history


def sweep(name, values, base):
    """Train one network for each value of one setting, all else being equal.

    Args:
        name: the setting that changes: 'batch_size', 'step_size', 'hidden_dim', or any other of `base`.
        values: the values that it takes, one after the other.
        base: a dictionary of all settings: data, hidden_dim, num_layers and the keyword arguments of `train`.
            It stays as it is.

    Returns:
        a list: for each value the test accuracy after the last epoch, from 0 to 1. Every network is a fresh one
        of one output, drawn after `np.random.seed(seed)` with the seed of the settings: what differs is `name`.
    """
    accuracies = []
    ### BEGIN SOLUTION
    for value in values:
        settings = {**base, name: value}
        np.random.seed(settings['seed'])
        data, hidden_dim, num_layers = (settings.pop(key) for key in ('data', 'hidden_dim', 'num_layers'))
        model = FeedForwardNeuralNetwork(data['x_train'].shape[1], 1, hidden_dim, num_layers)
        history = train(model, data, **settings)
        accuracies.append(1 - history['test_error'][-1])
    ### END SOLUTION
    return accuracies
