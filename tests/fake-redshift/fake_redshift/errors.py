"""The ways in which a statement, a call of the Data API, or a connection ends badly."""


class SqlError(Exception):
    """A statement that Redshift refuses or that fails.

    `sqlstate` is PostgreSQL's five-character code; Redshift gives XX000 (internal error) for what PostgreSQL does not know.
    """

    def __init__(self, message, sqlstate="XX000", detail=None, hint=None):
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate
        self.detail = detail
        self.hint = hint

    def text(self):
        """The whole of it in one string, as the Data API reports errors."""
        return f"ERROR: {self.message}" + (f" Detail: {self.detail}" if self.detail else "")


class Unsupported(SqlError):
    """What Redshift does not have or does not allow."""

    def __init__(self, message, hint=None):
        super().__init__(message, "0A000", hint=hint)


class NotFaked(SqlError):
    """What Redshift has, and this fake does not: nothing is known about how a client of it would fare."""

    def __init__(self, what):
        super().__init__(f"the fake of Redshift does not do {what}: extend tests/fake-redshift if it is needed", "0A000")


def syntax_error(what):
    """What Redshift's grammar does not have."""
    return SqlError(f"syntax error: Amazon Redshift has no {what}", "42601")


class SessionEnded(SqlError):
    """The session with the database is gone, and its open transaction with it."""

    def __init__(self):
        super().__init__("terminating connection due to administrator command", "57P01")


class ConnectionCut(Exception):
    """A fault: the client's connection is to be closed without another word."""


class ApiError(Exception):
    """A call of the Data API that is answered with an error.

    `code` is the name of the exception in the service's model, `fields` what that one has besides its message.
    """

    def __init__(self, code, message, status=400, **fields):
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


def validation(message):
    """The error for a request that is wrong in itself."""
    return ApiError("ValidationException", message)
