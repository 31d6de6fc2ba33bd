//! One version of one event's schema: its name and version, its table, its compiled check and its shape.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::Value;

use crate::check::VIOLATIONS_MAX;
use crate::event::Violation;
use crate::privacy::{self, Plan};
use crate::program::Program;
use crate::redshift::Redshift;
use crate::shape::Shape;
use crate::walk::Cursor;

/// A schema's version. Additions raise the minor; anything else is a new major and with it a new table.
///
/// Written `1` when the minor is 0, else `1.2`: as in the file names `1.json` and `1.2.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Starts at 1.
    pub major: u32,
    /// Starts at 0.
    pub minor: u32,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "{}", self.major),
            minor => write!(f, "{}.{minor}", self.major),
        }
    }
}

/// A text is not a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version: allowed are `1` or `1.2`, the major from 1, without leading zeros")]
pub struct NotAVersion;

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let (major, minor) = match text.split_once('.') {
            Some((major, minor)) => (number(major)?, number(minor)?),
            None => (number(text)?, 0),
        };
        if major == 0 {
            return Err(NotAVersion);
        }
        Ok(Self { major, minor })
    }
}

/// A number in its one canonical spelling, so that no two file names mean one version.
fn number(text: &str) -> Result<u32, NotAVersion> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && !(text.len() > 1 && text.starts_with('0'));
    if canonical {
        text.parse().map_err(|_| NotAVersion)
    } else {
        Err(NotAVersion)
    }
}

/// One schema of a loaded [`Registry`](crate::registry::Registry).
#[derive(Debug)]
pub struct Schema {
    pub(crate) name: Arc<str>,
    pub(crate) version: Version,
    pub(crate) dataschema: String,
    pub(crate) table: String,
    pub(crate) redshift: Option<Redshift>,
    pub(crate) document: Value,
    /// The document with every reference replaced by what it names: what shape and compatibility look at.
    pub(crate) expanded: Value,
    pub(crate) shape: Shape,
    pub(crate) privacy: Option<Plan>,
    pub(crate) program: Program,
    pub(crate) role: Role,
    pub(crate) fingerprint: u64,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An event's data.
    Data,
    /// The properties of an SDK's track call, whose message is the event's data.
    Track,
    /// Any call of an SDK, or any event of a tracker, for want of a schema of its own: built in.
    Call,
    /// What describes itself by a schema of Iglu.
    Entity,
}

impl Schema {
    /// The event's name: the CloudEvents `type`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The schema's version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Name and version as in the attribute `dataschema`: `order_completed/1` or `order_completed/1.2`.
    pub fn dataschema(&self) -> &str {
        &self.dataschema
    }

    /// The schema document as it was loaded.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The document with every reference replaced by what it names: the value of `$ref` is then a schema. Where a
    /// schema refers to itself, `$ref` stays an absolute URI.
    pub fn expanded(&self) -> &Value {
        &self.expanded
    }

    /// The table that the events land in: the annotation `x-table`, else `<event>_<major>` in snake case, which is
    /// `<event>` alone for major 1 of a [track call](Self::track). All minors of a major share one table, and no two
    /// majors do. Lower-case letters, digits and `_`, at most 127 bytes.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The annotation `x-track`: the schema describes the `properties` of an SDK's track call, whose whole message is the
    /// event's data. What is checked, and what columns come from, is the message; document and compatibility are the
    /// properties'.
    pub fn track(&self) -> bool {
        self.role == Role::Track
    }

    /// It is one of those that are built in for what SDKs send ([`crate::sdk`]), which refuse no message.
    pub fn sdk_call(&self) -> bool {
        self.role == Role::Call
    }

    /// It is one of Iglu's, and its rows are what describes itself in events ([`crate::iglu`]): no event is of this schema. Its
    /// name is the model's then, `iglu:com.example/order/jsonschema/1`, and its dataschema the whole one.
    pub fn entity(&self) -> bool {
        self.role == Role::Entity
    }

    /// The annotation `x-redshift`: how Redshift keeps the table's rows. Its columns need not be there.
    pub fn redshift(&self) -> Option<&Redshift> {
        self.redshift.as_ref()
    }

    /// What the columns are derived from: the shape of the event's data.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// A hash of the document's and its references' meaning and order; equal for equal schemas on every machine.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The annotation `x-pii`: what becomes of which values of an event's data before anybody else sees it. `None`:
    /// nothing is annotated.
    pub fn privacy(&self) -> Option<&Plan> {
        self.privacy.as_ref()
    }

    /// Checks an event's data in which at most `depth_max` arrays and objects nest. Values with the annotation `x-pii`
    /// are not repeated in what is found.
    ///
    /// # Errors
    /// The violations found, as many as [`Program::check`] reports.
    pub fn check(&self, data: &str, depth_max: u32) -> Result<(), Vec<Violation>> {
        let mut checked = self.program.check(data, depth_max);
        if let (Some(plan), Err(found)) = (&self.privacy, &mut checked) {
            privacy::conceal(plan, found);
        }
        checked
    }

    /// The same of data in which the values at the places `done` were dropped, hashed or masked before: that they are no
    /// longer what the schema says is not held against them.
    ///
    /// # Errors
    /// As [`Schema::check`].
    pub fn check_again(
        &self,
        data: &str,
        depth_max: u32,
        done: &[String],
    ) -> Result<(), Vec<Violation>> {
        forgiving(self.check(data, depth_max), done)
    }

    /// Checks an event's data where it stands in a longer text, in which it is the next value: one pass then serves
    /// whoever has to find its end too. When it passes, the cursor is behind it; else the cursor has not moved, and
    /// [`Schema::check`] tells why.
    pub fn passes(&self, data: &mut Cursor<'_>, depth_max: u32) -> bool {
        self.program.passes(data, depth_max)
    }
}

/// The verdict on data with values that were hidden before.
pub(crate) fn forgiving(
    checked: Result<(), Vec<Violation>>,
    done: &[String],
) -> Result<(), Vec<Violation>> {
    let Err(mut found) = checked else {
        return Ok(());
    };
    // Where so many were found, there may be more.
    if !done.is_empty() && found.len() < VIOLATIONS_MAX {
        privacy::forgive(done, &mut found);
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(found),
    }
}
