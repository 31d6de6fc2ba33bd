//! `[glue]`: where the catalogue is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name of a database in Glue
/// (<https://docs.aws.amazon.com/glue/latest/webapi/API_DatabaseInput.html>).
const DATABASE_BYTES_MAX: usize = 255;

/// The `[glue]` section. Credentials are not here: they come from the environment, a profile, a web identity or the
/// machine's role, and are never written or logged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// The database that has the tables. It is made where it is not there. Default `headgate`.
    pub(crate) database: String,
    /// The catalogue's region. Default: `s3.region`, `AWS_REGION`, the profile's or the machine's.
    pub(crate) region: Option<String>,
    /// The URL of a server that is not Amazon's. Default: Amazon's for the region.
    pub(crate) endpoint: Option<String>,
    /// A role to assume with the credentials that were found. Default: none.
    pub(crate) assume_role_arn: Option<String>,
    /// One request is given up and tried again after this long, in milliseconds: 100 to 600000.
    pub(crate) request_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database: "headgate".to_owned(),
            region: None,
            endpoint: None,
            assume_role_arn: None,
            request_timeout_ms: 15_000,
        }
    }
}

impl Settings {
    /// What is wrong with the settings: each key with what is allowed there.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let fits = (1..=DATABASE_BYTES_MAX).contains(&self.database.len());
        if !fits || !self.database.bytes().all(plain) {
            let reason = format!("must be 1 to {DATABASE_BYTES_MAX} of a-z 0-9 _");
            problems.push(("database", reason));
        }
        let url = |endpoint: &String| {
            ["http://", "https://"]
                .iter()
                .any(|scheme| endpoint.starts_with(scheme))
        };
        if self
            .endpoint
            .as_ref()
            .is_some_and(|endpoint| !url(endpoint))
        {
            let reason = "must be a URL that begins with http:// or https://";
            problems.push(("endpoint", reason.to_owned()));
        }
        if !(100..=600_000).contains(&self.request_timeout_ms) {
            problems.push(("request_timeout_ms", "must be 100 to 600000".to_owned()));
        }
        problems
    }
}
