"""How a message can be wrong."""


class MessageError(Exception):
    """A peer's bytes are no acceptable HTTP/1.1.

    `status` is what a client is answered with; `details` is Envoy's response code detail.
    """

    def __init__(self, status: int, details: str) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
