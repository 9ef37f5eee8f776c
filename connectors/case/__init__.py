"""A recorded incident as a set of sources: the connector that answers from the files of a case.

Everything here reads; nothing here decides, writes, or opens a file that holds the answer.
"""

from connectors.case.directory import forbid_answers
from connectors.case.manifest import Manifest, Recorded, ServiceEntry
from connectors.case.sources import CaseSources, open_case

__all__ = ["CaseSources", "Manifest", "Recorded", "ServiceEntry", "forbid_answers", "open_case"]
