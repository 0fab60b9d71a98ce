"""The one exception type that the command line turns into a single clear line."""


class TapeheadError(Exception):
    """A job cannot go on for a reason the user can act on; the message is one clear line.

    >>> from tapehead.errors import TapeheadError
    >>> from tapehead.training import read_config
    >>> try:
    ...     read_config("runs/nothing")
    ... except TapeheadError as error:
    ...     print(error)
    there is no run directory runs/nothing
    """
