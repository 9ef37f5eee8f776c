"""Every error a connector can raise. An expected failure of a source is not one: it is `Unavailable`."""


class ConnectorError(Exception):
    """A source could not be opened."""


class CaseError(ConnectorError):
    """The case cannot be read; the message names the file and what is wrong, in one line."""


class ForbiddenFileError(ConnectorError):
    """An investigation tried to open a file that holds the answer."""


class TimeLeakError(ConnectorError):
    """A reading held a sample later than the incident's now."""


class DamagedFileError(CaseError):
    """A file of the case ends early or cannot be unpacked to its end."""


class UndecodableAnswerError(ConnectorError):
    """These bytes are no answer that this version wrote."""


class RefusedError(ConnectorError):
    """The wall around a database does not let this statement through; the message names layer and reason."""

    def __init__(self, layer: str, reason: str) -> None:
        super().__init__(f"refused by the {layer} layer: {reason}")
        self.layer = layer
        self.reason = reason
