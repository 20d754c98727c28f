"""`meshsim demo`: a canary release from beginning to end, with real traffic, to look at."""

import argparse
from pathlib import Path
from typing import Final

from meshsim.cli.command import Command, duration
from meshsim.cli.live.example import example
from meshsim.cli.topology import PORTS

_EXAMPLE: Final = "blog-canary"
_PAUSES_S: Final = 180.0
_WITHOUT_PAUSES_S: Final = 60.0

_DESCRIPTION: Final = """\
Start a mesh of its own, send it traffic and release v2 of examples/blog-canary, step by step, as a person would
with `meshsim up`, `meshsim load` and `meshsim set image`. Takes about half a minute.

Ends with 0 when the release is Healthy, only pods of v2 are left and no request failed, otherwise with 1."""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--speed", type=_above_zero, default=10.0, metavar="N", help="run pauses N times as fast (default 10)"
    )
    parser.add_argument("--rps", type=_above_zero, default=200.0, metavar="N", help="requests a second (default 200)")
    parser.add_argument("--seed", type=int, metavar="N", help="repeat the chances of an earlier run")
    parser.add_argument(
        "--timeout",
        type=duration,
        metavar="TIME",
        help="how long the release may take, in real time (default: its pauses and a minute)",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    for name, (flag, _, purpose) in PORTS.items():
        about = f"{purpose} (default: a free one)"
        parser.add_argument(flag, dest=f"{name}_port", type=int, default=0, metavar="PORT", help=about)
    parser.add_argument("--plain", action="store_true", help="tell it in lines, on a terminal too")
    parser.add_argument("--record", type=Path, metavar="FILE", help="keep it as a moving picture, an SVG")
    parser.add_argument(
        "-o", "--output", choices=["table", "json", "yaml"], default="table", help="the closing report as data"
    )


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("a number above zero, please")
    return number


def _run(flags: argparse.Namespace) -> int:
    # Half a second of imports, which a wrong flag needn't cost.
    from meshsim.cli.live.play import Wishes  # noqa: PLC0415
    from meshsim.cli.live.run import Showing, run_demo  # noqa: PLC0415

    with example(_EXAMPLE) as path:
        wishes = Wishes(
            example=path,
            up_flags=_up_flags(flags),
            speed=flags.speed,
            pauses_s=_PAUSES_S,
            rps=flags.rps,
            seed=flags.seed,
            timeout_s=_PAUSES_S / flags.speed + _WITHOUT_PAUSES_S if flags.timeout is None else flags.timeout,
        )
        return run_demo(wishes, Showing(flags.plain, flags.output, flags.record))


def _up_flags(flags: argparse.Namespace) -> tuple[str, ...]:
    ports = [text for name, (flag, _, _) in PORTS.items() for text in (flag, str(getattr(flags, f"{name}_port")))]
    seed = () if flags.seed is None else ("--seed", str(flags.seed))
    return ("--host", flags.host, "--speed", str(flags.speed), *ports, *seed)


COMMAND: Final = Command(_add_flags, _run, _DESCRIPTION)
