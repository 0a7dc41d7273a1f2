"""Settings for `nbgrader validate`, which runs the whole notebook, training included."""

c = get_config()  # noqa: F821

# Seconds that one cell may take; nbgrader's own 30 would stop training.
c.Execute.timeout = 3600
