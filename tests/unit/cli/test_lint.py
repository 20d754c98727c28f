import argparse
import io
import json
from pathlib import Path

import pytest
import yaml

from meshsim.cli.lint import COMMAND, lint_files, summary
from meshsim.kit.errors import StartError

_GOOD = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - route: [{destination: {host: web}}]
"""
_BAD = _GOOD.replace("  - route", "  - timeout: 0s\n    route")


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    parser = argparse.ArgumentParser()
    COMMAND.add_flags(parser)
    code = COMMAND.run(parser.parse_args(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def _lines(path: Path) -> list[str]:
    return [str(line).removeprefix(f"{path}") for line in lint_files([str(path)], io.StringIO()).lines]


def test_right_manifests_end_with_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_GOOD)

    assert _run(capsys, "-f", str(file)) == (0, "", "0 errors, 0 warnings in 1 object of 1 file\n")


def test_an_error_stands_with_file_line_and_column_and_ends_with_three(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_BAD)

    code, out, err = _run(capsys, "-f", str(file))

    assert code == 3
    assert out == f"{file}:7:5: error: VirtualService/web: spec.http[0].timeout: duration must be greater than 1ms\n"
    assert err == "1 error, 0 warnings in 1 object of 1 file\n"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_findings_can_be_read_by_programs(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_BAD)

    _, out, _ = _run(capsys, "-f", str(file), "-o", form)
    read = json.loads(out) if form == "json" else yaml.safe_load(out)

    assert read["findings"] == [
        {
            "file": str(file),
            "line": 7,
            "column": 5,
            "severity": "error",
            "kind": "VirtualService",
            "namespace": "default",
            "name": "web",
            "field": "spec.http[0].timeout",
            "message": "duration must be greater than 1ms",
        }
    ]
    assert read["summary"] == {"files": 1, "judged": 1, "errors": 1, "warnings": 0, "notJudged": {}}


def test_a_directory_is_searched_through(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "vs.yml").write_text(_BAD)
    (tmp_path / "notes.txt").write_text("not a manifest")

    report = lint_files([str(tmp_path)], io.StringIO())

    assert (report.files, report.judged, report.count("error")) == (1, 1, 1)


def test_stdin_is_read() -> None:
    assert [str(line) for line in lint_files(["-"], io.StringIO(_BAD)).lines] == [
        "stdin:7:5: error: VirtualService/web: spec.http[0].timeout: duration must be greater than 1ms"
    ]


def test_a_broken_file_does_not_keep_others_from_being_judged(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [1\n")
    (tmp_path / "b.yaml").write_text(_BAD)

    report = lint_files([str(tmp_path)], io.StringIO())

    assert [(Path(line.file).name, line.severity) for line in report.lines] == [
        ("a.yaml", "error"),
        ("b.yaml", "error"),
    ]


def test_documents_before_a_broken_one_are_judged(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(f"{_BAD}---\n- a list\n")

    assert _lines(file) == [
        ":10:1: error: a manifest is a mapping with apiVersion and kind",
        ":7:5: error: VirtualService/web: spec.http[0].timeout: duration must be greater than 1ms",
    ]


def test_a_template_is_told_to_be_rendered_first(tmp_path: Path) -> None:
    file = tmp_path / "chart.yaml"
    file.write_text("kind: {{ .Values.kind }}\n")

    (line,) = _lines(file)

    assert line.endswith("(a template? render it first, with `helm template` for example)")


def test_binary_files_are_no_manifests(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(b"a: b\n\xff\xfe")

    assert _lines(file) == [":2:1: error: not text in UTF-8"]


@pytest.mark.parametrize(
    ("text", "about"),
    [("a: 1\n", ""), ("apiVersion: v1\n", ""), ("kind: Rollout\nmetadata: {name: web}\n", "Rollout/web: ")],
)
def test_an_object_without_a_kind_or_an_api_version_is_an_error(text: str, about: str, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)

    assert _lines(file) == [f":1:1: error: {about}a manifest names its apiVersion and kind"]
    assert not lint_files([str(file)], io.StringIO()).not_judged


def test_the_items_of_a_list_are_judged_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    items = [yaml.safe_load(_GOOD), yaml.safe_load(_BAD)]
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))

    (line,) = lint_files([str(file)], io.StringIO()).lines

    assert line.line > 20
    assert line.field == "spec.http[0].timeout"


def test_what_is_not_judged_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    kinds = ["CustomResourceDefinition", "EnvoyFilter", "EnvoyFilter"]
    file.write_text("---\n".join(f"apiVersion: some.group/v1\nkind: {kind}\n" for kind in kinds))

    report = lint_files([str(file)], io.StringIO())

    assert list(report.lines) == []
    assert summary(report) == (
        "0 errors, 0 warnings in 0 objects of 1 file; not judged: CustomResourceDefinition (1), EnvoyFilter (2)"
    )


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="No such file"):
        lint_files([str(tmp_path / "gone.yaml")], io.StringIO())
    with pytest.raises(StartError, match="no manifests there"):
        lint_files([str(tmp_path)], io.StringIO())


def test_a_whole_mesh_is_analyzed_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_GOOD)

    code, out, _ = _run(capsys, "--analyze", "-f", str(file))

    assert code == 3
    assert out == (
        f"{file}:7:28: error: VirtualService/web: spec.http[0].route[0].destination.host: "
        '[IST0101] Referenced host not found: "web"\n'
    )


def _rollout(strategy: str) -> str:
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec:\n"
        "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
        f"    spec: {{containers: [{{name: web, image: web}}]}}\n  strategy:\n{strategy}"
    )


def test_a_wrong_step_is_shown_at_its_own_line_though_argo_leaves_out_the_strategy(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    file.write_text(_rollout("    canary:\n      steps:\n      - setWeight: 10\n      - setWeight: 160\n"))

    (line,) = _lines(file)

    assert line.startswith(":13:9: error: Rollout/web: spec.strategy.steps[1].setWeight: Invalid value: 160")


@pytest.mark.parametrize(
    ("api_version", "kind"), [("networking.istio.io/v1", "VirtualSevice"), ("networking.istio.io/v2", "VirtualService")]
)
def test_a_kind_that_looks_like_a_slip_is_an_error(api_version: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_GOOD.replace("networking.istio.io/v1", api_version).replace("VirtualService", kind))

    (line,) = _lines(file)

    assert line.startswith(
        f":1:1: error: {kind}/web: {kind} of {api_version} is not a kind that meshsim serves, did you"
    )


def _template(condition: str) -> str:
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: AnalysisTemplate\nmetadata: {name: web}\nspec:\n"
        f"  args: [{{name: least}}]\n  metrics:\n  - name: rate\n    successCondition: {condition}\n"
        "    provider: {prometheus: {query: up}}\n"
    )


def test_a_condition_that_can_not_be_read_is_warned_of_before_a_release_meets_it(tmp_path: Path) -> None:
    file = tmp_path / "at.yaml"
    file.write_text(_template("result[0] => 0.95"))

    (line,) = _lines(file)

    assert line == (
        ":8:5: warning: AnalysisTemplate/web: spec.metrics[0].successCondition: "
        "every measurement will be an Error, for 'result[0] => 0.95' can't be read: unexpected token \"=\""
    )


@pytest.mark.parametrize("condition", ["result[0] >= 0.95", '"result[0] => {{args.least}}"', "''"])
def test_conditions_that_are_right_or_not_yet_whole_are_left_alone(condition: str, tmp_path: Path) -> None:
    file = tmp_path / "at.yaml"
    file.write_text(_template(condition))

    assert _lines(file) == []


def test_a_tab_is_called_a_tab(tmp_path: Path) -> None:
    file = tmp_path / "vs.yaml"
    file.write_text(_GOOD.replace("  hosts", "\thosts"))

    assert _lines(file) == [":5:1: error: a tab, where YAML is indented by blanks"]


def test_what_argo_fills_in_later_is_not_taken_for_a_template_to_render(tmp_path: Path) -> None:
    file = tmp_path / "at.yaml"
    file.write_text(_template('"result[0] > {{args.least}}"') + "   wrong: {\n")

    (line,) = _lines(file)

    assert "render it first" not in line


def _messages(path: Path) -> list[str]:
    return [line.message for line in lint_files([str(path)], io.StringIO(), is_whole_mesh=True).lines]


def test_in_a_whole_mesh_what_a_rollout_names_must_be_there(tmp_path: Path) -> None:
    file = tmp_path / "r.yaml"
    steps = "[{analysis: {templates: [{templateName: rates}]}}]"
    canary = f"    canary: {{canaryService: web-canary, stableService: web-stable, steps: {steps}}}\n"
    service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web-stable}\nspec: {selector: {app: web}}\n"
    file.write_text(_rollout(canary) + service + "---\n" + _template("result[0] > 1"))

    assert _lines(file) == []
    assert [message.partition(": ")[2] for message in _messages(file)] == [
        '"web-canary": service "web-canary" not found',
        "\"rates\": AnalysisTemplate 'rates' not found",
    ]

    file.write_text(
        _rollout(canary.replace("rates", "web"))
        + service
        + service.replace("stable", "canary")
        + "---\n"
        + _template("result[0] > 1")
    )
    assert _messages(file) == []
