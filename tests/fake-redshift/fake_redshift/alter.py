"""ALTER TABLE: https://docs.aws.amazon.com/redshift/latest/dg/r_ALTER_TABLE.html"""

from . import catalog, ddl, definition, names, types, views
from .errors import NotFaked, SqlError, Unsupported, syntax_error
from .rewrite import comma

# "You can't alter a column with these encodings", says the manual of ALTER COLUMN ... TYPE.
UNALTERABLE_ENCODINGS = frozenset("BYTEDICT RUNLENGTH TEXT255 TEXT32K".split())


def alter_table(session, scan):
    """ALTER TABLE, from behind these words."""
    if scan.word() == "IF":
        raise syntax_error("ALTER TABLE IF EXISTS")
    path = scan.path()
    if scan.accept("ADD"):
        return _add(session, path, scan)
    if scan.accept("DROP"):
        return _drop(session, path, scan)
    if scan.accept("RENAME"):
        return _rename(session, path, scan)
    if scan.accept("ALTER"):
        return _alter(session, path, scan)
    if scan.accept("OWNER", "TO"):
        owner = session.engine.names.normal(scan.name()).text
        scan.end()
        return _run(session, path, f"OWNER TO {owner}")
    if scan.word() in ("APPEND", "SET", "PARTITION", "ROW"):
        raise NotFaked(f"ALTER TABLE {scan.word()}")
    raise scan.unexpected()


def _quoted(session, name):
    return catalog.quoted(session.engine.names.short(name)).text


def _run(session, path, action, *more_names):
    mentioned = [session.engine.names.short(name) for name in (path[-1].name, *more_names)]
    with session.atomic(), views.rebound(session, mentioned):
        return session.query(f"ALTER TABLE {catalog.sql_path(session, path)} {action}")


def _add(session, path, scan):
    if scan.word() in ("CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN"):
        raise NotFaked("ADD CONSTRAINT: declare keys in CREATE TABLE")
    scan.accept("COLUMN")
    if scan.word() == "IF":
        raise syntax_error("ADD COLUMN IF NOT EXISTS: ask svv_columns first")
    rest = scan.tokens[scan.position :]
    if comma(rest):
        raise Unsupported("ALTER TABLE adds one column in a statement: write a statement for each")
    declared = definition.Attributes()
    column = definition.column(scan, declared)
    if declared.keys or declared.distkey or declared.sortkey:
        raise Unsupported("ADD COLUMN takes no DISTKEY, SORTKEY, UNIQUE, PRIMARY KEY or REFERENCES")
    if column.not_null and (column.default is None or [token.word for token in column.default] == ["NULL"]):
        raise SqlError("ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression", "42601")
    session.engine.need_domain(column.type)
    with session.atomic():
        oid = catalog.require(session, path)
        if len(catalog.columns(session, oid)) >= ddl.COLUMNS_MAX:
            raise SqlError(f"tables can have at most {ddl.COLUMNS_MAX} columns", "54011")
        result = _run(session, path, f"ADD COLUMN {column.sql(session)}")
        if column.encoding:
            _set_encoding(session, oid, column.name, column.encoding)
    return result


def _set_encoding(session, oid, name, encoding):
    session.rows(
        "UPDATE redshift_table_attributes SET encodings = encodings || jsonb_build_object(%s::text, %s::text) "
        "WHERE table_id = %s::oid RETURNING 1",
        name, encoding, oid,
    )  # fmt: skip


def _drop(session, path, scan):
    if scan.accept("CONSTRAINT"):
        raise NotFaked("DROP CONSTRAINT")
    scan.accept("COLUMN")
    if scan.word() == "IF":
        raise syntax_error("DROP COLUMN IF EXISTS: ask svv_columns first")
    name = scan.name().name
    how = " CASCADE" if scan.accept("CASCADE") else ""
    scan.accept("RESTRICT")
    if scan.mark() == ",":
        raise Unsupported("ALTER TABLE drops one column in a statement: write a statement for each")
    scan.end()
    with session.atomic():
        distkey, sortkey, _, _ = catalog.attributes(session, catalog.require(session, path))
        if name == distkey or name in sortkey:
            raise Unsupported(f'cannot drop column "{name}": it is a DISTKEY or SORTKEY')
        return _run(session, path, f"DROP COLUMN {_quoted(session, name)}{how}")


def _rename(session, path, scan):
    if scan.accept("TO"):
        new = names.new_name(scan.name())
        scan.end()
        return _run(session, path, f"RENAME TO {_quoted(session, new)}", new)
    scan.expect("COLUMN")
    old = scan.name().name
    scan.expect("TO")
    new = names.new_name(scan.name())
    scan.end()
    with session.atomic():
        oid = catalog.require(session, path)
        result = _run(session, path, f"RENAME COLUMN {_quoted(session, old)} TO {_quoted(session, new)}")
        session.rows(
            "UPDATE redshift_table_attributes SET distkey = CASE WHEN distkey = %s THEN %s ELSE distkey END, "
            "sortkey = array_replace(sortkey, %s, %s), declared_keys = array_replace(declared_keys, %s, %s) "
            "WHERE table_id = %s::oid RETURNING 1",
            *[old, new] * 3, oid,
        )  # fmt: skip
    return result


def _alter(session, path, scan):
    if scan.word() in ("DISTSTYLE", "DISTKEY", "SORTKEY", "COMPOUND", "INTERLEAVED", "ENCODE"):
        raise NotFaked(f"ALTER TABLE ALTER {scan.word()}")
    scan.accept("COLUMN")
    name = scan.name().name
    if scan.accept("ENCODE"):
        raise NotFaked("ALTER COLUMN ENCODE")
    if not scan.accept("TYPE"):
        raise scan.unexpected()
    wanted = types.parse(scan)
    if scan.mark() == ",":
        raise Unsupported("ALTER TABLE alters one column in a statement: write a statement for each")
    scan.end()
    if session.in_block:
        raise SqlError("ALTER TABLE ALTER COLUMN cannot run inside a transaction block", "25001")
    with session.atomic():
        oid = catalog.require(session, path)
        _check_widening(session, oid, name, wanted)
        session.engine.need_domain(wanted)
        return _run(session, path, f"ALTER COLUMN {_quoted(session, name)} TYPE {wanted.sql}")


def _check_widening(session, oid, name, wanted):
    found = [column for column in catalog.columns(session, oid) if column.name == name]
    if not found:
        raise SqlError(f'column "{name}" does not exist', "42703")
    column = found[0]
    if column.type.name != "character varying" or wanted.name != "character varying":
        raise Unsupported(f'cannot alter column "{name}" from {column.type} to {wanted}: only VARCHAR can be made wider')
    if wanted.length < column.type.length:
        raise Unsupported(
            f'cannot alter column "{name}" from {column.type} to {wanted}: '
            "target column size should be greater or equal to current maximum column size"
        )
    if column.has_default:
        raise Unsupported(f'cannot alter column "{name}": it has a default value')
    distkey, sortkey, encodings, keys = catalog.attributes(session, oid)
    if name == distkey or name in sortkey or name in keys:
        raise Unsupported(f'cannot alter column "{name}": it is a DISTKEY, a SORTKEY, or declared as a key')
    if encodings.get(name) in UNALTERABLE_ENCODINGS:
        raise Unsupported(f'cannot alter column "{name}": its encoding is {encodings[name]}')
