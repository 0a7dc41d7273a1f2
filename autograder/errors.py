"""The one exception that is meant for the person at the keyboard."""


class UserError(Exception):
    """A sentence for the user: which file, what is wrong with it, and what to do next.

    The command line shows the sentence alone, without a traceback.
    """
