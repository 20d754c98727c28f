"""Makes the terminal it is started on its own and becomes the command it is told: `python on_terminal.py COMMAND…`.

It imports nothing but the interpreter needs, because somebody waits for the command.
"""

import fcntl
import os
import signal
import sys
import termios

_NOT_FOUND = 127
_CANNOT_RUN = 126


def main(command: list[str]) -> int:
    """Become the command; returns the exit code when that cannot be."""
    fcntl.ioctl(1, termios.TIOCSCTTY, 0)
    # The interpreter ignores these, and what is ignored stays so in the command.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        failure = error
    os.write(2, f'exec: "{command[0]}": {(failure.strerror or "").lower()}\r\n'.encode())
    return _NOT_FOUND if isinstance(failure, FileNotFoundError) else _CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
