"""Transactions, locks, and statements that look after tables or settings.

Isolation: https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html. The database's level counts; what BEGIN
says has no effect there (https://docs.aws.amazon.com/redshift/latest/dg/r_BEGIN.html).
"""

from . import catalog
from .errors import NotFaked, SqlError, Unsupported, syntax_error
from .result import Result
from .tokens import render

# Parameters that have no effect on what the fake does:
# https://docs.aws.amazon.com/redshift/latest/dg/cm_chap_ConfigurationRef.html
INERT = frozenset(
    """
    query_group enable_result_cache_for_session wlm_query_slot_count analyze_threshold_percent describe_field_name_in_uppercase
    auto_mv mv_enable_aqmv_for_session json_parse_truncate_strings client_encoding
    """.split()
)
PARAMETERS = frozenset("search_path statement_timeout timezone datestyle extra_float_digits application_name".split())


def begin(session, scan):
    """BEGIN [WORK | TRANSACTION] [ISOLATION LEVEL ...] [READ WRITE | READ ONLY]"""
    if session.batch:
        raise Unsupported("BatchExecuteStatement is a transaction already: it takes no BEGIN")
    scan.accept("TRANSACTION") or scan.accept("WORK")
    mode = ""
    while not scan.done:
        if scan.accept("ISOLATION", "LEVEL"):
            _level(scan)
        elif scan.accept("READ", "ONLY"):
            mode = " READ ONLY"
        elif not scan.accept("READ", "WRITE") and not scan.accept_mark(","):
            raise scan.unexpected()
    if session.implicit and session.in_block:
        session.implicit = False
        return Result("BEGIN")
    return session.query(f"BEGIN{mode}")


def _level(scan):
    for level in (["SERIALIZABLE"], ["REPEATABLE", "READ"], ["READ", "COMMITTED"], ["READ", "UNCOMMITTED"], ["SNAPSHOT"]):
        if scan.accept(*level):
            return
    raise scan.unexpected()


def _end(session, scan, word):
    if session.batch:
        raise Unsupported(f"BatchExecuteStatement is a transaction already: it takes no {word}")
    scan.accept("TRANSACTION") or scan.accept("WORK")
    if scan.word() == "TO":
        raise syntax_error("ROLLBACK TO SAVEPOINT")
    scan.end()
    return session.query(word)


def commit(session, scan):
    """COMMIT or END"""
    return _end(session, scan, "COMMIT")


def rollback(session, scan):
    """ROLLBACK or ABORT"""
    return _end(session, scan, "ROLLBACK")


def lock(session, scan):
    """LOCK [TABLE] t [, ...]: the one mode there is, https://docs.aws.amazon.com/redshift/latest/dg/r_LOCK.html

    As in PostgreSQL it does not yet fix what the transaction sees.
    """
    scan.accept("TABLE")
    paths = [scan.path()]
    while scan.accept_mark(","):
        paths.append(scan.path())
    if scan.word() == "IN":
        raise syntax_error("LOCK ... IN ... MODE: the mode is always ACCESS EXCLUSIVE")
    scan.end()
    names = ", ".join(catalog.sql_path(session, path) for path in paths)
    return session.query(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")


def truncate(session, scan):
    """TRUNCATE commits what came before it and itself: https://docs.aws.amazon.com/redshift/latest/dg/r_TRUNCATE.html"""
    scan.accept("TABLE")
    path = scan.path()
    scan.end()
    catalog.require(session, path)
    if session.in_block:
        session.query("COMMIT")
        session.implicit = False
    return session.query(f"TRUNCATE TABLE {catalog.sql_path(session, path)}")


def vacuum(session, scan):
    """VACUUM has nothing to do here, but cannot run in a transaction.

    https://docs.aws.amazon.com/redshift/latest/dg/r_VACUUM_command.html
    """
    if session.in_block:
        raise SqlError("VACUUM cannot run inside a transaction block", "25001")
    for kind in (["FULL"], ["SORT", "ONLY"], ["DELETE", "ONLY"], ["REINDEX"], ["RECLUSTER"]):
        if scan.accept(*kind):
            break
    if not scan.done and scan.word() not in ("TO", "BOOST"):
        catalog.require(session, scan.path())
    if scan.accept("TO"):
        scan.number()
        scan.expect("PERCENT")
    scan.accept("BOOST")
    scan.end()
    return Result("VACUUM")


def analyze(session, scan):
    """ANALYZE [COMPRESSION is not faked] [t [(columns)]]"""
    scan.accept("VERBOSE")
    if scan.word() == "COMPRESSION":
        raise NotFaked("ANALYZE COMPRESSION")
    if scan.done:
        return session.query("ANALYZE")
    path = scan.path()
    columns = scan.group() if scan.mark() == "(" else None
    if not scan.accept("PREDICATE", "COLUMNS") and not scan.accept("ALL", "COLUMNS"):
        scan.end()
    given = f"({render(session.rewrite(columns))})" if columns else ""
    return session.query(f"ANALYZE {catalog.sql_path(session, path)}{given}")


def set_parameter(session, scan):
    """SET name {TO | =} value"""
    if scan.accept("SESSION") or scan.accept("LOCAL"):
        if scan.word() in ("AUTHORIZATION", "CHARACTERISTICS"):
            raise NotFaked(f"SET SESSION {scan.word()}")
    if scan.word() == "TRANSACTION":
        raise syntax_error("SET TRANSACTION")
    name = scan.name().name
    if name in INERT:
        return Result("SET")
    if name not in PARAMETERS:
        raise NotFaked(f'the parameter "{name}"')
    return session.query(render(session.rewrite(scan.tokens)))


def reset(session, scan):
    """RESET {name | ALL}"""
    if scan.word() == "ALL":
        raise NotFaked("RESET ALL")
    return Result("RESET") if scan.name().name in INERT else session.query(render(scan.tokens))


def show(session, scan):
    """SHOW name"""
    return session.query(render(session.rewrite(scan.tokens)))
