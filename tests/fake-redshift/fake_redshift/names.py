"""Identifiers: reserved words, and names that are longer than PostgreSQL's 63 bytes but not than Redshift's 127.

Long names live in PostgreSQL under a short one; errors, results and catalog views show the long one again.
"""

import hashlib
import re
import threading

from .errors import SqlError
from .tokens import QUOTED, WORD, Token, quoted

# https://docs.aws.amazon.com/redshift/latest/dg/r_names.html
IDENTIFIER_BYTES_MAX = 127
_POSTGRES_BYTES_MAX = 63
_SHORT = re.compile(r"hglong_[0-9a-f]{40}")

# https://docs.aws.amazon.com/redshift/latest/dg/r_pg_keywords.html
RESERVED = frozenset(
    """
    AES128 AES256 ALL ALLOWOVERWRITE ANALYSE ANALYZE AND ANY ARRAY AS ASC AUTHORIZATION AZ64 BACKUP BETWEEN BINARY
    BLANKSASNULL BOTH BYTEDICT BZIP2 CASE CAST CHECK COLLATE COLUMN CONSTRAINT CREATE CREDENTIALS CROSS CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP CURRENT_USER CURRENT_USER_ID DEFAULT DEFERRABLE DEFLATE DEFRAG DELTA DELTA32K DESC
    DISABLE DISTINCT DO ELSE EMPTYASNULL ENABLE ENCODE ENCRYPT ENCRYPTION END EXCEPT EXPLICIT FALSE FOR FOREIGN FREEZE
    FROM FULL GLOBALDICT256 GLOBALDICT64K GRANT GROUP GZIP HAVING IDENTITY IGNORE ILIKE IN INITIALLY INNER INTERSECT
    INTERVAL INTO IS ISNULL JOIN LEADING LEFT LIKE LIMIT LOCALTIME LOCALTIMESTAMP LUN LUNS LZO LZOP MINUS MOSTLY16
    MOSTLY32 MOSTLY8 NATURAL NEW NOT NOTNULL NULL NULLS OFF OFFLINE OFFSET OID OLD ON ONLY OPEN OR ORDER OUTER OVERLAPS
    PARALLEL PARTITION PERCENT PERMISSIONS PIVOT PLACING PRIMARY RAW READRATIO RECOVER REFERENCES REJECTLOG RESORT
    RESPECT RESTORE RIGHT SELECT SESSION_USER SIMILAR SNAPSHOT SOME SYSDATE SYSTEM TABLE TAG TDES TEXT255 TEXT32K THEN
    TIMESTAMP TO TOP TRAILING TRUE TRUNCATECOLUMNS UNION UNIQUE UNNEST UNPIVOT USER USING VERBOSE WALLET WHEN WHERE WITH
    WITHOUT
    """.split()
)

# Those that no query uses as a keyword: unquoted, they can only be meant as names.
NEVER_SYNTAX = RESERVED & frozenset(
    """
    AES128 AES256 ALLOWOVERWRITE AZ64 BACKUP BLANKSASNULL BYTEDICT BZIP2 CREDENTIALS DEFLATE DEFRAG DELTA DELTA32K
    EMPTYASNULL ENCODE ENCRYPT ENCRYPTION EXPLICIT GLOBALDICT256 GLOBALDICT64K GZIP LUN LUNS LZO LZOP MOSTLY16 MOSTLY32
    MOSTLY8 OFFLINE OID PERMISSIONS RAW READRATIO RECOVER REJECTLOG RESORT SNAPSHOT TAG TDES TEXT255 TEXT32K
    TRUNCATECOLUMNS WALLET
    """.split()
)


def new_name(token):
    """The identifier that a table or column is to get; refuses reserved words that are not quoted."""
    if token.kind == WORD and token.word in RESERVED:
        raise SqlError(f'syntax error at or near "{token.text}": it is a reserved word, quote it', "42601")
    return token.name


class LongNames:
    """Both ways between long names and their short ones. `remember(short, long)` keeps a pair for the catalog views."""

    def __init__(self, remember):
        self._remember = remember
        self._long = {}
        self._lock = threading.Lock()

    def load(self, pairs):
        self._long.update(pairs)

    def short(self, name):
        """The name in PostgreSQL; refuses more than 127 bytes."""
        size = len(name.encode())
        if size > IDENTIFIER_BYTES_MAX:
            raise SqlError(f'identifier "{name}" has {size} bytes, at most {IDENTIFIER_BYTES_MAX} are allowed', "42622")
        if size <= _POSTGRES_BYTES_MAX:
            return name
        short = "hglong_" + hashlib.sha1(name.encode()).hexdigest()
        with self._lock:
            if short not in self._long:
                self._remember(short, name)
                self._long[short] = name
        return short

    def normal(self, token):
        """The token with its name folded, and shortened where PostgreSQL would cut it."""
        if token.kind == QUOTED or token.kind == WORD and len(token.text.encode()) > _POSTGRES_BYTES_MAX:
            return Token(QUOTED, quoted(self.short(token.name)).text, token.spaced)
        return token

    def restore(self, text):
        """A text of PostgreSQL's with the long names in it again."""
        return _SHORT.sub(lambda found: self._long.get(found.group(), found.group()), text)
