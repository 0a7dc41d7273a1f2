"""`python -m autograder` is the command `autograder`."""

from autograder.cli import main

if __name__ == "__main__":
    try:
        main()
    finally:
        # Python remembers an interrupt that came inside of an exec(), such as a library's, and would end by its signal
        # although it was dealt with, and not with our status; the next exec() makes it forget.
        exec("")
