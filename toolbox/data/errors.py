"""What can go wrong with a data set, each with a sentence that names the next step."""


class DataError(Exception):
    """A data set cannot be used; the message says why and what to do."""


class DataMissing(DataError):
    """A data set, or a file of it, is not where it was looked for and could not be fetched."""


class DataDamaged(DataError):
    """A file of a data set is there, but is not what it should be."""
