//! `_rest`: what of a record has no column, as one JSON object per row, or null when everything has.
//!
//! Values of the data stand under their JSON pointer (`"/context/new_field"`), attributes of the envelope under
//! their names, which have no slash. A key that occurs twice in the data is here twice.

use headgate_schemas::event::write_string;

use crate::{encode::Values, table::pointer};

/// The current row's object, and the count over all rows.
#[derive(Debug, Default)]
pub(super) struct Rest {
    row: Vec<u8>,
    row_values: u64,
    values: u64,
}

impl Rest {
    /// A value by its pointer or its attribute's name.
    pub(super) fn value(&mut self, key: &str, raw: &str) {
        self.key(key);
        self.row.extend_from_slice(raw.as_bytes());
    }

    /// A member of a flattened object.
    pub(super) fn member(&mut self, object: &str, key: &str, raw: &str) {
        self.value(&pointer(object, key), raw);
    }

    /// An attribute that is a string.
    pub(super) fn attribute_text(&mut self, name: &str, text: &str) {
        self.key(name);
        write_string(text, &mut self.row);
    }

    fn key(&mut self, key: &str) {
        self.row
            .push(if self.row_values == 0 { b'{' } else { b',' });
        write_string(key, &mut self.row);
        self.row.push(b':');
        self.row_values += 1;
    }

    /// Ends a row; false without values: the column's null is left to the caller.
    pub(super) fn end_row(&mut self, column: &mut Values) -> bool {
        let any = self.row_values > 0;
        if any {
            self.row.push(b'}');
            // Only whole strings were appended: nothing is ever replaced.
            column.text(&String::from_utf8_lossy(&self.row));
            self.values += self.row_values;
        }
        self.forget_row();
        any
    }

    pub(super) fn forget_row(&mut self) {
        self.row.clear();
        self.row_values = 0;
    }

    pub(super) fn count(&self) -> u64 {
        self.values
    }
}
