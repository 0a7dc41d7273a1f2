"""The network that was trained in one minute."""

import reference

from toolbox.checks import case, graded


@graded(
    points=10, trials=1,
    needs=["deep_loss", "deep_batchnorm_gradients"],
    cases=[case("validation images", 1), case("test images", 1)],
    hint="Batch normalisation and Kaiming initialisation let a net learn fast. Few filters while the images are large, "
    "more of them after each pool; a learning rate that falls towards the end.",
)  # fmt: skip
def test_one_minute_accuracy(student, case):
    """`one_minute_deepconvnet.pth` classifies validation and test images well enough."""
    part = case.name.split()[0]
    X, y = (case.data.X_val, case.data.y_val) if part == "validation" else (case.data.X_test, case.data.y_test)
    found = reference.saved_accuracy(case, student, "one_minute_deepconvnet.pth", X, y, agree=part == "validation")
    case.at_least(f"the {part} accuracy of the saved weights", found)
