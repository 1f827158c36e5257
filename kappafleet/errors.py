"""Errors of kappafleet.

::

    Exception
    └── UserError            a person can mend it: one line says what is wrong, where, and what to do
        ├── AddressError     an address (``--from``, ``--to``) or a ``KF_*`` setting cannot be understood
        ├── MissingPart      something that ``make setup`` provides is not there
        └── ServerError      a local server cannot start, or a server does not answer

Bad input data is no error: it becomes a row of table ``reject``.
"""

from __future__ import annotations

import os


class UserError(Exception):
    """A mistake or a state of the machine that the person at the keyboard can mend.

    The command line prints the message as one line on stderr and ends with exit code 2, so the message names
    what is wrong, where, and what to do about it.
    """


def of_file(error: OSError) -> str | None:
    """One line for a person about a file that cannot be used; None when the error is not of a file."""
    if error.filename is None:
        return None
    name = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    return f"{name}: {error.strerror}; correct the path, who may read and write there, or what is in its way"


class AddressError(UserError):
    """An address or a connection setting cannot be understood."""


class MissingPart(UserError):
    """A program, jar or folder that ``make setup`` provides is not there."""


class ServerError(UserError):
    """A local server cannot start or died, or a server does not answer."""
