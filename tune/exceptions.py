"""The errors of a search, apart from those of its data and its model.

As in `textcls.exceptions`, each error carries one finished message.
"""

from textcls.exceptions import TextclsError


class SearchError(TextclsError):
    """A search that cannot start, cannot go on or found no winner; the message says which."""


class RunFolderError(SearchError):
    """A run folder that exists already, is missing, is in use or cannot be written."""


class ClusterError(SearchError):
    """A Ray cluster that cannot be started or joined, or is too small for one trial."""


class RayLostError(ClusterError):
    """A Ray that has died under a search, which ends and can be resumed."""
