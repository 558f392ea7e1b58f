"""The errors that a user can fix, each with a message that says how.

Every error carries one finished message and no other argument, so that it survives the pickle on
its way out of a worker process. A command line catches `TextclsError`, prints the message and
returns a non-zero exit code; any other exception is a fault of the program.
"""


class TextclsError(Exception):
    """Something that the user can fix; the message says what, where and what was expected."""


class ConfigError(TextclsError):
    """A configuration that cannot be used; the message lists every problem, one a line."""


class DataError(TextclsError):
    """Texts or labels that cannot be used; the message names the file and the rows at fault."""


class HubUnreachableError(DataError):
    """A data set or vectors live on a hub that cannot be reached and no substitute was named."""


class HubError(TextclsError):
    """A repository of a hub that cannot be read or written; the message says why."""


class EmbeddingError(TextclsError):
    """Pre-trained vectors that cannot be used; the message names the file and the line."""


class BundleError(TextclsError):
    """An exported classifier or a checkpoint that is missing, damaged or of another format."""


class DivergedError(TextclsError):
    """Training reached a loss that is not finite; the message says at which step."""


class NotFittedError(TextclsError, ValueError, AttributeError):
    """A classifier that was asked to predict before `fit` or `load`, as in scikit-learn."""
