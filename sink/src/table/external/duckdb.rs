//! DuckDB: a view, since it keeps no external tables.

use super::{Place, left_out, literal};
use crate::table::{Table, redshift::quoted};

impl Table {
    /// `CREATE OR REPLACE VIEW` over the files that are in the folder when it is asked; the place's database is not used.
    /// Older files lack the columns that later minors added: they are null there. DuckDB makes the view only where a file is
    /// there (<https://duckdb.org/docs/stable/data/partitioning/hive_partitioning>).
    pub fn duckdb_view(&self, place: &Place<'_>) -> String {
        let files = format!("{}dt=*/hr=*/*.parquet", place.folder(self));
        format!(
            "{}CREATE OR REPLACE VIEW {} AS\nSELECT * FROM read_parquet(\n    {},\n    union_by_name = true,\n    \
             hive_partitioning = true,\n    hive_types = {{'dt': DATE, 'hr': VARCHAR}}\n);\n",
            left_out(self),
            quoted(self.name()),
            literal(&files),
        )
    }
}
