"""COPY from Parquet by a manifest; every other COPY is refused.

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html lists the parameters that there are
with Parquet, and says that columns go by position and that their counts must be equal.
"""

import contextlib
import dataclasses
import datetime

import psycopg

from . import catalog, load, manifest
from .dml import write_lock
from .errors import NotFaked, SqlError, Unsupported, syntax_error
from .result import Result
from .tokens import STRING, value_of
from .translate import translate


@dataclasses.dataclass
class Command:
    """A COPY as it was written. `columns` are names in Redshift, None for all."""

    path: list
    columns: list | None
    source: str
    role: str | None = None
    credentials: str | None = None
    parquet: bool = False
    manifest: bool = False
    fill_record: bool = False
    replacement: str | None = None
    serialize_to_json: bool = False


def parse(scan):
    """Reads what stands behind the word COPY."""
    path = scan.path()
    columns = [token.name for token in scan.group() if token.name] if scan.mark() == "(" else None
    scan.expect("FROM")
    if scan.peek() is None or scan.peek().kind != STRING:
        raise syntax_error("COPY FROM STDIN or PROGRAM: its source is an s3:// URL")
    command = Command(path, columns, value_of(scan.take()))
    if not command.source.startswith("s3://"):
        raise NotFaked(f"COPY from {command.source}")
    while not scan.done:
        _option(scan, command)
    return command


def _option(scan, command):
    if scan.accept("IAM_ROLE"):
        command.role = "default" if scan.accept("DEFAULT") else value_of(scan.take())
    elif scan.accept("CREDENTIALS"):
        scan.accept("AS")
        command.credentials = value_of(scan.take())
    elif scan.accept("FORMAT", "AS", "PARQUET") or scan.accept("FORMAT", "PARQUET") or scan.accept("PARQUET"):
        command.parquet = True
    elif scan.accept("FORMAT"):
        scan.accept("AS")
        raise NotFaked(f"COPY in the format {scan.take().text}")
    elif scan.accept("MANIFEST"):
        command.manifest = True
    elif scan.accept("FILLRECORD"):
        command.fill_record = True
    elif scan.accept("SERIALIZETOJSON"):
        command.serialize_to_json = True
    elif scan.accept("ACCEPTINVCHARS"):
        scan.accept("AS")
        given = scan.peek() is not None and scan.peek().kind == STRING
        command.replacement = value_of(scan.take()) if given else "?"
        if len(command.replacement) != 1 or not command.replacement.isascii() or command.replacement == "\0":
            raise SqlError("ACCEPTINVCHARS takes one ASCII character that is not NULL", "22023")
    elif scan.accept("STATUPDATE"):
        any(scan.accept(word) for word in ("ON", "OFF", "TRUE", "FALSE"))
    elif not scan.accept("EXPLICIT_IDS"):
        name = scan.take().text.upper()
        raise Unsupported(f"{name} is not supported for COPY from PARQUET")


def _authorise(command, settings):
    """The role must be one that is attached to the cluster, keys must be known."""
    if (command.role is None) == (command.credentials is None):
        raise SqlError("COPY needs one of IAM_ROLE and CREDENTIALS", "42601")
    given = dict(part.partition("=")[::2] for part in (command.credentials or "").split(";"))
    role = command.role or given.get("aws_iam_role")
    if role is not None:
        known = role in ("default", settings.iam_role)
    else:
        keys = given.get("aws_access_key_id"), given.get("aws_secret_access_key")
        known = keys == (settings.access_key, settings.secret_key)
    if not known:
        raise SqlError(f"User is not authorized to assume IAM Role {role}" if role else "The AWS Access Key Id is unknown")


def copy(session, scan):
    """Runs a COPY; a failure leaves a row in sys_load_error_detail, whatever becomes of the transaction."""
    command = parse(scan)
    if not command.parquet:
        raise NotFaked("COPY but with FORMAT AS PARQUET")
    if not command.manifest:
        raise NotFaked("COPY without MANIFEST")
    query, started = session.engine.next_query_id(), datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    with session.atomic():
        oid = catalog.require(session, command.path)
        write_lock(session, command.path)
        columns = _columns(session, oid, command)
        try:
            _authorise(command, session.engine.settings)
            count = _load(session, command, columns, query)
        except SqlError as error:
            if error.sqlstate != "57014":
                _record(session, error, oid, query, started)
            raise
        session.rows("SELECT set_config('redshift.copy_id', %s, false)", str(query))
        session.rows("SELECT set_config('redshift.copy_count', %s, false)", str(count))
    notice = f"Load into table '{catalog.shown(command.path)}' completed, {count} record(s) loaded successfully."
    return Result("COPY", affected=count, notice=notice)


def _columns(session, oid, command):
    table = catalog.columns(session, oid)
    if command.columns is None:
        return table
    by_name = {column.name: column for column in table}
    for name in command.columns:
        if name not in by_name:
            raise SqlError(f'column "{name}" of relation "{catalog.shown(command.path)}" does not exist', "42703")
    if len(set(command.columns)) != len(command.columns):
        raise SqlError("a column is named more than once in COPY", "42701")
    return [by_name[name] for name in command.columns]


def _load(session, command, columns, query):
    listed = ", ".join(catalog.quoted(column.key).text for column in columns)
    target = f"COPY {catalog.sql_path(session, command.path)} ({listed}) FROM STDIN (FORMAT csv)"
    count = 0
    for entry in manifest.read(session.engine.s3, command.source, query):
        body = manifest.fetch(session.engine.s3, entry, query)
        if body is None:
            continue
        file = load.File(entry.url, body, columns, command, session.engine.settings, query)
        count += _write(session, target, file)
    return count


def _write(session, target, file):
    """Sends one file's rows to PostgreSQL; its refusals become load errors."""
    try:
        with session.connection.cursor().copy(target) as sink:
            for part in file.parts():
                if session.cancelled.is_set():
                    raise SqlError("Query cancelled on user's request", "57014")
                sink.write(part)
    except psycopg.Error as error:
        refused = translate(error, session)
        if refused.sqlstate.startswith(("22", "23")):
            column = error.diag.column_name and session.engine.names.restore(error.diag.column_name)
            raise load.LoadError(1213, refused.message, file.url, file.query, column=column) from error
        raise refused from error
    return file.rows


def _record(session, error, oid, query, started):
    """Writes to sys_load_error_detail outside of the transaction."""
    position = getattr(error, "position", load.Position())
    with contextlib.suppress(psycopg.Error):
        session.engine.administer(
            "INSERT INTO sys_load_error_detail SELECT usesysid::int, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, %s, %s "
            "FROM pg_user WHERE usename = current_user",
            query, session.pid, session.engine.settings.database, oid, started, position.file[:256], position.line,
            (position.column or "")[:127], position.type[:10], position.length, getattr(error, "code", 0),
            (getattr(error, "context", None) or error.message)[:512],
        )  # fmt: skip
