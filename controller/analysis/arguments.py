"""Arguments of a run, and the places in its metrics that they are put into: `{{args.name}}`."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from meshsim.api.analysis import Argument, Metric
from meshsim.api.decode import FieldError, decode, encode, read_json
from meshsim.api.templates import UnresolvedError
from meshsim.api.validate.gotext import quote

_TAG: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PLACEHOLDER: Final = "temp-for-secret"


def substituted(template: str, values: Mapping[str, str]) -> str:
    """The text with each `{{tag}}` replaced by its value. Raises UnresolvedError."""
    opened = _TAG.sub("", template).partition("{{")
    if opened[1]:
        rest = template[template.rindex("{{") + 2 :]
        raise UnresolvedError(
            f'Cannot find end tag="}}}}" in the template={quote(template)} starting from {quote(rest)}'
        )
    unknown = [tag for tag in _TAG.findall(template) if tag.strip() not in values]
    if unknown:
        raise UnresolvedError(f"failed to resolve {{{{{unknown[-1]}}}}}")
    return _TAG.sub(lambda tag: values[tag[1].strip()], template)


def with_args(template: str, args: Iterable[Argument]) -> str:
    """The text with the arguments put in. Raises UnresolvedError."""
    return substituted(template, _values(args))


def resolved_metric(metric: Metric, args: Sequence[Argument]) -> Metric:
    """The metric with the arguments put in, anywhere in it. Raises UnresolvedError."""
    quoted = {name: json.dumps(value, ensure_ascii=False)[1:-1] for name, value in _values(args).items()}
    text = msgspec.json.encode(encode(metric)).decode()
    try:
        return decode(Metric, read_json(substituted(text, quoted)))
    except FieldError as error:
        raise UnresolvedError(str(error)) from None


def without_secrets(args: Iterable[Argument]) -> tuple[Argument, ...]:
    """The arguments with a stand-in for each value that a Secret holds: enough to check the metrics."""
    return tuple(
        msgspec.structs.replace(arg, value=_PLACEHOLDER, value_from=None) if secret_key(arg) else arg for arg in args
    )


def secret_key(arg: Argument) -> tuple[str, str] | None:
    """Name and key of the Secret that holds an argument's value."""
    reference = (arg.value_from or {}).get("secretKeyRef")
    return (str(reference.get("name") or ""), str(reference.get("key") or "")) if reference else None


def _values(args: Iterable[Argument]) -> dict[str, str]:
    values: dict[str, str] = {}
    for arg in args:
        if arg.value is None:
            raise UnresolvedError(f'argument "{arg.name}" was not supplied')
        values[f"args.{arg.name}"] = arg.value
    return values
