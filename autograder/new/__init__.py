"""A new assignment: small, whole and fit for release, for an author to turn into another.

create     the folders of an assignment, made from the templates all at once or not at all
templates  what stands in them: the module, its check, what they are held against, the notebook
"""

from autograder.new.create import Made, create_assignment

__all__ = ["Made", "create_assignment"]
