"""PostgreSQL's errors in Redshift's words."""

from . import types
from .errors import SessionEnded, SqlError

# https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation-serializable-isolation-troubleshooting.html
SERIALIZATION_FAILURE = "1023"


def isolation_violation(table, pid):
    """Error 1023, in whose detail the numbers of table, transactions and process are Redshift's own."""
    detail = f"Serializable isolation violation on table - {table}, transactions forming the cycle are: 1, 2 (pid:{pid})"
    return SqlError(SERIALIZATION_FAILURE, "XX000", detail)


def translate(error, session):
    """The SqlError for an error of psycopg's."""
    if session.connection.closed or session.connection.broken:
        return SessionEnded()
    diagnosis = error.diag
    state, message = diagnosis.sqlstate or "XX000", diagnosis.message_primary or str(error)
    if state == "40001":
        return isolation_violation(session.writing or 0, session.pid)
    if state == "23514" and diagnosis.datatype_name:
        return _domain(diagnosis)
    if state == "57014":
        return SqlError("Query cancelled on user's request", "57014")
    if state == "21000" and message.startswith("MERGE"):
        return SqlError("Found multiple matches to update the same tuple.", "21000")
    restore = session.engine.names.restore
    detail = diagnosis.message_detail
    return SqlError(restore(message), state, detail and restore(detail), diagnosis.message_hint)


def _domain(diagnosis):
    kind = types.of_domain(diagnosis.datatype_name)
    if diagnosis.constraint_name.endswith("_single"):
        return SqlError(f"value for type {kind} has multibyte characters, which CHAR cannot hold: use VARCHAR", "22021")
    return SqlError(f"value too long for type {kind}", "22001")
