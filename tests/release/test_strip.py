"""Solutions leave a module whole, and every slip of an author's pen is named with its line."""

import textwrap

import pytest

from autograder.errors import UserError
from autograder.release.strip import strip_module


def strip(source: str) -> str:
    return strip_module(textwrap.dedent(source), "m.py")


def test_a_solution_in_a_method_leaves_a_task_named_after_it():
    stripped = strip('''\
        class Linear:
            """A layer."""

            @staticmethod
            def forward(x, w):
                out = None
                # out has shape (N, M)
                ### BEGIN SOLUTION
                out = x @ w
                if out is None:
                    raise ValueError
                ### END SOLUTION
                return out
        ''')
    assert stripped == textwrap.dedent('''\
        class Linear:
            """A layer."""

            @staticmethod
            def forward(x, w):
                out = None
                # out has shape (N, M)
                # TODO: write Linear.forward
                raise NotImplementedError("Linear.forward is not written yet")
                return out
        ''')


def test_several_solutions_in_one_function_and_nested_blocks_keep_their_indentation():
    stripped = strip("""\
        def outer(mode):
            def inner():
                ### BEGIN SOLUTION
                return 1
                ### END SOLUTION
            if mode:
                ### BEGIN SOLUTION
                mask = 1
                ### END SOLUTION
            else:
                ### BEGIN SOLUTION
                mask = 2
                ### END SOLUTION
            return inner, mask
        """)
    assert '        raise NotImplementedError("outer.inner is not written yet")\n' in stripped
    assert stripped.count("# TODO: write outer\n") == 2
    assert "mask = " not in stripped


def test_tabs_stay_tabs():
    stripped = strip_module("def f():\n\t### BEGIN SOLUTION\n\treturn 1\n\t### END SOLUTION\n", "m.py")
    assert '\n\traise NotImplementedError("f is not written yet")\n' in stripped


def test_at_module_and_class_level_the_module_can_still_be_imported():
    stripped = strip("""\
        ### BEGIN SOLUTION
        WIDTH, DEPTH = 3, 4

        def helper():
            return WIDTH
        ### END SOLUTION

        class Net:
            ### BEGIN SOLUTION
            @staticmethod
            def loss():
                return 0
            ### END SOLUTION
        """)
    assert "# TODO: write WIDTH, DEPTH, helper\n" in stripped
    assert "# TODO: write Net.loss\n" in stripped
    assert "return" not in stripped and "raise" not in stripped
    names: dict = {}
    exec(stripped, names)
    assert "Net" in names and "helper" not in names


def test_a_marker_in_a_string_is_text():
    source = 'TEXT = """\n### BEGIN SOLUTION\n"""\n'
    assert strip_module(source, "m.py") == source


@pytest.mark.parametrize(
    ("body", "line", "named"),
    [
        ("### BEGIN SOLUTION\nx = 1\n", 1, "has no end"),
        ("x = 1\n### END SOLUTION\n", 2, "no solution begins"),
        ("### BEGIN SOLUTION\nx = 1\n### BEGIN SOLUTION\ny = 1\n### END SOLUTION\n", 3, "began on line 1"),
        ("x = 1\n### BEGIN WHATEVER\n", 2, "'### BEGIN WHATEVER' is no marker"),
        ("###BEGIN SOLUTION\nx = 1\n### END SOLUTION\n", 1, "is no marker"),
        ("### BEGIN SOLUTIONS\nx = 1\n### END SOLUTIONS\n", 1, "is no marker"),
        ("# begin solution\nx = 1\n# end solution\n", 1, "is no marker"),
        ("### BEGN SOLUTION\nx = 1\n", 1, "is no marker"),
        ("x = 1  ### BEGIN SOLUTION\n", 1, "a line of its own"),
        ("### BEGIN SOLUTION\n# nothing\n### END SOLUTION\n", 1, "no statement between"),
        ("x = [\n    ### BEGIN SOLUTION\n    1,\n    ### END SOLUTION\n]\n", 2, "no statement between"),
        ("def f():\n    ### BEGIN SOLUTION\n    return 1\nx = 1\n### END SOLUTION\n", 2, "another block"),
        (
            "if 1:\n    ### BEGIN SOLUTION\n    x = 1\nelse:\n    x = 2\n    ### END SOLUTION\n",
            2,
            "another block",
        ),
        ("if 1:\n    x = 1\n### BEGIN SOLUTION\nelse:\n    x = 2\n### END SOLUTION\n", 3, "another block"),
        ("### BEGIN SOLUTION\nx = (1,\n### END SOLUTION\n     2)\n", 1, "another block"),
        ("def f(:\n", 1, "not valid Python"),
    ],
)
def test_a_slip_is_named_with_file_and_line(body, line, named):
    with pytest.raises(UserError) as error:
        strip_module(body, "m.py")
    assert str(error.value).startswith(f"m.py:{line}: ")
    assert named in str(error.value)
