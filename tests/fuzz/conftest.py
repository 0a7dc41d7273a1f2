"""How long the properties of this folder are tried: FUZZ=long tries each on many more examples, never the same ones."""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

sys.path.insert(0, str(Path(__file__).parents[1]))

settings.register_profile(
    "short",
    max_examples=100,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.register_profile("long", settings.get_profile("short"), max_examples=5_000, derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("FUZZ", "short"))
