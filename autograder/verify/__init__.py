"""The author's gate: what must hold before an assignment is released.

gate       the conditions, top to bottom
leaks      looking for solutions in a release
words      reading a file as words, in whatever dress code stands in it
listed     what the author lists in mutants.toml
automatic  mutants made from the syntax tree of the solutions
operators  what can be wrong with one node of it
trial      grading solutions and mutants as a made-up class
"""

from autograder.verify.gate import Finding, Tally, verify

__all__ = ["Finding", "Tally", "verify"]
