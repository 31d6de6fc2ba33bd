"""Expressions and queries of Redshift's in PostgreSQL's words; what Redshift lacks is refused on the way."""

from . import refuse, types
from .errors import NotFaked
from .scan import Scan
from .tokens import MARK, STRING, WORD, Token, render, tokenise

_DATE_FUNCTIONS = ("DATEADD", "DATEDIFF", "DATE_ADD", "DATE_DIFF")
_INFORMATION = {"COLUMNS": "svv_columns", "TABLES": "svv_tables"}


def rewrite(tokens, engine):
    """The tokens for PostgreSQL; raises SqlError for what Redshift refuses."""
    refuse.lacking(tokens)
    refuse.values_lists(tokens)
    return _rewritten(tokens, engine)


def _rewritten(tokens, engine):
    result, index = [], 0
    while index < len(tokens):
        made, used = _cast(tokens, index, engine)
        if made is None:
            made, used = _one(tokens, index)
        result += made or [engine.names.normal(tokens[index])]
        index += used
    return result


def _cast(tokens, index, engine):
    """CAST(... AS VARCHAR(n)) cuts after n bytes, where PostgreSQL counts characters."""
    if tokens[index].word != "CAST" or _text(tokens, index + 1) != "(":
        return None, 1
    scan = Scan(tokens[index + 1 :])
    inner = scan.group()
    depth = 0
    for at, token in enumerate(inner):
        if token.kind == MARK:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth or token.word != "AS" or at + 1 == len(inner) or inner[at + 1].word not in ("VARCHAR", "CHARACTER"):
            continue
        kind = Scan(inner[at + 1 :])
        wanted = types.parse(kind)
        if not kind.done or wanted.name != "character varying" or _text(inner, len(inner) - 1) != ")":
            return None, 1
        engine.need_domain(wanted)
        value = render(_rewritten(inner[:at], engine))
        text = f"CAST(pg_catalog.redshift_cut(CAST({value} AS text), {wanted.length}) AS {wanted.sql})"
        spaced = Token(WORD, "", tokens[index].spaced)
        return [spaced, *tokenise(text)], 1 + scan.position
    return None, 1


def _text(tokens, index):
    return tokens[index].text if index < len(tokens) else ""


def _word(tokens, index):
    return tokens[index].word if 0 <= index < len(tokens) else ""


def _one(tokens, index):
    """What stands for the token at `index` and how many tokens that replaces; None for the token itself."""
    token = tokens[index]
    before, called = _text(tokens, index - 1) if index else "", _text(tokens, index + 1) == "("
    if token.word == "NVL" and called:
        return [Token(WORD, "COALESCE", token.spaced)], 1
    if token.word == "MINUS":
        return [Token(WORD, "EXCEPT", token.spaced)], 1
    if token.word in _DATE_FUNCTIONS and called and index + 2 < len(tokens) and tokens[index + 2].kind == WORD:
        name = token.text.replace("_", "")
        return [Token(WORD, name, token.spaced), tokens[index + 1], Token(STRING, f"'{tokens[index + 2].text}'")], 3
    if token.word == "SYSDATE" and before != "." and not called:
        return [Token(WORD, "pg_catalog.sysdate()", token.spaced)], 1
    if token.name == "information_schema" and _text(tokens, index + 1) == "." and index + 2 < len(tokens):
        view = _INFORMATION.get((tokens[index + 2].name or "").upper())
        if view:
            return [Token(WORD, f"pg_catalog.{view}", token.spaced)], 3
    if token.word == "SUPER" and (before == "::" or _word(tokens, index - 1) == "AS" and _text(tokens, index + 1) == ")"):
        return [_super(tokens, index)], 1
    return None, 1


def _super(tokens, index):
    """A cast to SUPER makes a scalar of the value, where PostgreSQL's would parse it: only NULL is the same in both."""
    if _word(tokens, index - 2) != "NULL":
        raise NotFaked("casts to SUPER but of NULL; JSON_PARSE makes SUPER from JSON text")
    return Token(WORD, "pg_catalog.jsonb", tokens[index].spaced)


def comma(tokens):
    """Whether a comma stands outside all parentheses."""
    depth = 0
    for token in tokens:
        if token.kind == MARK:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
            if token.text == "," and not depth:
                return True
    return False
