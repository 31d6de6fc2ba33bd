"""A Parquet file under COPY's rules: its columns against the table's, its values against the columns' limits.

https://docs.aws.amazon.com/redshift/latest/dg/copy-usage_notes-copy-from-columnar.html; which Parquet type goes into which
column is at https://docs.aws.amazon.com/redshift/latest/dg/c-spectrum-external-tables.html. What no documentation says is
refused: see README.md.
"""

import dataclasses
import io
import json

import pyarrow
import pyarrow.compute as compute
import pyarrow.csv
import pyarrow.parquet

from .errors import SqlError
from .parquet_types import accepts, described

# https://docs.aws.amazon.com/redshift/latest/dg/t_Loading_tables_with_the_COPY_command.html: a row of more than 4 MB fails.
ROW_BYTES_MAX = 4 * 1024 * 1024
BATCH_ROWS = 16 * 1024
CODECS = {"UNCOMPRESSED", "SNAPPY", "GZIP"}
_WIDTH_BYTES = 8
_CSV = pyarrow.csv.WriteOptions(include_header=False, quoting_style="all_valid")


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a load failed, as far as that is known."""

    file: str = ""
    line: int = 0
    column: str | None = None
    type: str = ""
    length: str = ""


class LoadError(SqlError):
    """A COPY that fails because of what it reads. The client sees Spectrum's form of it."""

    def __init__(self, code, context, file, query, line=0, column=None, kind=None):
        detail = f"error:  Spectrum Scan Error code:      {code} context:   {context} query:     {query}"
        super().__init__("Spectrum Scan Error", "XX000", detail)
        self.code = code
        self.context = context
        length = str(kind.length) if kind and kind.length else ""
        self.position = Position(file, line, column, kind.name if kind else "", length)


class File:
    """One object that COPY reads; `rows` counts what `parts` has given."""

    def __init__(self, url, body, columns, command, settings, query):
        self.url = url
        self.query = query
        self.columns = columns
        self.command = command
        self.rows = 0
        try:
            self.parquet = pyarrow.parquet.ParquetFile(io.BytesIO(body))
        except (pyarrow.ArrowException, OSError) as error:
            raise self.error(f"File '{url}' is not a Parquet file: {error}") from error
        self._check_counts()
        self._check_codecs(settings)
        self._check_types()

    def error(self, context, line=0, column=None, code=15007):
        name, kind = (column.name, column.type) if column else (None, None)
        return LoadError(code, context, self.url, self.query, line, name, kind)

    def _check_counts(self):
        table, data = len(self.columns), len(self.parquet.schema_arrow)
        if data > table or data < table and not self.command.fill_record:
            raise self.error(
                f"Unmatched number of columns between table and file. Table columns: {table}, Data columns: {data}, "
                f"File name: {self.url}"
            )

    def _check_codecs(self, settings):
        allowed = CODECS | ({"ZSTD"} if settings.accept_zstd else set())
        metadata = self.parquet.metadata
        for group in range(metadata.num_row_groups):
            for leaf in range(metadata.num_columns):
                codec = metadata.row_group(group).column(leaf).compression
                if codec not in allowed:
                    raise self.error(f"Unsupported compression codec {codec}: use one of {', '.join(sorted(allowed))}")

    def _check_types(self):
        leaves = {}
        for n in range(len(self.parquet.schema)):
            leaf = self.parquet.schema.column(n)
            leaves.setdefault(leaf.path.split(".")[0], []).append(leaf)
        for field, column in zip(self.parquet.schema_arrow, self.columns):
            if not accepts(field, leaves[field.name], column.type, self.command.serialize_to_json):
                raise self.error(
                    f"File '{self.url}' has an incompatible Parquet schema for column '{column.name}'. Column type: "
                    f"{str(column.type).upper()}, Parquet schema: {described(field, leaves[field.name])}",
                    column=column,
                )

    def parts(self):
        """The rows as pieces of CSV, whose unquoted empty fields are NULL; raises LoadError."""
        try:
            for batch in self.parquet.iter_batches(batch_size=BATCH_ROWS):
                yield self._part(batch)
                self.rows += batch.num_rows
        except (pyarrow.ArrowException, OSError) as error:
            raise self.error(f"File '{self.url}' cannot be read: {error}", self.rows) from error

    def _part(self, batch):
        arrays, sizes = [], None
        for array, column in zip(batch.columns, self.columns):
            text = self._checked(array, column)
            arrays.append(text)
            if pyarrow.types.is_string(text.type) or pyarrow.types.is_large_string(text.type):
                size = compute.fill_null(compute.cast(compute.binary_length(text), pyarrow.int64()), 0)
                sizes = size if sizes is None else compute.add(sizes, size)
        if sizes is not None and len(sizes):
            self._check_rows(compute.add(sizes, _WIDTH_BYTES * len(arrays)))
        missing = len(self.columns) - len(arrays)
        arrays += [pyarrow.nulls(batch.num_rows, pyarrow.string())] * missing
        table = pyarrow.Table.from_arrays(arrays, [str(n) for n in range(len(arrays))])
        sink = pyarrow.BufferOutputStream()
        pyarrow.csv.write_csv(table, sink, _CSV)
        return sink.getvalue().to_pybytes()

    def _check_rows(self, sizes):
        line = self._first(compute.greater(sizes, ROW_BYTES_MAX))
        if line is not None:
            raise self.error(f"Row exceeds the max row size of {ROW_BYTES_MAX} bytes, File name: {self.url}", line)

    def _first(self, mask):
        """The number in the file, from 1, of the first row for which the mask is true; None if there is none."""
        at = compute.index(mask, True).as_py()
        return None if at < 0 else self.rows + at + 1

    def _checked(self, array, column):
        """The values in a form that CSV has; raises LoadError where one does not fit the column."""
        kind = array.type
        if column.type.name == "super":
            values = [None if value is None else json.dumps(value, default=str) for value in array.to_pylist()]
            return pyarrow.array(values, pyarrow.string())
        if pyarrow.types.is_decimal(kind):
            return array.cast(pyarrow.string())
        if pyarrow.types.is_timestamp(kind):
            array = array.cast(pyarrow.timestamp("us", "UTC")) if kind.tz else array
            return array.cast(pyarrow.timestamp("us"))
        if column.type.length is None:
            return array
        return self._checked_text(array, column)

    def _checked_text(self, array, column):
        if pyarrow.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        array = self._valid_utf8(array, column)
        sizes = compute.binary_length(array)
        line = self._first(compute.greater(sizes, column.type.length))
        if line is not None:
            size = sizes[line - self.rows - 1].as_py()
            raise self.error(
                f"The length of the data column {column.name} is longer than the length defined in the table. "
                f"Table: {column.type.length}, Data: {size}, File name: {self.url}",
                line, column,
            )  # fmt: skip
        line = self._first(compute.match_substring(array, "\0"))
        if line is not None:
            raise self.error(f"Invalid null byte in column {column.name}, File name: {self.url}", line, column)
        return array

    def _valid_utf8(self, array, column):
        try:
            array.validate(full=True)
            return array
        except pyarrow.ArrowInvalid as error:
            if self.command.replacement is None:
                context = f"String contains invalid or unsupported UTF8 codepoints in column {column.name}: {error}"
                raise self.error(context, column=column) from error
        values = [None if raw is None else self._replaced(raw) for raw in array.cast(pyarrow.binary()).to_pylist()]
        return pyarrow.array(values, pyarrow.string())

    def _replaced(self, raw):
        text = raw.decode("utf-8", "surrogateescape")
        return "".join(self.command.replacement if "\udc80" <= char <= "\udcff" else char for char in text)
