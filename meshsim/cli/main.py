"""The command line: finds the verb, runs it, prints one sentence when it fails."""


def run() -> int:
    """Run the command in sys.argv; returns its exit code."""
    return 0
