"""Which statements there are, and what becomes of each. One that is not here is refused by its name."""

from . import alter, control, copy, ddl, dml, refuse, views
from .errors import NotFaked, SqlError, syntax_error
from .scan import Scan
from .tokens import render

# https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_commands.html has none of these.
LACKING = frozenset(
    "LISTEN NOTIFY UNLISTEN DO CLUSTER REINDEX SAVEPOINT RELEASE CHECKPOINT DISCARD LOAD VALUES TABLE".split()
)
NOT_FAKED = frozenset(
    "EXPLAIN UNLOAD PREPARE EXECUTE DEALLOCATE DECLARE FETCH CLOSE CALL CANCEL COMMENT ATTACH DETACH DESC USE".split()
)
LACKING_OBJECTS = frozenset(
    """
    INDEX TRIGGER SEQUENCE EXTENSION TYPE DOMAIN RULE AGGREGATE OPERATOR CAST TABLESPACE PUBLICATION SUBSCRIPTION
    COLLATION CONVERSION POLICY STATISTICS EVENT UNLOGGED UNIQUE FOREIGN
    """.split()
)
ENDINGS = frozenset("COMMIT END ROLLBACK ABORT".split())


def ends_transaction(tokens):
    return tokens[0].word in ENDINGS


def run(session, tokens):
    """Runs one statement on the session's PostgreSQL, under Redshift's rules."""
    scan = Scan(tokens)
    word = tokens[0].word
    if word in LACKING:
        raise syntax_error(f"{word} statement")
    if word in NOT_FAKED:
        raise NotFaked(word)
    handler = HANDLERS.get(word)
    if handler is None:
        raise SqlError(f'syntax error at or near "{tokens[0].text}"', "42601")
    if handler in (_query, dml.insert, dml.update, dml.delete, dml.merge):
        refuse.reserved_names(tokens)
        return handler(session, tokens)
    scan.take()
    return handler(session, scan)


def _query(session, tokens):
    """SELECT, or WITH in front of it."""
    if tokens[0].word == "WITH" and any(t.word in ("INSERT", "UPDATE", "DELETE") for t in tokens):
        raise syntax_error("WITH in front of INSERT, UPDATE or DELETE: put it into their query")
    if any(token.word == "INTO" for token in tokens):
        raise NotFaked("SELECT INTO: use CREATE TABLE AS")
    return session.query(render(session.rewrite(tokens)))


def _create(session, scan):
    if scan.accept("LOCAL") or scan.word() in ("TEMP", "TEMPORARY"):
        if not (scan.accept("TEMP") or scan.accept("TEMPORARY")):
            raise scan.unexpected()
        scan.expect("TABLE")
        return ddl.create_table(session, scan, temporary=True)
    if scan.accept("TABLE"):
        return ddl.create_table(session, scan, temporary=False)
    replace = scan.accept("OR", "REPLACE")
    if scan.accept("VIEW"):
        return views.create(session, scan, replace)
    _refuse_object(scan)
    return _plain(session, scan)


def _refuse_object(scan):
    """The objects of the others: schemas, users, groups and roles are as in PostgreSQL."""
    word = scan.word()
    if word in LACKING_OBJECTS:
        raise syntax_error(word)
    if word not in ("SCHEMA", "USER", "GROUP", "ROLE"):
        raise NotFaked(f"{scan.tokens[0].text.upper()} {word or scan.peek().text if scan.peek() else ''}".strip())


def _drop(session, scan):
    if scan.word() in ("TABLE", "VIEW"):
        return ddl.drop(session, scan, scan.take().word)
    _refuse_object(scan)
    return _plain(session, scan)


def _alter(session, scan):
    if scan.accept("TABLE"):
        return alter.alter_table(session, scan)
    _refuse_object(scan)
    return _plain(session, scan)


def _plain(session, scan):
    return session.query(render(session.rewrite(scan.tokens)))


def _grant(session, scan):
    """GRANT and REVOKE: a role is named with ROLE in front, which PostgreSQL does not know."""
    tokens = scan.tokens
    kept = [t for n, t in enumerate(tokens) if not (t.word == "ROLE" and _grantee_follows(tokens, n))]
    return session.query(render(session.rewrite(kept)))


def _grantee_follows(tokens, n):
    return n > 0 and (tokens[n - 1].word in ("TO", "FROM") or tokens[n - 1].text == ",")


HANDLERS = {
    "SELECT": _query, "WITH": _query,
    "INSERT": dml.insert, "UPDATE": dml.update, "DELETE": dml.delete, "MERGE": dml.merge,
    "COPY": copy.copy,
    "CREATE": _create, "DROP": _drop, "ALTER": _alter, "GRANT": _grant, "REVOKE": _grant,
    "BEGIN": control.begin, "START": control.begin,
    "COMMIT": control.commit, "END": control.commit, "ROLLBACK": control.rollback, "ABORT": control.rollback,
    "LOCK": control.lock, "TRUNCATE": control.truncate, "VACUUM": control.vacuum, "ANALYZE": control.analyze,
    "SET": control.set_parameter, "RESET": control.reset, "SHOW": control.show,
}  # fmt: skip
