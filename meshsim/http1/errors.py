"""How a message can be wrong."""


class MessageError(Exception):
    """A peer's bytes are no acceptable HTTP/1.1.

    `status` is what a client is answered with, in words too unless `is_silent`; `details` and `flags` are Envoy's.
    """

    def __init__(self, status: int, details: str, *, flags: str = "DPE", is_silent: bool = False) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.flags = flags
        self.is_silent = is_silent
