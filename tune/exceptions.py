"""The errors of a search, apart from those of its data and its model.

As in `textcls.exceptions`, each error carries one finished message.
"""

from textcls.exceptions import TextclsError


class SearchError(TextclsError):
    """A search that cannot start, cannot go on or found no winner; the message says which."""


class RunFolderError(SearchError):
    """A run folder that exists already, is missing, is in use or cannot be written."""


class MissingRunError(RunFolderError):
    """A run that does not exist."""


class UnbegunRunError(MissingRunError):
    """A run whose search still prepares texts and vectors, so that it has no study yet."""


class ClusterError(SearchError):
    """A Ray cluster that cannot be started or joined, or is too small for one trial."""


class RayLostError(ClusterError):
    """A Ray that has died under a search, which ends and can be resumed."""
