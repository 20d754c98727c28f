"""`meshsim lint`: what Istio, Argo Rollouts and the API server would say to manifests, with file, line and column."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TextIO

from meshsim.api.analyze.analysis import analyze
from meshsim.api.decode import Document, Object, read_documents
from meshsim.api.kinds import ROLLOUT
from meshsim.api.validate.findings import join
from meshsim.api.validate.lint import Subject, lint, lint_missing, subject_of
from meshsim.cli.command import Command
from meshsim.cli.lint_conditions import unreadable_conditions
from meshsim.cli.manifests import add_file_flag, slip_in
from meshsim.kit.errors import ExitCode, InvalidManifestError, StartError

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_STDIN: Final = "-"
_STRATEGY: Final = "spec.strategy."
_TEMPLATE: Final = re.compile(rb"\{\{(?!\s*(?:args|templates|inputs)\.)")
"""A template of Helm's or the like; what Argo itself fills in later is none."""

_DESCRIPTION: Final = """\
Judge manifests without applying them: VirtualServices and Istio's other kinds as Istio's webhook does, Rollouts and
what they name as Argo's controller does, both against their CRDs. Conditions of analyses that can't be read are
warned of. Directories are searched through.

Findings go to stdout as `file:line:column: error|warning: Kind/name: field: message`, a summary to stderr. The exit
code is 0 when there is no error, 3 otherwise. What isn't judged is named in the summary.

With --analyze the manifests count as all there is, and what would go wrong among them is told as istioctl analyze
does, with its codes: hosts, subsets and gateways that are not there, rules that no traffic reaches, conflicts. So is
what a Rollout names and isn't there: Services, VirtualServices, analysis templates."""


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `meshsim lint`."""
    add_file_flag(parser, required=True)
    parser.add_argument(
        "--analyze", action="store_true", help="take the manifests for a whole mesh and look for conflicts"
    )
    parser.add_argument("-o", "--output", choices=["text", "json", "yaml"], default="text", help="form of the findings")


def run(arguments: argparse.Namespace) -> int:
    """Lint and print; returns the exit code. Raises StartError for a path that can't be read."""
    report = lint_files(arguments.files, sys.stdin, is_whole_mesh=arguments.analyze)
    _print(report, arguments.output, sys.stdout)
    print(summary(report), file=sys.stderr)  # noqa: T201 - people read this
    return ExitCode.INVALID_MANIFEST if report.count("error") else ExitCode.DONE


COMMAND: Final = Command(add_flags, run, _DESCRIPTION)


@dataclass(frozen=True, slots=True)
class Line:
    """One finding and where it stands; `kind` is empty for a file that can't be read."""

    file: str
    line: int
    column: int
    severity: str
    kind: str
    namespace: str
    name: str
    field: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        about = [f"{self.kind}/{self.name}"] if self.kind else []
        parts = (where, self.severity, *about, *([self.field] if self.field else []), self.message)
        return ": ".join(parts).replace("\n", " ")


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of files and objects, and what was looked at."""

    lines: Sequence[Line]
    files: int
    judged: int
    not_judged: Counter[str] = field(default_factory=Counter)

    def count(self, severity: str) -> int:
        """How many findings are errors, or warnings."""
        return sum(line.severity == severity for line in self.lines)


@dataclass(frozen=True, slots=True)
class _Place:
    document: Document
    prefix: str

    def line(self, subject: Subject, path: str, message: str, severity: str) -> Line:
        file, line, column = self.document.where(join(self.prefix, _as_written(subject, path))).rsplit(":", 2)
        kind, namespace, name = subject.kind, subject.namespace, subject.name
        return Line(file, int(line), int(column), severity, kind, namespace, name, path, message)


def _as_written(subject: Subject, path: str) -> str:
    """Where a manifest has a field that Argo's validation calls `spec.strategy.steps[0]`, without `canary`."""
    spec = subject.object.get("spec")
    strategy = spec.get("strategy") if isinstance(spec, dict) else None
    field = path.removeprefix(_STRATEGY)
    if subject.kind != ROLLOUT.kind or not isinstance(strategy, dict) or len(strategy) != 1 or field == path:
        return path
    (written,) = strategy
    return path if field.startswith(written) else f"{_STRATEGY}{written}.{field}"


def lint_files(paths: Sequence[str], stdin: TextIO, *, is_whole_mesh: bool = False) -> Report:
    """Lint every object of files, directories and stdin; a whole mesh is analyzed, too.

    Raises StartError for a path that can't be read.
    """
    unreadable: list[Line] = []
    subjects: list[Subject] = []
    places: list[_Place] = []
    files = 0
    for file, data in _contents(paths, stdin):
        files += 1
        try:
            for document in read_documents(_text_of(data, file), file):
                for prefix, obj in _objects(document):
                    subjects.append(subject_of(file, obj))
                    places.append(_Place(document, prefix))
        except InvalidManifestError as error:
            unreadable.append(_unreadable(file, str(error), data))
    conditions = [
        (number, finding)
        for number, one in enumerate(subjects)
        for finding in unreadable_conditions(one.group, one.kind, one.object)
    ]
    of_the_whole = (*lint_missing(subjects), *analyze(subjects)) if is_whole_mesh else ()
    found = [
        places[number].line(subjects[number], finding.path, finding.message, _severity(finding.is_warning))
        for number, finding in (*lint(subjects), *conditions, *of_the_whole)
    ]
    unnamed = [
        place.line(subject, "", problem, "error")
        for place, subject in zip(places, subjects, strict=True)
        if (problem := _misnamed(subject)) is not None
    ]
    others = Counter(subject.kind for subject in subjects if _is_named(subject) and not subject.is_in_scope)
    judged = sum(subject.is_in_scope for subject in subjects)
    return Report([*unreadable, *unnamed, *found], files, judged, others)


def _is_named(subject: Subject) -> bool:
    """It says what it is; without that the API would not take it."""
    return bool(subject.kind and subject.object.get("apiVersion"))


def _misnamed(subject: Subject) -> str | None:
    """Why the API would not know what this is, unless somebody else's CustomResourceDefinition tells it."""
    if not _is_named(subject):
        return "a manifest names its apiVersion and kind"
    return slip_in(str(subject.object["apiVersion"]), subject.kind)


def _severity(is_warning: bool) -> str:
    return "warning" if is_warning else "error"


def _contents(paths: Sequence[str], stdin: TextIO) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        if path == _STDIN:
            yield "stdin", stdin.buffer.read() if hasattr(stdin, "buffer") else stdin.read().encode()
            continue
        for file in _files(Path(path)):
            try:
                yield str(file), file.read_bytes()
            except OSError as error:
                raise StartError(f"{file}: {error.strerror}") from None


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        raise StartError(f"{path}: no manifests there (*.yaml, *.yml or *.json)")
    return files


def _text_of(data: bytes, file: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InvalidManifestError(f"{file}:{line}:1: not text in UTF-8") from None


def _objects(document: Document) -> Iterator[tuple[str, Object]]:
    """The object of a document, or the items of a List."""
    items = document.value.get("items")
    if document.value.get("kind") != "List" or not isinstance(items, list):
        yield "", document.value
        return
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidManifestError(f"{document.where(f'items[{index}]')}: an object was expected")
        yield f"items[{index}]", item


def _unreadable(file: str, message: str, data: bytes) -> Line:
    """A finding about a file as a whole; the message begins with as much of file:line:column as is known."""
    place, _, problem = message.removeprefix(f"{file}:").partition(": ")
    numbers = place.split(":")
    known = len(numbers) == 2 and all(number.isdecimal() for number in numbers)
    line, column = (int(numbers[0]), int(numbers[1])) if known else (0, 0)
    if known and any(text[column - 1 :].startswith(b"\t") for text in data.splitlines()[line - 1 : line]):
        problem = "a tab, where YAML is indented by blanks"
    elif _TEMPLATE.search(data):
        problem += " (a template? render it first, with `helm template` for example)"
    return Line(file, line, column, "error", "", "", "", "", problem if known else message)


def summary(report: Report) -> str:
    """How many findings there are, in how many objects, and which kinds were not judged."""
    errors, warnings = _count(report.count("error"), "error"), _count(report.count("warning"), "warning")
    text = f"{errors}, {warnings} in {_count(report.judged, 'object')} of {_count(report.files, 'file')}"
    if not report.not_judged:
        return text
    kinds = ", ".join(f"{kind} ({number})" for kind, number in sorted(report.not_judged.items()))
    return f"{text}; not judged: {kinds}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _print(report: Report, output: str, out: TextIO) -> None:
    if output == "text":
        out.writelines(f"{line}\n" for line in report.lines)
        return
    value = {
        "findings": [{name: getattr(line, name) for name in Line.__slots__} for line in report.lines],
        "summary": {
            "files": report.files,
            "judged": report.judged,
            "errors": report.count("error"),
            "warnings": report.count("warning"),
            "notJudged": dict(report.not_judged),
        },
    }
    if output == "json":
        out.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        return
    import yaml  # noqa: PLC0415 - only this form needs it

    yaml.safe_dump(value, out, sort_keys=False, allow_unicode=True, width=10_000)
