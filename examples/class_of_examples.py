"""Classes of example submissions, one for each assignment; the tests and the demo use the same ones.

    python -m examples.class_of_examples COURSE [cifar10|standin]

writes those of every assignment that COURSE has released into COURSE/submitted/.
"""

from __future__ import annotations

import sys
from pathlib import Path

from examples import binary_class, convolutional_class, feature_class, fully_connected_class, linear_class

ALL = (fully_connected_class, convolutional_class, binary_class, linear_class, feature_class)
CLASSES = {one.EXAMPLES.name: one.EXAMPLES for one in ALL}


def main(course: Path, images: str) -> None:
    """Write the classes of the assignments that are released."""
    for name, examples in CLASSES.items():
        if (course / "release" / name).is_dir():
            written = examples.write(course, images)
            print(f"{len(written)} submissions of {name} in {course / 'submitted'}: {', '.join(written)}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "cifar10")
