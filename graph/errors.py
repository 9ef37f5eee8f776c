"""Every error the machine can raise. A source that fails is not one: it is `Unavailable`."""


class GraphError(Exception):
    """An investigation cannot go on."""


class UnknownQuestionError(GraphError):
    """A stored question is of a kind that this version does not know."""


class NotRecordedError(GraphError):
    """The record does not hold what the state refers to."""


class NotWaitingError(GraphError):
    """There is no investigation waiting for an answer under this name."""


class UnknownProposalError(GraphError):
    """The proposal is not on the list."""


class OtherIncidentError(GraphError):
    """This name belongs to the investigation of another incident."""


class SourceFailedError(GraphError):
    """A source raised instead of answering; the node is run again."""
