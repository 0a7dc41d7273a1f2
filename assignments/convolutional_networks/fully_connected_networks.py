"""Fully connected networks, written by hand: layers, two networks, update rules.

Every layer is a class with two static methods. `forward` returns its output and a cache: whatever
`backward` will need. `backward` takes the gradient of the loss with respect to the output, `dout`, and
returns the gradients with respect to the inputs, in the order of the inputs.

Shapes: N images, D numbers per image, H hidden units, M outputs of a layer, C classes.

Use tensor operations only. Neither `torch.nn` nor autograd belongs in this file: the gradients are
yours to write.
"""

from itertools import pairwise

import torch

from toolbox.losses import softmax_loss
from toolbox.solver import Solver


class Linear:
    """An affine map of each image: out = x·w + b."""

    @staticmethod
    def forward(x, w, b):
        """Compute the output of a linear layer.

        Args:
            x: inputs, shape (N, d1, …, dk), any number of trailing dimensions; D = d1·…·dk.
            w: weights, shape (D, M).
            b: biases, shape (M,).

        Returns:
            out: shape (N, M).
            cache: (x, w, b).
        """
        ### BEGIN SOLUTION
        out = x.reshape(x.shape[0], -1) @ w + b
        ### END SOLUTION
        cache = (x, w, b)
        return out, cache

    @staticmethod
    def backward(dout, cache):
        """Compute the gradients of a linear layer.

        Args:
            dout: gradient with respect to the output, shape (N, M).
            cache: (x, w, b) from the forward pass.

        Returns:
            dx: shape of x, (N, d1, …, dk).
            dw: shape (D, M).
            db: shape (M,).
        """
        x, w, _ = cache
        ### BEGIN SOLUTION
        dx = (dout @ w.t()).reshape(x.shape)
        dw = x.reshape(x.shape[0], -1).t() @ dout
        db = dout.sum(dim=0)
        ### END SOLUTION
        return dx, dw, db


class ReLU:
    """The rectifier: out = max(0, x), number by number."""

    @staticmethod
    def forward(x):
        """Compute the output of a ReLU layer; x stays as it is.

        Args:
            x: inputs of any shape.

        Returns:
            out: shape of x.
            cache: x.
        """
        ### BEGIN SOLUTION
        out = x.clamp(min=0)
        ### END SOLUTION
        cache = x
        return out, cache

    @staticmethod
    def backward(dout, cache):
        """Compute the gradient of a ReLU layer; it is 0 where x is 0.

        Args:
            dout: gradient with respect to the output, any shape.
            cache: x from the forward pass, same shape.

        Returns:
            dx: same shape.
        """
        x = cache
        ### BEGIN SOLUTION
        dx = dout * (x > 0)
        ### END SOLUTION
        return dx


class Linear_ReLU:
    """A linear layer followed by a ReLU, given: it shows how layers are put together."""

    @staticmethod
    def forward(x, w, b):
        """Return (out, cache) of a ReLU on top of a linear layer; arguments as in `Linear.forward`."""
        a, linear_cache = Linear.forward(x, w, b)
        out, relu_cache = ReLU.forward(a)
        return out, (linear_cache, relu_cache)

    @staticmethod
    def backward(dout, cache):
        """Return (dx, dw, db), going through the two layers in reverse order."""
        linear_cache, relu_cache = cache
        da = ReLU.backward(dout, relu_cache)
        return Linear.backward(da, linear_cache)


class Dropout:
    """Inverted dropout: in training, drop each number with probability p and scale up the others.

    N. Srivastava and others, Dropout: a simple way to prevent neural networks from overfitting,
    Journal of Machine Learning Research 15, 2014. Dividing by 1 − p in training, so that testing
    needs no change, is the inverted form.
    """

    @staticmethod
    def forward(x, dropout_param):
        """Compute the output of a dropout layer.

        Args:
            x: inputs of any shape.
            dropout_param: a dictionary with
                p: the probability of dropping a number, 0 ≤ p < 1;
                mode: 'train' (drop and scale) or 'test' (return the input);
                seed (may be missing): makes the draw repeatable.

        Returns:
            out: shape of x.
            cache: (dropout_param, mask), mask None in test mode.
        """
        p, mode = dropout_param['p'], dropout_param['mode']
        if dropout_param.get('seed') is not None:
            torch.manual_seed(dropout_param['seed'])

        mask = None
        if mode == 'train':
            ### BEGIN SOLUTION
            mask = (torch.rand(x.shape, device=x.device) >= p).to(x.dtype) / (1 - p)
            out = x * mask
            ### END SOLUTION
        elif mode == 'test':
            ### BEGIN SOLUTION
            out = x
            ### END SOLUTION
        else:
            raise ValueError(f"mode is 'train' or 'test', not {mode!r}")
        return out, (dropout_param, mask)

    @staticmethod
    def backward(dout, cache):
        """Compute the gradient of a dropout layer.

        Args:
            dout: gradient with respect to the output, any shape.
            cache: (dropout_param, mask) from the forward pass.

        Returns:
            dx: shape of dout.
        """
        dropout_param, mask = cache
        mode = dropout_param['mode']
        if mode == 'train':
            ### BEGIN SOLUTION
            dx = dout * mask
            ### END SOLUTION
        elif mode == 'test':
            ### BEGIN SOLUTION
            dx = dout
            ### END SOLUTION
        return dx


class TwoLayerNet:
    """Linear – ReLU – linear – softmax, with L2 regularisation.

    It works on batches of images and is trained by a `Solver`, which reads `params` and calls `loss`.
    """

    def __init__(self, input_dim=3072, hidden_dim=100, num_classes=10,
                 weight_scale=1e-3, reg=0.0, dtype=torch.float32, device='cpu'):
        """Make the parameters of the network.

        Args:
            input_dim: D, numbers per image.
            hidden_dim: H, units of the hidden layer.
            num_classes: C.
            weight_scale: standard deviation of the initial weights, which are normal with mean 0.
            reg: λ, strength of the L2 regularisation.
            dtype: type of all parameters.
            device: where the parameters live.

        Sets `self.params`: W1 (D, H), b1 (H,), W2 (H, C), b2 (C,); biases start at zero.
        """
        self.params = {}
        self.reg = reg
        ### BEGIN SOLUTION
        self.params['W1'] = weight_scale * torch.randn(input_dim, hidden_dim, dtype=dtype, device=device)
        self.params['b1'] = torch.zeros(hidden_dim, dtype=dtype, device=device)
        self.params['W2'] = weight_scale * torch.randn(hidden_dim, num_classes, dtype=dtype, device=device)
        self.params['b2'] = torch.zeros(num_classes, dtype=dtype, device=device)
        ### END SOLUTION

    def save(self, path):
        """Write the network to a file that `load` and the grader can read."""
        torch.save({'reg': self.reg, 'params': self.params}, path)
        print(f'saved {path}')

    def load(self, path, dtype, device):
        """Read parameters that `save` has written."""
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
        self.reg = checkpoint['reg']
        self.params = {name: value.to(dtype).to(device) for name, value in checkpoint['params'].items()}

    def loss(self, X, y=None):
        """Compute the scores of a batch, or its loss and the gradients.

        Args:
            X: images, shape (N, d1, …, dk).
            y: labels, shape (N,), 0 ≤ y[i] < C; None for scores alone.

        Returns:
            If y is None: scores, shape (N, C).
            Else: loss, the mean softmax loss plus ½·λ·(ΣW1² + ΣW2²), and grads, a dictionary with
            the keys of `self.params`: the gradient of the loss with respect to each parameter.
        """
        scores = None
        ### BEGIN SOLUTION
        hidden, hidden_cache = Linear_ReLU.forward(X, self.params['W1'], self.params['b1'])
        scores, scores_cache = Linear.forward(hidden, self.params['W2'], self.params['b2'])
        ### END SOLUTION
        if y is None:
            return scores

        loss, grads = 0, {}
        ### BEGIN SOLUTION
        loss, dscores = softmax_loss(scores, y)
        dhidden, grads['W2'], grads['b2'] = Linear.backward(dscores, scores_cache)
        _, grads['W1'], grads['b1'] = Linear_ReLU.backward(dhidden, hidden_cache)
        for name in ('W1', 'W2'):
            loss = loss + 0.5 * self.reg * (self.params[name] ** 2).sum()
            grads[name] += self.reg * self.params[name]
        ### END SOLUTION
        return loss, grads


class FullyConnectedNet:
    """A network of any depth: {linear – ReLU – [dropout]} × (L − 1) – linear – softmax."""

    def __init__(self, hidden_dims, input_dim=3072, num_classes=10, dropout=0.0, reg=0.0,
                 weight_scale=1e-2, seed=None, dtype=torch.float32, device='cpu'):
        """Make the parameters of the network.

        Args:
            hidden_dims: a list, units of each hidden layer.
            input_dim: D, numbers per image.
            num_classes: C.
            dropout: probability of dropping a unit after each ReLU; 0 means no dropout.
            reg: λ, strength of the L2 regularisation.
            weight_scale: standard deviation of the initial weights, which are normal with mean 0.
            seed: makes dropout repeatable, for gradient checks.
            dtype: type of all parameters and of all computations.
            device: where the parameters live.

        Sets `self.params`: W1, b1, …, WL, bL, biases zero, L = len(hidden_dims) + 1.
        """
        self.use_dropout = dropout != 0
        self.reg = reg
        self.num_layers = 1 + len(hidden_dims)
        self.dtype = dtype
        self.params = {}
        ### BEGIN SOLUTION
        sizes = [input_dim, *hidden_dims, num_classes]
        for layer, (rows, columns) in enumerate(pairwise(sizes), start=1):
            self.params[f'W{layer}'] = weight_scale * torch.randn(rows, columns, dtype=dtype, device=device)
            self.params[f'b{layer}'] = torch.zeros(columns, dtype=dtype, device=device)
        ### END SOLUTION

        self.dropout_param = {}
        if self.use_dropout:
            self.dropout_param = {'mode': 'train', 'p': dropout}
            if seed is not None:
                self.dropout_param['seed'] = seed

    def save(self, path):
        """Write the network to a file that `load` and the grader can read."""
        torch.save({'reg': self.reg, 'dtype': self.dtype, 'params': self.params, 'num_layers': self.num_layers,
                    'use_dropout': self.use_dropout, 'dropout_param': self.dropout_param}, path)
        print(f'saved {path}')

    def load(self, path, dtype, device):
        """Read parameters that `save` has written."""
        checkpoint = torch.load(path, map_location='cpu', weights_only=True)
        self.reg = checkpoint['reg']
        self.dtype = dtype
        self.num_layers = checkpoint['num_layers']
        self.use_dropout = checkpoint['use_dropout']
        self.dropout_param = checkpoint['dropout_param']
        self.params = {name: value.to(dtype).to(device) for name, value in checkpoint['params'].items()}

    def loss(self, X, y=None):
        """Compute the scores of a batch, or its loss and the gradients.

        Args:
            X: images, shape (N, d1, …, dk), of any floating type.
            y: labels, shape (N,); None for scores alone, in test mode (no dropout).

        Returns:
            If y is None: scores, shape (N, C).
            Else: loss, the mean softmax loss plus ½·λ·ΣW² over all weights, and grads, a dictionary
            with the keys of `self.params`.
        """
        X = X.to(self.dtype)
        mode = 'test' if y is None else 'train'
        if self.use_dropout:
            self.dropout_param['mode'] = mode

        scores = None
        ### BEGIN SOLUTION
        out, caches = X, []
        for layer in range(1, self.num_layers):
            out, cache = Linear_ReLU.forward(out, self.params[f'W{layer}'], self.params[f'b{layer}'])
            dropout_cache = None
            if self.use_dropout:
                out, dropout_cache = Dropout.forward(out, self.dropout_param)
            caches.append((cache, dropout_cache))
        last = self.num_layers
        scores, scores_cache = Linear.forward(out, self.params[f'W{last}'], self.params[f'b{last}'])
        ### END SOLUTION
        if y is None:
            return scores

        loss, grads = 0, {}
        ### BEGIN SOLUTION
        loss, dscores = softmax_loss(scores, y)
        dout, grads[f'W{last}'], grads[f'b{last}'] = Linear.backward(dscores, scores_cache)
        for layer in range(last - 1, 0, -1):
            cache, dropout_cache = caches[layer - 1]
            if self.use_dropout:
                dout = Dropout.backward(dout, dropout_cache)
            dout, grads[f'W{layer}'], grads[f'b{layer}'] = Linear_ReLU.backward(dout, cache)
        for layer in range(1, last + 1):
            weights = self.params[f'W{layer}']
            loss = loss + 0.5 * self.reg * (weights ** 2).sum()
            grads[f'W{layer}'] += self.reg * weights
        ### END SOLUTION
        return loss, grads


def create_solver_instance(data_dict, dtype, device):
    """Make a solver that trains a two-layer net to at least 50 % validation accuracy.

    Args:
        data_dict: X_train, y_train, X_val, y_val.
        dtype: type of the network's parameters.
        device: where to train.

    Returns:
        A `Solver`, ready for `train()`.
    """
    ### BEGIN SOLUTION
    model = TwoLayerNet(hidden_dim=1024, weight_scale=1e-2, reg=1e-3, dtype=dtype, device=device)
    solver = Solver(model, data_dict, update_rule=sgd_momentum,
                    optim_config={'learning_rate': 1e-1, 'momentum': 0.9},
                    lr_decay=0.85, batch_size=200, num_epochs=20, print_every=1000, device=device)
    ### END SOLUTION
    return solver


def get_three_layer_network_params():
    """Choose how a three-layer net is to overfit 50 images.

    Returns:
        weight_scale, learning_rate: with plain SGD, batches of 25 and 100 units in each hidden layer
        they must reach 100 % training accuracy within 20 epochs.
    """
    ### BEGIN SOLUTION
    weight_scale, learning_rate = 1.5e-1, 1.5e-1
    ### END SOLUTION
    return weight_scale, learning_rate


def get_five_layer_network_params():
    """Choose how a five-layer net is to overfit 50 images; returns and conditions as for three layers."""
    ### BEGIN SOLUTION
    weight_scale, learning_rate = 1.6e-1, 8e-2
    ### END SOLUTION
    return weight_scale, learning_rate


def sgd(w, dw, config=None):
    """Plain stochastic gradient descent, given: next_w = w − η·dw.

    Args:
        w: a parameter, any shape.
        dw: its gradient, same shape.
        config: a dictionary; learning_rate (η) defaults to 1e-2.

    Returns:
        next_w, config.
    """
    if config is None:
        config = {}
    config.setdefault('learning_rate', 1e-2)
    return w - config['learning_rate'] * dw, config


def sgd_momentum(w, dw, config=None):
    """Gradient descent with momentum: v ← μ·v − η·dw, next_w = w + v.

    Args:
        w, dw: a parameter and its gradient.
        config: learning_rate (η) 1e-2, momentum (μ) 0.9, velocity (v) zeros.

    Returns:
        next_w, config; config holds the new velocity.
    """
    if config is None:
        config = {}
    config.setdefault('learning_rate', 1e-2)
    config.setdefault('momentum', 0.9)
    v = config.get('velocity', torch.zeros_like(w))
    ### BEGIN SOLUTION
    v = config['momentum'] * v - config['learning_rate'] * dw
    next_w = w + v
    ### END SOLUTION
    config['velocity'] = v
    return next_w, config


def rmsprop(w, dw, config=None):
    """RMSProp: divide each step by a moving root mean square of the gradients.

    c ← ρ·c + (1 − ρ)·dw², next_w = w − η·dw / (√c + ε).
    T. Tieleman and G. Hinton, Lecture 6.5 of Neural Networks for Machine Learning, 2012.

    Args:
        w, dw: a parameter and its gradient.
        config: learning_rate (η) 1e-2, decay_rate (ρ) 0.99, epsilon (ε) 1e-8, cache (c) zeros.

    Returns:
        next_w, config; config holds the new cache.
    """
    if config is None:
        config = {}
    config.setdefault('learning_rate', 1e-2)
    config.setdefault('decay_rate', 0.99)
    config.setdefault('epsilon', 1e-8)
    config.setdefault('cache', torch.zeros_like(w))
    ### BEGIN SOLUTION
    rho = config['decay_rate']
    config['cache'] = rho * config['cache'] + (1 - rho) * dw ** 2
    next_w = w - config['learning_rate'] * dw / (config['cache'].sqrt() + config['epsilon'])
    ### END SOLUTION
    return next_w, config


def adam(w, dw, config=None):
    """Adam: momentum and RMSProp together, both corrected for their start at zero.

    t ← t + 1, m ← β₁·m + (1 − β₁)·dw, v ← β₂·v + (1 − β₂)·dw²,
    next_w = w − η · (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).
    D. P. Kingma and J. Ba, Adam: a method for stochastic optimization, ICLR 2015, algorithm 1.

    Args:
        w, dw: a parameter and its gradient.
        config: learning_rate (η) 1e-3, beta1 0.9, beta2 0.999, epsilon (ε) 1e-8, m and v zeros, t 0.

    Returns:
        next_w, config; config holds the new m, v and t.
    """
    if config is None:
        config = {}
    config.setdefault('learning_rate', 1e-3)
    config.setdefault('beta1', 0.9)
    config.setdefault('beta2', 0.999)
    config.setdefault('epsilon', 1e-8)
    config.setdefault('m', torch.zeros_like(w))
    config.setdefault('v', torch.zeros_like(w))
    config.setdefault('t', 0)
    ### BEGIN SOLUTION
    beta1, beta2 = config['beta1'], config['beta2']
    config['t'] += 1
    config['m'] = beta1 * config['m'] + (1 - beta1) * dw
    config['v'] = beta2 * config['v'] + (1 - beta2) * dw ** 2
    m_hat = config['m'] / (1 - beta1 ** config['t'])
    v_hat = config['v'] / (1 - beta2 ** config['t'])
    next_w = w - config['learning_rate'] * m_hat / (v_hat.sqrt() + config['epsilon'])
    ### END SOLUTION
    return next_w, config
