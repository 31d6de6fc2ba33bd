"""SQL as a list of tokens: what every rule looks at, so that none is fooled by a string, a comment or a quoted name."""

import dataclasses
import re

from .errors import SqlError

WORD, QUOTED, STRING, NUMBER, MARK, PARAMETER = "word", "quoted", "string", "number", "mark", "parameter"

_SPACE = re.compile(r"\s+|--[^\n]*")
_WORD = re.compile(r"[^\W\d][\w$]*")
_NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DOLLAR = re.compile(r"\$([^\W\d]\w*)?\$")
_PARAMETER = re.compile(r":[^\W\d]\w*")
_OPERATOR = re.compile(r"[-+*/<>=~!@#%^&|`?]+")


@dataclasses.dataclass(frozen=True)
class Token:
    """One token: `text` as it stands in the statement, `spaced` if there is white space or a comment before it."""

    kind: str
    text: str
    spaced: bool = True

    @property
    def word(self):
        """The keyword in capitals, or an empty string for what cannot be one."""
        return self.text.upper() if self.kind == WORD else ""

    @property
    def name(self):
        """The identifier that this is, folded; None for other tokens.

        Redshift folds delimited identifiers too: https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
        """
        if self.kind == WORD:
            return fold(self.text)
        if self.kind == QUOTED:
            return fold(self.text[1:-1].replace('""', '"'))
        return None


def fold(name):
    """ASCII letters in lower case; others stay, as the manual says."""
    return "".join(c.lower() if c.isascii() else c for c in name)


def quoted(name):
    """A token that is a delimited identifier."""
    return Token(QUOTED, '"' + name.replace('"', '""') + '"')


def render(tokens):
    """SQL again; comments have become spaces."""
    return "".join((" " if token.spaced else "") + token.text for token in tokens).strip()


def _string_end(sql, start):
    """Where the literal that begins at `start` ends. A backslash escapes, as in PostgreSQL 8.0, on which Redshift is based."""
    position = start + 1
    while position < len(sql):
        if sql[position] == "\\":
            position += 2
        elif sql[position] == "'":
            if sql[position + 1 : position + 2] != "'":
                return position + 1
            position += 2
        else:
            position += 1
    raise SqlError(f'unterminated quoted string at or near "{sql[start : start + 40]}"', "42601")


def _comment_end(sql, start):
    depth, position = 1, start + 2
    while depth:
        found = re.compile(r"/\*|\*/").search(sql, position)
        if not found:
            raise SqlError("unterminated /* comment", "42601")
        depth += 1 if found.group() == "/*" else -1
        position = found.end()
    return position


def _quoted_end(sql, start):
    found = re.compile(r'"(?:[^"]|"")*"').match(sql, start)
    if not found or found.end() - start <= 2:
        raise SqlError("unterminated or zero-length delimited identifier", "42601")
    return found.end()


def _operator_end(sql, start):
    """An operator does not swallow a comment that begins right behind it."""
    end = _OPERATOR.match(sql, start).end()
    for comment in ("--", "/*"):
        found = sql.find(comment, start, end)
        end = found if found > start else end
    return end


def _next(sql, position):
    """The kind of the token at `position` and where it ends."""
    char = sql[position]
    if char == "'":
        return STRING, _string_end(sql, position)
    if char in "eEnNbBxX" and sql[position + 1 : position + 2] == "'":
        return STRING, _string_end(sql, position + 1)
    if char == '"':
        return QUOTED, _quoted_end(sql, position)
    dollar = _DOLLAR.match(sql, position)
    if dollar:
        end = sql.find(dollar.group(), dollar.end())
        if end < 0:
            raise SqlError("unterminated dollar-quoted string", "42601")
        return STRING, end + len(dollar.group())
    if sql.startswith("::", position):
        return MARK, position + 2
    for kind, pattern in ((PARAMETER, _PARAMETER), (WORD, _WORD), (NUMBER, _NUMBER)):
        found = pattern.match(sql, position)
        if found:
            return kind, found.end()
    if _OPERATOR.match(sql, position):
        return MARK, _operator_end(sql, position)
    return MARK, position + 1


def tokenise(sql):
    """All tokens; raises SqlError where a string, comment or identifier does not end."""
    if "\0" in sql:
        raise SqlError('invalid byte sequence for encoding "UTF8": 0x00', "22021")
    tokens, position, spaced = [], 0, True
    while position < len(sql):
        space = _SPACE.match(sql, position)
        if space:
            position, spaced = space.end(), True
        elif sql.startswith("/*", position):
            position, spaced = _comment_end(sql, position), True
        else:
            kind, end = _next(sql, position)
            tokens.append(Token(kind, sql[position:end], spaced))
            position, spaced = end, False
    return tokens


def statements(tokens):
    """Splits at semicolons; empty statements vanish."""
    parts, part = [], []
    for token in tokens:
        if token.kind == MARK and token.text == ";":
            parts.append(part)
            part = []
        else:
            part.append(token)
    return [part for part in [*parts, part] if part]


def literal(text):
    """A string literal of this text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def value_of(token):
    """The text of a plain string literal."""
    if token.kind != STRING or token.text[0] != "'":
        raise SqlError(f"a plain string literal is expected instead of {token.text}", "42601")
    return re.sub(r"\\(.)|''", lambda found: found.group(1) or "'", token.text[1:-1], flags=re.DOTALL)
