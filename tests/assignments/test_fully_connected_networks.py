"""The checks of the fully connected assignment: right code passes however it is drawn, mistakes do not."""

from functools import cache
from pathlib import Path

import pytest

from autograder.release.strip import strip_module
from toolbox.checks import LocalBackend, Setting, load_checks, run_checks
from toolbox.checks.run import everything_needed

ASSIGNMENT = Path(__file__).resolve().parents[2] / "assignments" / "fully_connected_networks"
MODULE = "fully_connected_networks.py"
SOLUTION = (ASSIGNMENT / MODULE).read_text(encoding="utf-8")
WITH_DATA = {"two_layer_accuracy", "overfit_three_layer", "overfit_five_layer", "saved_five_layer"}


@cache
def checks():
    return {check.id: check for check in load_checks(ASSIGNMENT / "checks")}


def run(tmp_path, source, seed=b"test"):
    """Run the checks that need no images on a module, and return the results by id."""
    (tmp_path / MODULE).write_text(source, encoding="utf-8")
    setting = Setting(LocalBackend(tmp_path, [MODULE]), data=lambda: None, thresholds={}, seed=seed)
    ids = [name for name in checks() if name not in WITH_DATA]
    return {result.id: result for result in run_checks(ASSIGNMENT / "checks", setting, ids)}


@pytest.mark.parametrize("seed", range(10))
def test_the_solution_passes_under_any_seed(tmp_path, seed):
    lost = [(r.id, r.message) for r in run(tmp_path, SOLUTION, b"%d" % seed).values() if r.status != "passed"]
    assert lost == []


def test_the_starter_earns_nothing_and_says_what_is_not_written(tmp_path):
    results = run(tmp_path, strip_module(SOLUTION, MODULE)).values()
    assert all(r.score == 0 and "is not written yet" in r.message for r in results)


def test_the_other_convention_of_regularisation_is_right_too(tmp_path):
    source = SOLUTION.replace("0.5 * self.reg *", "self.reg *")
    source = source.replace("+= self.reg * self.params[name]", "+= 2 * self.reg * self.params[name]")
    source = source.replace("+= self.reg * weights", "+= 2 * self.reg * weights")
    assert all(r.status == "passed" for r in run(tmp_path, source).values())


MISTAKES = {
    # Linear
    "bias forgotten": ("@ w + b", "@ w", "linear_forward"),
    "bias subtracted": ("@ w + b", "@ w - b", "linear_forward"),
    "view of what may not be contiguous": ("out = x.reshape", "out = x.view", "linear_forward"),
    "flattened in another order": ("out = x.reshape(x.shape[0], -1)", "out = x.transpose(1, -1).reshape(x.shape[0], -1)",
                                   "linear_forward"),
    "float32 on the way": ("-1) @ w + b", "-1).float() @ w.float() + b.float()", "linear_forward"),
    "dx not in the shape of x": (".reshape(x.shape)\n        dw", "\n        dw", "linear_backward"),
    "dw transposed": ("dw = x.reshape(x.shape[0], -1).t() @ dout", "dw = dout.t() @ x.reshape(x.shape[0], -1)",
                      "linear_backward"),
    "db is a mean": ("dout.sum(dim=0)", "dout.mean(dim=0)", "linear_backward"),
    "db over the wrong axis": ("dout.sum(dim=0)", "dout.sum(dim=1)", "linear_backward"),
    "dw divided by N": ("-1).t() @ dout", "-1).t() @ dout / len(x)", "linear_backward"),
    "dw is zero": ("-1).t() @ dout", "-1).t() @ dout * 0", "linear_backward"),
    # ReLU
    "relu in place": ("x.clamp(min=0)", "x.clamp_(min=0)", "relu_forward"),
    "leaky relu": ("x.clamp(min=0)", "torch.where(x > 0, x, 0.01 * x)", "relu_forward"),
    "absolute value": ("x.clamp(min=0)", "x.abs()", "relu_forward"),
    "gradient at zero": ("(x > 0)", "(x >= 0)", "relu_backward"),
    "gradient everywhere": ("dout * (x > 0)", "dout", "relu_backward"),
    "gradient by the sign of dout": ("dout * (x > 0)", "dout * (dout > 0)", "relu_backward"),
    # TwoLayerNet
    "weight scale ignored": ("self.params['W1'] = weight_scale *", "self.params['W1'] = 1e-3 *", "two_layer_init"),
    "weight scale squared": ("self.params['W2'] = weight_scale *", "self.params['W2'] = weight_scale ** 2 *", "two_layer_init"),
    "uniform weights": ("weight_scale * torch.randn(hidden_dim", "weight_scale * torch.rand(hidden_dim", "two_layer_init"),
    "biases drawn too": ("self.params['b1'] = torch.zeros(", "self.params['b1'] = weight_scale * torch.randn(", "two_layer_init"),
    "dtype forgotten": ("torch.zeros(num_classes, dtype=dtype,", "torch.zeros(num_classes,", "two_layer_init"),
    "relu on the scores": ("scores, scores_cache = Linear.forward(hidden, self", "scores, scores_cache = Linear_ReLU.forward(hidden, self",
                           "two_layer_scores"),
    "no relu": ("hidden, hidden_cache = Linear_ReLU.forward(X", "hidden, hidden_cache = Linear.forward(X", "two_layer_scores"),
    "softmax of the scores": ("        ### END SOLUTION\n        if y is None:\n            return scores\n\n        loss, grads = 0, {}\n        ### BEGIN SOLUTION\n        loss, dscores = softmax_loss(scores, y)\n        dhidden",
                              "        scores = scores.softmax(1)\n        ### END SOLUTION\n        if y is None:\n            return scores\n\n        loss, grads = 0, {}\n        ### BEGIN SOLUTION\n        loss, dscores = softmax_loss(scores, y)\n        dhidden",
                              "two_layer_scores"),
    "regularisation of one layer in loss and gradient": ("for name in ('W1', 'W2'):", "for name in ('W1',):", "two_layer_loss"),
    "biases regularised": ("for name in ('W1', 'W2'):", "for name in ('W1', 'W2', 'b1'):", "two_layer_loss"),
    "regularisation not in the loss": ("loss = loss + 0.5 * self.reg * (self.params[name] ** 2).sum()", "pass", "two_layer_loss"),
    "regularisation by the norm": ("(self.params[name] ** 2).sum()", "self.params[name].norm()", "two_layer_loss"),
    "regularisation not in the gradient": ("grads[name] += self.reg * self.params[name]", "pass", "two_layer_gradients"),
    "loss and gradient in two conventions": ("+= self.reg * self.params[name]", "+= 2 * self.reg * self.params[name]",
                                             "two_layer_gradients"),
    "gradients swapped": ("dhidden, grads['W2'], grads['b2'] = Linear.backward(dscores, scores_cache)",
                          "dhidden, grads['b2'], grads['W2'] = Linear.backward(dscores, scores_cache)", "two_layer_loss"),
    "a gradient forgotten": ("_, grads['W1'], grads['b1'] =", "_, grads['W1'], _ =", "two_layer_gradients"),
    # FullyConnectedNet
    "no relu before the last layer": ("Linear_ReLU.forward(out, self", "(Linear if layer == last_ else Linear_ReLU).forward(out, self",
                                      "fully_connected_loss"),
    "scale ignored in depth": ("self.params[f'W{layer}'] = weight_scale *", "self.params[f'W{layer}'] = 1e-2 *", "fully_connected_loss"),
    "no cast of X": ("X = X.to(self.dtype)", "X = X", "fully_connected_loss"),
    "last layer not regularised": ("for layer in range(1, last + 1):\n            weights", "for layer in range(1, last):\n            weights",
                                   "fully_connected_loss"),
    "regularisation not in the deep gradient": ("grads[f'W{layer}'] += self.reg * weights", "pass", "fully_connected_gradients"),
    # update rules
    "momentum with the gradient": ("- config['learning_rate'] * dw\n        next_w = w + v", "X", None),
    "momentum: plus the gradient": ("config['momentum'] * v - config", "config['momentum'] * v + config", "sgd_momentum"),
    "momentum: velocity not kept": ("config['velocity'] = v", "config['velocity'] = torch.zeros_like(w)", "sgd_momentum"),
    "momentum: Nesterov": ("next_w = w + v", "next_w = w + config['momentum'] * v - config['learning_rate'] * dw", "sgd_momentum"),
    "rmsprop: no root": ("(config['cache'].sqrt() +", "(config['cache'] +", "rmsprop"),
    "rmsprop: epsilon under the root": ("(config['cache'].sqrt() + config['epsilon'])", "(config['cache'] + config['epsilon']).sqrt()", "rmsprop"),
    "rmsprop: shares swapped": ("rho * config['cache'] + (1 - rho) * dw", "(1 - rho) * config['cache'] + rho * dw", "rmsprop"),
    "rmsprop: cache not squared": ("(1 - rho) * dw ** 2", "(1 - rho) * dw.abs()", "rmsprop"),
    "rmsprop: state not kept": ("config['cache'] = rho *", "config = dict(config); config['cache'] = 0 *", "rmsprop"),
    "adam: t counted after use": ("beta1 ** config['t'])", "beta1 ** max(config['t'] - 1, 1))", "adam"),
    "adam: t not counted": ("config['t'] += 1", "config['t'] = 1", "adam"),
    "adam: no correction of v": ("v_hat = config['v'] / (1 - beta2 ** config['t'])", "v_hat = config['v']", "adam"),
    "adam: corrected m kept": ("m_hat = config['m'] / (1 - beta1 ** config['t'])", "m_hat = config['m'] = config['m'] / (1 - beta1 ** config['t'])", "adam"),
    "adam: epsilon under the root": ("(v_hat.sqrt() + config['epsilon'])", "(v_hat + config['epsilon']).sqrt()", "adam"),
    "adam: betas swapped": ("beta1, beta2 = config['beta1'], config['beta2']", "beta2, beta1 = config['beta1'], config['beta2']", "adam"),
    # Dropout
    "dropout: p is the probability of keeping": (">= p).to", "< p).to", "dropout_forward"),
    "dropout: not scaled": (" / (1 - p)", "", "dropout_forward"),
    "dropout: scaled by p": (" / (1 - p)", " / p if p else 1", "dropout_forward"),
    "dropout: normal numbers": ("torch.rand(x.shape, device=x.device) >= p", "torch.randn(x.shape, device=x.device) >= p", "dropout_forward"),
    "dropout: one draw for all images": ("torch.rand(x.shape, device=x.device)", "torch.rand(x.shape[1:], device=x.device).expand(x.shape)", "dropout_forward"),
    "dropout: scaled in testing": ("            out = x\n", "            out = x * (1 - p)\n", "dropout_forward"),
    "dropout: gradient not masked": ("dx = dout * mask", "dx = dout", "dropout_backward"),
    "dropout: gradient not scaled": ("dx = dout * mask", "dx = dout * (mask > 0)", "dropout_backward"),
    "dropout: in the first layer alone": ("if self.use_dropout:\n                out,", "if self.use_dropout and layer == 1:\n                out,", "dropout_network"),
    "dropout: gradient not through the mask": ("dout = Dropout.backward(dout, dropout_cache)", "pass", "dropout_network"),
    "dropout: in testing too": ("mode = 'test' if y is None else 'train'", "mode = 'train'", "dropout_network"),
}  # fmt: skip
del MISTAKES["momentum with the gradient"]
MISTAKES["no relu before the last layer"] = (
    "out, cache = Linear_ReLU.forward(out, self", "out, cache = (Linear if layer == self.num_layers - 1 else Linear_ReLU).forward(out, self",
    "fully_connected_loss")  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_costs_its_check_and_only_what_needs_it(tmp_path, name):
    old, new, aimed_at = MISTAKES[name]
    assert old in SOLUTION, f"{name}: the solution has changed"
    results = run(tmp_path, SOLUTION.replace(old, new))
    lost = {r.id for r in results.values() if r.status != "passed"}
    assert aimed_at in lost
    for other in lost - {aimed_at}:
        assert aimed_at in everything_needed(checks(), other), f"{other} is lost too, which does not need {aimed_at}: {results[other].message}"
        assert f"First mend `{aimed_at}`" in results[other].message
