"""A cursor over a statement's tokens, for the statements whose structure the fake has to know."""

from .errors import SqlError
from .tokens import MARK, NUMBER, QUOTED, WORD


class Scan:
    """Reads tokens from left to right; whatever does not fit is a syntax error that names the token."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.position = 0

    @property
    def done(self):
        return self.position >= len(self.tokens)

    def peek(self, ahead=0):
        """The token that comes, or None at the end."""
        at = self.position + ahead
        return self.tokens[at] if at < len(self.tokens) else None

    def word(self, ahead=0):
        token = self.peek(ahead)
        return token.word if token else ""

    def mark(self):
        token = self.peek()
        return token.text if token and token.kind == MARK else ""

    def take(self):
        token = self.peek()
        if token is None:
            raise SqlError("syntax error at end of input", "42601")
        self.position += 1
        return token

    def accept(self, *keywords):
        """Whether these keywords come next, all of them; then they are behind."""
        if all(self.word(n) == keyword for n, keyword in enumerate(keywords)):
            self.position += len(keywords)
            return True
        return False

    def accept_mark(self, mark):
        if self.mark() == mark:
            self.position += 1
            return True
        return False

    def expect(self, *keywords):
        if not self.accept(*keywords):
            raise self.unexpected()

    def unexpected(self):
        token = self.peek()
        where = f'at or near "{token.text}"' if token else "at end of input"
        return SqlError(f"syntax error {where}", "42601")

    def name(self):
        """An identifier's token."""
        token = self.take()
        if token.kind not in (WORD, QUOTED):
            self.position -= 1
            raise self.unexpected()
        return token

    def path(self):
        """A name that may be qualified, as a list of identifiers' tokens."""
        parts = [self.name()]
        while self.accept_mark("."):
            parts.append(self.name())
        return parts

    def number(self):
        token = self.take()
        if token.kind != NUMBER or not token.text.isdigit():
            self.position -= 1
            raise self.unexpected()
        return int(token.text)

    def group(self):
        """The tokens between a parenthesis that comes next and its counterpart."""
        if not self.accept_mark("("):
            raise self.unexpected()
        start, depth = self.position, 1
        while depth:
            token = self.take()
            if token.kind == MARK:
                depth += {"(": 1, ")": -1}.get(token.text, 0)
        return self.tokens[start : self.position - 1]

    def rest(self):
        tokens, self.position = self.tokens[self.position :], len(self.tokens)
        return tokens

    def end(self):
        if not self.done:
            raise self.unexpected()


def split(tokens, mark=","):
    """Pieces between the marks that stand in no parentheses."""
    pieces, piece, depth = [], [], 0
    for token in tokens:
        if token.kind == MARK:
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind == MARK and token.text == mark and not depth:
            pieces.append(piece)
            piece = []
        else:
            piece.append(token)
    return [*pieces, piece] if piece or pieces else []
