"""Why a query has no answer."""


class QueryError(Exception):
    """The query can't be read or evaluated; `kind` is Prometheus' errorType: bad_data, execution or timeout."""

    def __init__(self, message: str, kind: str = "bad_data") -> None:
        super().__init__(message)
        self.kind = kind
