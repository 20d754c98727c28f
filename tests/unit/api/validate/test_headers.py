import pytest

from meshsim.api.networking import HeaderOperations, Headers
from meshsim.api.validate.headers import check_operations, cors_header_error, header_value_error, match_header_error


@pytest.mark.parametrize(
    "value", ["", "plain", "100%%", "%HOSTNAME%", "a %REQ(:path)% b", '%DYNAMIC_METADATA(["a", "b"])%']
)
def test_a_value_may_hold_envoys_variables(value: str) -> None:
    assert header_value_error(value) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("50%", "Un-escaped %"),
        ("abc%123", "Un-terminated variable expression 'abc%123'"),
        ("%A([x])%", "Expecting '\"'"),
        ('%A(["x" y])%', "Expecting ',', ']', or whitespace"),
        ('%A(["x"]y)%', "Expecting ')' or whitespace after '{}', but found '{}'"),
        ("%A(x)y%", "Expecting '%' or whitespace after"),
        ("%A(x\\", "Un-terminated backslash in JSON string"),
    ],
)
def test_a_broken_variable_is_told(value: str, problem: str) -> None:
    assert header_value_error(value) == f"header value configuration: invalid header configuration. {problem}"


def test_a_value_has_no_control_characters() -> None:
    assert header_value_error("a\rb") == "header value configuration a\rb is invalid"


@pytest.mark.parametrize("name", ["x-user", ":path", "@request.auth.claims.sub", "@request.auth.claims[a][b]"])
def test_pseudo_headers_and_claims_may_be_matched(name: str) -> None:
    assert match_header_error(name) is None


@pytest.mark.parametrize("name", [":other", "@request.auth.claims", "a b", "@request.auth.claims[]"])
def test_other_names_must_be_tokens(name: str) -> None:
    assert match_header_error(name) == f"header name {name} is not a valid header name"


def test_cors_headers_may_be_all() -> None:
    assert [cors_header_error(name) for name in ("*", "x-a", "")] == [None, None, "header name cannot be empty"]


def test_only_requests_may_have_their_host_set() -> None:
    operations = HeaderOperations(set={"Host": "a", ":scheme": "b"}, remove=("host", ""))

    findings = check_operations("headers", Headers(request=operations, response=operations))

    assert [(finding.path, finding.message) for finding in findings] == [
        ("headers.request.set", 'invalid header ":scheme": header cannot have ":" prefix'),
        ("headers.request.remove[0]", 'invalid header "host": cannot set Host header'),
        ("headers.request.remove[1]", "header name cannot be empty"),
        ("headers.response.set", 'invalid header "Host": cannot set Host header'),
        ("headers.response.set", 'invalid header ":scheme": header cannot have ":" prefix'),
        ("headers.response.remove[0]", 'invalid header "host": cannot set Host header'),
        ("headers.response.remove[1]", "header name cannot be empty"),
    ]
