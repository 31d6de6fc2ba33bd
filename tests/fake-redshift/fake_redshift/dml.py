"""INSERT, UPDATE, DELETE and MERGE.

Redshift lets one transaction at a time write a table (https://docs.aws.amazon.com/redshift/latest/dg/c_write_readwrite.html):
a second writer waits. What it sees then is what was there when it began its first query, so the snapshot comes before the lock.
"""

from . import catalog
from .errors import NotFaked, SqlError, Unsupported, syntax_error
from .scan import Scan
from .tokens import WORD, Token, render


def write_lock(session, path):
    """Takes the snapshot, then waits until no other transaction writes the table. Needs an open transaction."""
    # This query is what takes the snapshot.
    oid = catalog.find(session, path)
    if oid is not None:
        session.query(f"LOCK TABLE {catalog.sql_path(session, path)} IN SHARE ROW EXCLUSIVE MODE")
    session.writing = oid


def _write(session, path, tokens):
    text = render(session.rewrite(tokens))
    with session.atomic():
        write_lock(session, path)
        return session.query(text)


def insert(session, tokens):
    """https://docs.aws.amazon.com/redshift/latest/dg/r_INSERT_30.html"""
    scan = Scan(tokens[1:])
    scan.expect("INTO")
    path = scan.path()
    if scan.word() == "AS":
        raise syntax_error("alias in INSERT INTO")
    return _write(session, path, tokens)


def update(session, tokens):
    """https://docs.aws.amazon.com/redshift/latest/dg/r_UPDATE.html"""
    return _write(session, Scan(tokens[1:]).path(), tokens)


def delete(session, tokens):
    """DELETE [FROM] t ...: https://docs.aws.amazon.com/redshift/latest/dg/r_DELETE.html"""
    scan = Scan(tokens[1:])
    if not scan.accept("FROM"):
        tokens = [tokens[0], Token(WORD, "FROM"), *tokens[1:]]
    return _write(session, scan.path(), tokens)


def merge(session, tokens):
    """https://docs.aws.amazon.com/redshift/latest/dg/r_MERGE.html"""
    scan = Scan(tokens[1:])
    scan.expect("INTO")
    target = scan.path()
    if not scan.accept("USING"):
        raise syntax_error("alias for MERGE's target")
    if scan.mark() == "(":
        raise Unsupported("MERGE's source must be a table, not a subquery: put the rows into a temporary table")
    source = scan.path()
    alias = None
    if scan.accept("AS") or scan.word() != "ON":
        alias = scan.name()
    scan.expect("ON")
    condition = _until_when(scan)
    if scan.accept("REMOVE", "DUPLICATES"):
        raise NotFaked("MERGE ... REMOVE DUPLICATES")
    _check_actions(scan)
    with session.atomic():
        for path in (target, source):
            if catalog.find(session, path) is None:
                catalog.require(session, path, "v")
                raise Unsupported(f'MERGE\'s target and source must be tables: "{catalog.shown(path)}" is a view')
        write_lock(session, target)
        _refuse_duplicates(session, source, (alias or source[-1]).name, condition)
        return session.query(render(session.rewrite(tokens)))


def _until_when(scan):
    condition = []
    while scan.word() not in ("WHEN", "REMOVE"):
        condition.append(scan.take())
    return condition


def _check_actions(scan):
    """Both WHEN clauses, matched first."""
    seen = []
    while not scan.done:
        if scan.accept("WHEN", "MATCHED"):
            seen.append("matched")
        elif scan.accept("WHEN", "NOT", "MATCHED"):
            seen.append("not matched")
        else:
            scan.take()
            continue
        if not scan.accept("THEN"):
            raise syntax_error("condition in MERGE's WHEN clauses")
    if seen != ["matched", "not matched"]:
        raise SqlError("MERGE needs WHEN MATCHED and then WHEN NOT MATCHED, each once", "42601")


def _refuse_duplicates(session, source, alias, condition):
    """No two rows of the source may have one key: as keys count the source's columns in the condition."""
    keys = []
    for index in range(len(condition) - 2):
        table, dot, column = condition[index : index + 3]
        if table.name == alias and dot.text == "." and column.name and column.name not in keys:
            keys.append(column.name)
    if not keys:
        return
    listed = ", ".join(catalog.quoted(session.engine.names.short(key)).text for key in keys)
    name = catalog.sql_path(session, source)
    if session.rows(f"SELECT 1 FROM {name} GROUP BY {listed} HAVING COUNT(*) > 1 LIMIT 1"):
        raise SqlError("Found multiple matches to update the same tuple.", "21000")
