"""The kit's column of the table that compares graders; the other columns are the benchmark's own to run."""

from benchmarks import attacks_elsewhere


def test_no_attack_earns_anything_here_and_the_right_answer_everything(tmp_path):
    assert attacks_elsewhere.kit(tmp_path) == attacks_elsewhere.EARNED
