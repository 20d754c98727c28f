"""Errors that a person reads: one sentence each, with the exit code that the command line ends with."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of meshsim's own commands. Argo's verbs have the plugin's: 0 and 1."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    INVALID_MANIFEST = 3
    TIMEOUT = 4
    CANNOT_START = 5


class MeshsimError(Exception):
    """Something a person can act on. `str(error)` is one clear sentence, never a traceback."""

    exit_code: ExitCode = ExitCode.FAILED


class UsageError(MeshsimError):
    """The command was called in a way it doesn't understand."""

    exit_code = ExitCode.USAGE


class InvalidManifestError(MeshsimError):
    """A manifest cannot be read or is wrong; the sentence names file:line:column or the field path."""

    exit_code = ExitCode.INVALID_MANIFEST


class DeadlineError(MeshsimError):
    """What was waited for did not happen in time."""

    exit_code = ExitCode.TIMEOUT


class StartError(MeshsimError):
    """A process could not start: a busy port, a missing file, a broken data directory."""

    exit_code = ExitCode.CANNOT_START
