"""Every error mlobs raises on purpose.

MlobsError
├── SettingError (ValueError)         a setting or an argument cannot be used
├── MissingExtraError (ImportError)   an optional package is not installed
├── DataError (ValueError)            a file or frame of data cannot be read
├── ProfileError (ValueError)         a profile and the data do not fit each other
├── QueryError (ValueError)           a question that cannot be asked
├── RuleError (ValueError)            an alert rule that cannot be used
├── PayloadError (ValueError)         a request body that is not what it should be
│   └── SignatureError                a body that was not signed with the shared secret, or too long ago
├── StoreError (OSError)              the store or the journal cannot be read or written
└── ServerError (ConnectionError)     a server cannot be reached, or cannot be started

The command line prints the sentence of any of them to stderr and exits with status 2.
"""


class MlobsError(Exception):
    """Catch this to catch everything mlobs raises on purpose."""


class SettingError(MlobsError, ValueError):
    """A setting or an argument has a value that cannot be used."""


class MissingExtraError(MlobsError, ImportError):
    """An optional package is needed for what was asked."""


class DataError(MlobsError, ValueError):
    """A file or frame of data cannot be read."""


class ProfileError(MlobsError, ValueError):
    """A profile and the data do not fit each other."""


class QueryError(MlobsError, ValueError):
    """A question that cannot be asked."""


class RuleError(MlobsError, ValueError):
    """An alert rule that cannot be used."""


class PayloadError(MlobsError, ValueError):
    """A request body that is not what it should be."""


class SignatureError(PayloadError):
    """A body was not signed with the shared secret, or too long ago."""


class StoreError(MlobsError, OSError):
    """The store or the journal cannot be read or written."""


class ServerError(MlobsError, ConnectionError):
    """A server cannot be reached, or cannot be started."""
