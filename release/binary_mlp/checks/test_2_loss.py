"""The loss of two classes."""

import numpy as np
import reference
import torch

from toolbox.checks import case, graded

BATCHES = [
    case("several images", 8),
    case("a batch of one", 1, edge=True, n=1),
    case("labels that are whole numbers", 1, edge=True, whole=True),
]


def draw_batch(case):
    """Draw logits (N, 1) and labels (N, 1)."""
    n = case.given.get("n") or case.size(3, 8)
    labels = reference.labels(case, n)
    return 3 * case.normal(n, 1), reference.array(labels.long() if case.given.get("whole") else labels)


@graded(
    points=6,
    tolerance=1e-7,
    cases=BATCHES,
    hint="Both terms count: −log σ(z) where the label is 1, −log(1 − σ(z)) where it is 0; then the mean over the images.",
)
def test_cross_entropy_forward(student, case):
    """`SigmoidCrossEntropy.forward` gives the mean loss of a batch."""
    criterion = student.SigmoidCrossEntropy()
    for _ in range(2):
        logits, labels = draw_batch(case)
        right = reference.loss(torch.tensor(logits), torch.tensor(labels))
        case.compare("the loss", criterion.forward(logits, labels), reference.array(right))


@graded(
    points=5,
    tolerance=1e-7,
    needs=["cross_entropy_forward"],
    cases=BATCHES,
    hint="What the network said minus what it should have said, divided by the number of images.",
)
def test_cross_entropy_backward(student, case):
    """`SigmoidCrossEntropy.backward` gives the gradient of the mean loss."""
    criterion = student.SigmoidCrossEntropy()
    for _ in range(2):
        logits, labels = draw_batch(case)
        criterion.forward(logits, labels)
        right = reference.gradients(lambda z, y=labels: reference.loss(z, torch.tensor(y)), (logits,))[0]
        case.compare("what backward returns", criterion.backward(), right)


@graded(
    points=4,
    trials=1,
    tolerance=1e-7,
    needs=["cross_entropy_forward", "cross_entropy_backward"],
    cases=[
        case("logits of ±1000, the loss", 4, sizes=(1000,)),
        case("logits of ±1000, the gradient", 2, sizes=(1000,)),
        case("logits from ±40 to ±800", 4, sizes=(40, 100, 300, 800)),
    ],
    hint="Work out the loss of z = 1000 and label 0 on paper: it is 1000. Then write the loss so that the exponential "
    "function is never given a large positive number.",
)
def test_cross_entropy_extreme(student, case):
    """The loss and its gradient are finite and exact for logits of ±1000."""
    criterion = student.SigmoidCrossEntropy()
    for size in case.sizes:
        for sign in (-1, 1):
            for label in (0.0, 1.0):
                logits, labels = np.array([[float(sign * size)]]), np.array([[label]])
                said = f"for a logit of {sign * size} and the label {label:g}"
                right = reference.loss(torch.tensor(logits), torch.tensor(labels))
                found = criterion.forward(logits, labels)
                if "gradient" not in case.name:
                    case.compare(f"the loss {said}", found, reference.array(right))
                if "loss" not in case.name:
                    wanted = reference.gradients(lambda z, y=labels: reference.loss(z, torch.tensor(y)), (logits,))[0]
                    case.compare(f"the gradient {said}", criterion.backward(), wanted)
