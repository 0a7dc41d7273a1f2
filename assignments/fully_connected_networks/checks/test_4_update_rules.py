"""Update rules, each followed over several steps."""

import torch

from toolbox.checks import case, graded

CASES = [
    case("defaults, several steps", 4),
    case("settings of its own, several steps", 4, settings=True),
    case("a bias vector, learning_rate alone given", 1, edge=True),
    case("float32", 1, edge=True),
]


def follow(case, rule, name, optimizer, settings, defaults, states):
    """Hold a rule's steps and its state against one of torch's optimisers.

    Args:
        rule: the student's function.
        optimizer: makes torch's optimiser from a list of parameters and the settings.
        settings: draws settings other than the defaults.
        states: for each entry of config, its value from the optimiser's state and the settings.
    """
    dtype = torch.float32 if case.name == "float32" else torch.float64
    vector = case.name.startswith("a bias vector")
    shape = (case.size(3, 7),) if vector else (case.size(2, 5), case.size(3, 6))
    chosen = settings(case) if case.name.startswith("settings") else {}
    if vector:
        chosen = {"learning_rate": 2 * defaults["learning_rate"]}
    for size in (1.0, 1e-6) if case.name.startswith("defaults") else (1.0,):  # ε shows in small gradients
        steps(case, rule, name, optimizer, chosen, defaults, states, shape, dtype, size)


def steps(case, rule, name, optimizer, chosen, defaults, states, shape, dtype, size):
    """Take three steps from a fresh start, with gradients of this size."""
    config = dict(chosen) or None
    w = case.randn(*shape, dtype=dtype)
    right = w.clone().requires_grad_()
    torch_rule = optimizer([right], {**defaults, **chosen})
    allowed = 1e-4 if dtype == torch.float32 else None
    for step in range(1, 4):
        dw = size * case.randn(*shape, dtype=dtype)
        right.grad = dw.clone()
        torch_rule.step()
        given = (w, dw) if config is None else (w, dw, config)
        w, config = case.items(name, rule(*given), 2)
        case.compare(f"next_w of step {step}", w, right, tolerance=allowed)
        w = w.detach()
        case.require(isinstance(config, dict), f"{name} returned a config that is not a dictionary")
        for key, wanted in states(torch_rule.state[right], {**defaults, **chosen}).items():
            case.require(key in config, f"config has no entry {key!r} after step {step}")
            if key == "t":
                case.require(
                    case.number("config['t']", config[key]) == wanted, f"config['t'] is not {step} after step {step}"
                )
            else:
                case.compare(f"config[{key!r}] of step {step}", config[key], wanted, tolerance=allowed)


@graded(
    points=4,
    tolerance=1e-7,
    cases=CASES,
    trials=1,
    hint="The velocity keeps a share of its past and takes a step against the gradient.",
)
def test_sgd_momentum(student, case):
    """`sgd_momentum` follows the velocity over several steps and keeps it in config."""
    follow(
        case, student.sgd_momentum, "sgd_momentum",
        lambda params, s: torch.optim.SGD(params, lr=s["learning_rate"], momentum=s["momentum"]),
        lambda case: {"learning_rate": case.uniform(1e-3, 1e-1), "momentum": case.uniform(0.5, 0.95)},
        {"learning_rate": 1e-2, "momentum": 0.9},
        lambda state, s: {"velocity": -s["learning_rate"] * state["momentum_buffer"]},
    )  # fmt: skip


@graded(
    points=4,
    tolerance=1e-7,
    cases=CASES,
    trials=1,
    hint="Update the cache first, then use it; ε is added to the root, not under it.",
)
def test_rmsprop(student, case):
    """`rmsprop` divides by the moving root mean square and keeps it in config."""
    follow(
        case, student.rmsprop, "rmsprop",
        lambda params, s: torch.optim.RMSprop(params, lr=s["learning_rate"], alpha=s["decay_rate"], eps=s["epsilon"]),
        lambda case: {"learning_rate": case.uniform(1e-3, 1e-1), "decay_rate": case.uniform(0.8, 0.95),
                      "epsilon": case.uniform(1e-3, 1e-2)},
        {"learning_rate": 1e-2, "decay_rate": 0.99, "epsilon": 1e-8},
        lambda state, s: {"cache": state["square_avg"]},
    )  # fmt: skip


@graded(
    points=5,
    tolerance=1e-7,
    cases=CASES,
    trials=1,
    hint="Count the step first, then correct both moving averages by 1 − βᵗ; the averages themselves are kept uncorrected.",
)
def test_adam(student, case):
    """`adam` follows both moving averages with their corrections and keeps m, v and t in config."""
    follow(
        case, student.adam, "adam",
        lambda params, s: torch.optim.Adam(
            params, lr=s["learning_rate"], betas=(s["beta1"], s["beta2"]), eps=s["epsilon"]),
        lambda case: {"learning_rate": case.uniform(1e-3, 1e-1), "beta1": case.uniform(0.5, 0.95),
                      "beta2": case.uniform(0.9, 0.99), "epsilon": case.uniform(1e-3, 1e-2)},
        {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        lambda state, s: {"m": state["exp_avg"], "v": state["exp_avg_sq"], "t": int(state["step"])},
    )  # fmt: skip
