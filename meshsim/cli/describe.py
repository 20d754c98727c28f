"""`meshsim describe`: one object in full, what its analyses measured, and what happened to it."""

import argparse
import base64
import binascii
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from meshsim.api.analysis import AnalysisRun, Argument
from meshsim.api.decode import Object, decode
from meshsim.api.kinds import ANALYSIS_RUN, EVENT, EXPERIMENT, ROLLOUT, SECRET, Kind
from meshsim.api.meta import Key
from meshsim.cli.argo.analyses import render_analyses
from meshsim.cli.argo.following import look
from meshsim.cli.argo.paint import Paint, columns, icon
from meshsim.cli.argo.show import More, is_terminal, rendered
from meshsim.cli.argo.views import Objects
from meshsim.cli.argo.words import add_common_flags
from meshsim.cli.command import Command
from meshsim.cli.connection import ask, clock_of_api
from meshsim.cli.events import last_seen
from meshsim.cli.get import kind_by_word
from meshsim.client.api import Api
from meshsim.kit.clock import Clock
from meshsim.kit.durations import human_duration
from meshsim.kit.errors import ExitCode
from meshsim.kit.timestamps import from_rfc3339

_LABEL_WIDTH: Final = 17
_NOT_SHOWN: Final = ("apiVersion", "kind", "metadata")
_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
"""Not shown, as by kubectl: it says everything twice, of a Secret too."""
_CLUSTER_EVENTS: Final = "default"
"""The namespace that holds the events of objects which have none."""


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", type=kind_by_word, help="rollout, analysisrun, experiment, pod, vs, …")
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--no-color", action="store_true", help="without colours")
    add_common_flags(parser)


def _run(flags: argparse.Namespace) -> int:
    kind: Kind = flags.kind
    key = Key(flags.namespace if kind.namespaced else "", flags.name)
    obj, objects, events = ask(flags, partial(_seen, kind=kind, key=key))
    paint = Paint(coloured=is_terminal(sys.stdout) and not flags.no_color)
    clock = clock_of_api(flags.kubeconfig)
    sys.stdout.write(_body(kind, obj, objects, clock, paint) + _event_lines(events, clock.now()))
    return ExitCode.DONE


async def _seen(api: Api, kind: Kind, key: Key) -> tuple[Object, Objects, list[Object]]:
    if kind in (ROLLOUT, EXPERIMENT):
        obj, objects = await look(api, kind, key)
    else:
        obj, objects = await api.get(kind, key), Objects()
    events = (await api.list(EVENT, key.namespace or _CLUSTER_EVENTS)).items
    return obj, objects, sorted((one for one in events if is_about(one, kind, obj)), key=last_seen)


def is_about(event: Object, kind: Kind, obj: Object) -> bool:
    """Whether an event is the object's, not that of an earlier one of its name."""
    about = event.get("involvedObject") or {}
    metadata = obj["metadata"]
    is_same = about.get("uid") in (None, "", metadata.get("uid"))
    return is_same and (about.get("kind"), about.get("name")) == (kind.kind, metadata["name"])


def _body(kind: Kind, obj: Object, objects: Objects, clock: Clock, paint: Paint) -> str:
    if kind in (ROLLOUT, EXPERIMENT):
        return rendered(kind, clock, paint, More(steps=True, analyses=True), obj, objects)
    if kind is ANALYSIS_RUN:
        return describe_run(obj, clock.now(), paint)
    return describe_any(kind, obj)


def describe_run(obj: Object, now: float, paint: Paint) -> str:
    """An analysis run: its arguments, and what it measured."""
    run = decode(AnalysisRun, obj)
    status = run.status
    phase = status.phase or "Pending"
    rows = [*_names(ANALYSIS_RUN, obj), ("Status:", f"{paint(icon(phase))} {phase}")]
    rows += [("Message:", status.message)] if status.message else []
    rows += [("Started:", status.started_at)] if status.started_at else []
    rows += [("Completed:", status.completed_at)] if status.completed_at else []
    args = _several("Arguments:", [f"{arg.name}={_argument(arg)}" for arg in run.spec.args])
    return _lines([*rows, *args]) + render_analyses([run], now, paint)


def _argument(arg: Argument) -> str:
    secret = (arg.value_from or {}).get("secretKeyRef")
    if isinstance(secret, dict):
        return f"<{secret.get('key')} of Secret {secret.get('name')}>"
    return "<none>" if arg.value is None else arg.value


def describe_any(kind: Kind, obj: Object) -> str:
    """Any other object: its names, and the rest of it as YAML. What a Secret holds is not shown."""
    import yaml  # noqa: PLC0415 - rollouts, the common case, need none

    rest = {name: value for name, value in obj.items() if name not in _NOT_SHOWN}
    if kind is SECRET:
        rest |= {field: _sizes(rest[field] or {}) for field in ("data", "stringData") if field in rest}
    text = str(yaml.safe_dump(rest, sort_keys=False, allow_unicode=True, width=10_000)) if rest else ""
    return _lines(_names(kind, obj)) + text


def _names(kind: Kind, obj: Object) -> list[tuple[str, str]]:
    metadata = obj["metadata"]
    rows = [("Name:", metadata["name"])]
    rows += [("Namespace:", metadata["namespace"])] if kind.namespaced else []
    rows += [("Kind:", f"{kind.kind} ({kind.api_version})"), ("Created:", metadata.get("creationTimestamp") or "")]
    for label, field in (("Labels:", "labels"), ("Annotations:", "annotations")):
        texts = [f"{name}={value}" for name, value in (metadata.get(field) or {}).items() if name != _LAST_APPLIED]
        rows += _several(label, texts)
    owners = [f"{owner.get('kind')}/{owner.get('name')}" for owner in metadata.get("ownerReferences") or []]
    return rows + _several("Owned by:", owners)


def _several(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if index else label, text) for index, text in enumerate(texts)]


def _sizes(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: f"{_size(str(value))} bytes" for name, value in values.items()}


def _size(text: str) -> int:
    try:
        return len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return len(text.encode())


def _lines(rows: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{label:<{_LABEL_WIDTH}}{text}\n" for label, text in rows)


def _event_lines(events: Sequence[Object], now: float) -> str:
    if not events:
        return "\nEvents: none\n"
    rows = [("  AGE", "TYPE", "REASON", "MESSAGE")]
    for event in events:
        seen = last_seen(event)
        age = human_duration(now - from_rfc3339(seen)) if seen else "<unknown>"
        count = f" (x{event['count']})" if (event.get("count") or 1) > 1 else ""
        message = f"{str(event.get('message') or '').strip()}{count}"
        rows.append((f"  {age}", str(event.get("type") or ""), str(event.get("reason") or ""), message))
    return f"\nEvents:\n{columns(rows)}"


COMMAND: Final = Command(
    _add_flags,
    _run,
    """\
Show one object in full, with its events. A rollout and an experiment come with their analyses, an analysis run with
what it asked, what it was told, and which condition that met.

  meshsim describe rollout my-app
  meshsim describe analysisrun my-app-6f9c7d5b8-2""",
)
