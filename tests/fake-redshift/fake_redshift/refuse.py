"""What PostgreSQL has and Redshift does not: refused wherever it stands in a statement.

https://docs.aws.amazon.com/redshift/latest/dg/c_redshift-and-postgres-sql.html and the pages under it. Statements that
Redshift lacks as a whole are refused by `dispatch`.
"""

from . import types
from .errors import SqlError, Unsupported, syntax_error
from .names import NEVER_SYNTAX
from .tokens import MARK

# https://docs.aws.amazon.com/redshift/latest/dg/r_INSERT_30.html and its neighbours: no such clause in any synopsis.
PHRASES = [
    ("ON CONFLICT", "use MERGE, or INSERT with WHERE NOT EXISTS"),
    ("RETURNING", "read the rows in a statement of their own"),
    ("DISTINCT ON", "use ROW_NUMBER() OVER (PARTITION BY ...)"),
    ("IS DISTINCT FROM", "compare with = and IS NULL"),
    ("IS NOT DISTINCT FROM", "compare with = and IS NULL"),
    ("INTERSECT ALL", None),
    ("EXCEPT ALL", None),
    ("MINUS ALL", None),
    ("LATERAL", None),
    ("FOR UPDATE", "use LOCK"),
    ("FOR SHARE", "use LOCK"),
    ("TABLESAMPLE", None),
    ("AS MATERIALIZED", None),
    ("AS NOT MATERIALIZED", None),
    ("OVERRIDING", None),
]

# https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-functions.html, and functions that came to
# PostgreSQL after 8.0.
FUNCTIONS = frozenset(
    """
    ARRAY_AGG ARRAY_TO_JSON STRING_AGG JSON_AGG JSONB_AGG JSON_OBJECT_AGG JSONB_OBJECT_AGG JSON_BUILD_OBJECT
    JSON_BUILD_ARRAY JSONB_BUILD_OBJECT JSONB_BUILD_ARRAY TO_JSON TO_JSONB ROW_TO_JSON JSONB_SET JSONB_PATH_QUERY
    JSON_EACH JSONB_EACH JSON_POPULATE_RECORD JSON_TO_RECORDSET UNNEST GENERATE_SERIES REGEXP_MATCHES
    REGEXP_SPLIT_TO_TABLE REGEXP_SPLIT_TO_ARRAY STRING_TO_ARRAY ARRAY_TO_STRING FORMAT GEN_RANDOM_UUID
    UUID_GENERATE_V4 NEXTVAL CURRVAL SETVAL LASTVAL PG_NOTIFY PG_ADVISORY_LOCK PG_ADVISORY_XACT_LOCK
    PG_TRY_ADVISORY_LOCK PG_TRY_ADVISORY_XACT_LOCK PG_ADVISORY_UNLOCK TXID_CURRENT PG_SLEEP ROW CLOCK_TIMESTAMP
    STATEMENT_TIMESTAMP TRANSACTION_TIMESTAMP TO_TSVECTOR TO_TSQUERY XMLAGG
    """.split()
)

# https://docs.aws.amazon.com/redshift/latest/dg/c_SQL_functions_leader_node_only.html: not with a table of the user's.
LEADER_ONLY = frozenset("NOW AGE CURRENT_TIME CURRENT_TIMESTAMP LOCALTIME LOCALTIMESTAMP ISFINITE".split())

# https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html
SYSTEM_COLUMNS = frozenset("CTID XMIN XMAX CMIN CMAX TABLEOID".split())

OPERATORS = frozenset("-> ->> #> #>> @> <@ ? ?| ?& #- @? @@".split())


def lacking(tokens):
    """Raises if the statement has something that Redshift does not have."""
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == MARK:
            if token.text in OPERATORS:
                raise syntax_error(f"operator {token.text}")
            if token.text == "::" and following:
                _cast(following)
        elif token.word:
            _word(tokens, index, following)


def _word(tokens, index, following):
    word = tokens[index].word
    for phrase, instead in PHRASES:
        if phrase.startswith(word) and phrase == " ".join(t.word for t in tokens[index : index + len(phrase.split())]):
            raise SqlError(f"syntax error: Amazon Redshift has no {phrase}" + (f": {instead}" if instead else ""), "42601")
    called = following is not None and following.text == "("
    if called and word in FUNCTIONS:
        raise SqlError(f"function {word.lower()}() does not exist in Amazon Redshift", "42883")
    if called and word == "FILTER":
        raise syntax_error("FILTER clause for aggregates: use CASE inside them")
    if word == "ARRAY" and following is not None and following.text == "[":
        raise syntax_error("ARRAY[...] constructor")
    if word in SYSTEM_COLUMNS:
        raise SqlError(f'column "{word.lower()}" does not exist: Amazon Redshift has no system columns', "42703")
    if word in LEADER_ONLY and _touches_tables(tokens) and (called or word not in ("NOW", "AGE", "ISFINITE")):
        raise Unsupported(
            "Specified types or functions (one per INFO message) not supported on Redshift tables.",
            f"{word} runs on the leader node only: use GETDATE() or SYSDATE",
        )
    if word == "CAST" and called:
        _cast_call(tokens, index + 1)


def _touches_tables(tokens):
    return any(token.word in ("FROM", "INTO", "UPDATE") for token in tokens)


def _cast_call(tokens, index):
    """The type in CAST(... AS type): behind the AS at the depth of its parenthesis."""
    depth = 0
    for at in range(index, len(tokens)):
        if tokens[at].kind == MARK:
            depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
            if not depth:
                return
        elif depth == 1 and tokens[at].word == "AS" and at + 1 < len(tokens):
            _cast(tokens[at + 1])


def _cast(token):
    if (token.name or "").upper() in types.LACKING:
        raise Unsupported(f'type "{token.name}" does not exist in Amazon Redshift')


def reserved_names(tokens):
    """Raises if a reserved word stands, unquoted, where it can only be meant as a name."""
    for token in tokens:
        if token.word in NEVER_SYNTAX:
            raise SqlError(f'syntax error at or near "{token.text}": it is a reserved word, quote it', "42601")


def values_lists(tokens):
    """VALUES makes rows for INSERT only.

    https://docs.aws.amazon.com/redshift/latest/dg/c_unsupported-postgresql-features.html: no VALUES list used as a
    constant table.
    """
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        if token.word == "VALUES" and (before is None or before.text == "(" or before.word in ("AS", "ALL", "UNION")):
            raise syntax_error("VALUES list as a table: use SELECT ... UNION ALL SELECT ...")
        if token.word in ("INSERT", "UPDATE", "DELETE") and before is not None and before.text == "(":
            raise syntax_error(f"{token.word} inside another statement")
