"""Features of images."""

import numpy as np
import reference

from toolbox.checks import Shared, case, graded


@graded(
    points=5,
    tolerance=1e-5,
    cases=[
        case("batches of one size", 3, n=12, batch_size=4),
        case("a last batch that is short", 5, n=11, batch_size=4),
        case("one image at a time", 1, edge=True, n=5, batch_size=1),
        case("a batch size beyond the number of images", 1, edge=True, n=5, batch_size=64),
    ],
    hint="Cut the images into pieces of batch_size, give each to the backbone, and put what comes back one after the other.",
)
def test_extract_features(student, case):
    """`extract_features` gives the features of all images, in order, and the backbone no more than a batch at a time."""
    weights = reference.small_weights(case)
    images = np.stack([reference.picture(case, 12, 12, low=0) for _ in range(case.n)])
    before = images.copy()
    backbone = student.Backbone(weights, most=case.batch_size)
    features = student.extract_features(Shared(images), backbone, batch_size=case.batch_size)
    case.unchanged("images", images, before)
    case.compare("the features", features, reference.backbone.Backbone(weights)(before))
