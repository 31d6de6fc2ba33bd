//! What an operator can set about the bucket. Credentials are not here: they come from the environment, a profile,
//! a web identity or the machine's role, and are never written or logged.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// S3 takes no smaller part, but for the last.
const PART_BYTES_MIN: u64 = 5 << 20;

/// S3 takes no larger object in one request, and no larger part.
const PUT_BYTES_MAX: u64 = 5 << 30;

/// Where the tables are and how the store is spoken to. Every limit has a default that suits Amazon S3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The bucket. It must be there already. Default: none, it has to be set.
    pub bucket: String,
    /// What every object's key starts with, as a folder: `lake` keeps all under `lake/`. Everything below it belongs
    /// to Headgate: unfinished uploads of others there are aborted too. Default empty: the whole bucket.
    pub prefix: String,
    /// The bucket's region. Default: `AWS_REGION`, the profile's or the machine's; `us-east-1` when `endpoint` is set.
    pub region: Option<String>,
    /// The URL of a server that is not Amazon's, as `https://s3.example.com`. Default: Amazon S3's for the region.
    pub endpoint: Option<String>,
    /// Whether the bucket is named in the path (`https://host/bucket/key`) instead of the host: what most servers
    /// other than Amazon's need. Default false.
    pub path_style: bool,
    /// Whether uploads carry a CRC-32C and downloads are checked: `when_supported`, or `when_required` for stores
    /// that refuse them. Default `when_supported`.
    pub checksums: Checksums,
    /// How the store encrypts objects: `none` (the bucket's own default), `sse_s3` or `sse_kms`. Default `none`.
    pub server_side_encryption: Encryption,
    /// The KMS key for `sse_kms`: its id or ARN. Default: the account's key for S3.
    pub kms_key_id: Option<String>,
    /// The storage class of data files, as `INTELLIGENT_TIERING`. The commit log is always in the standard class.
    /// Default: the standard class.
    pub storage_class: Option<String>,
    /// A role to assume with the credentials that were found. Default: none.
    pub assume_role_arn: Option<String>,
    /// One operation, all its tries and pauses included, is given up after this long, in ms. Less than the sink's
    /// `store_timeout_ms`. Default 50,000.
    pub operation_deadline_ms: u64,
    /// One request, its body included, is given up and tried again after this long, in ms. Default 15,000.
    pub request_timeout_ms: u64,
    /// A connection that is not made after this long is given up, in ms. Default 3,000.
    pub connect_timeout_ms: u64,
    /// How often one request is tried before its operation fails. Default 8.
    pub request_attempts_max: u32,
    /// The longest pause before the second try, in ms; it doubles with every further one. The pause itself is drawn
    /// between nothing and that. Default 50.
    pub backoff_min_ms: u64,
    /// The longest pause between two tries, in ms. Default 5,000.
    pub backoff_max_ms: u64,
    /// Larger data files than this are uploaded in parts, in bytes. Default 16 MiB.
    pub multipart_threshold_bytes: u64,
    /// The size of a part, in bytes, at least 5 MiB. Default 8 MiB.
    pub part_bytes: u64,
    /// How many parts of one file are uploaded at once. Default 4.
    pub parts_at_once_max: usize,
    /// How many requests are under way at once, over all operations. Default 64.
    pub requests_at_once_max: usize,
}

/// When checksums are sent and checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Checksums {
    /// Wherever S3 can.
    WhenSupported,
    /// Only where S3 insists.
    WhenRequired,
}

/// Who encrypts objects at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// Whatever the bucket is set to.
    None,
    /// The store, with its own keys (AES-256).
    SseS3,
    /// The store, with a key in KMS.
    SseKms,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bucket: String::new(),
            prefix: String::new(),
            region: None,
            endpoint: None,
            path_style: false,
            checksums: Checksums::WhenSupported,
            server_side_encryption: Encryption::None,
            kms_key_id: None,
            storage_class: None,
            assume_role_arn: None,
            operation_deadline_ms: 50_000,
            request_timeout_ms: 15_000,
            connect_timeout_ms: 3_000,
            request_attempts_max: 8,
            backoff_min_ms: 50,
            backoff_max_ms: 5_000,
            multipart_threshold_bytes: 16 << 20,
            part_bytes: 8 << 20,
            parts_at_once_max: 4,
            requests_at_once_max: 64,
        }
    }
}

impl Config {
    /// What is wrong with the settings: each key with what is allowed there. Empty: nothing.
    pub fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = self.outside_bounds();
        let mut problem = |key, reason: &str| problems.push((key, reason.to_owned()));
        if self.bucket.is_empty() {
            problem("bucket", "must be set");
        } else if self.bucket.contains('/') {
            problem(
                "bucket",
                "is a bucket's name, without a slash: folders go into `prefix`",
            );
        } else if self.bucket.ends_with("--x-s3") {
            problem(
                "bucket",
                "a directory bucket lists its objects in no order, which the commit log cannot live with",
            );
        }
        let prefix = self.prefix.trim_end_matches('/');
        if !prefix.is_empty() && !crate::store::is_path(prefix) {
            problem(
                "prefix",
                "is a path: no part of it is empty or begins with a dot",
            );
        }
        if let Some(endpoint) = &self.endpoint
            && !["http://", "https://"]
                .iter()
                .any(|scheme| endpoint.starts_with(scheme))
        {
            problem(
                "endpoint",
                "must be a URL that begins with http:// or https://",
            );
        }
        if self.kms_key_id.is_some() && self.server_side_encryption != Encryption::SseKms {
            problem(
                "kms_key_id",
                "is used only with server_side_encryption = \"sse_kms\"",
            );
        }
        if self.request_timeout_ms > self.operation_deadline_ms {
            problem(
                "request_timeout_ms",
                "is not allowed to be above operation_deadline_ms",
            );
        }
        if self.backoff_min_ms > self.backoff_max_ms {
            problem(
                "backoff_min_ms",
                "is not allowed to be above backoff_max_ms",
            );
        }
        problems
    }

    fn outside_bounds(&self) -> Vec<(&'static str, String)> {
        let bounds: [(&'static str, u64, u64, u64); 10] = [
            (
                "operation_deadline_ms",
                self.operation_deadline_ms,
                100,
                3_600_000,
            ),
            (
                "request_timeout_ms",
                self.request_timeout_ms,
                100,
                3_600_000,
            ),
            ("connect_timeout_ms", self.connect_timeout_ms, 10, 600_000),
            (
                "request_attempts_max",
                self.request_attempts_max.into(),
                1,
                100,
            ),
            ("backoff_min_ms", self.backoff_min_ms, 1, 60_000),
            ("backoff_max_ms", self.backoff_max_ms, 1, 600_000),
            (
                "multipart_threshold_bytes",
                self.multipart_threshold_bytes,
                PART_BYTES_MIN,
                PUT_BYTES_MAX,
            ),
            ("part_bytes", self.part_bytes, PART_BYTES_MIN, PUT_BYTES_MAX),
            ("parts_at_once_max", self.parts_at_once_max as u64, 1, 64),
            (
                "requests_at_once_max",
                self.requests_at_once_max as u64,
                1,
                4_096,
            ),
        ];
        let outside = bounds
            .into_iter()
            .filter(|(_, value, least, most)| value < least || value > most);
        outside
            .map(|(key, value, least, most)| {
                let reason = format!("{value} is not allowed: at least {least} and at most {most}");
                (key, reason)
            })
            .collect()
    }

    /// The prefix as keys begin with it: empty, or ending in `/`.
    pub(super) fn key_prefix(&self) -> String {
        match self.prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        }
    }

    pub(super) fn operation_deadline(&self) -> Duration {
        Duration::from_millis(self.operation_deadline_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(config: &Config) -> Vec<&'static str> {
        config.problems().into_iter().map(|(key, _)| key).collect()
    }

    #[test]
    fn only_the_bucket_has_to_be_set() {
        assert_eq!(keys(&Config::default()), ["bucket"]);
        let config: Config = serde_json::from_str(r#"{"bucket":"lake"}"#).unwrap();
        assert_eq!(config.problems(), []);
        serde_json::from_str::<Config>(r#"{"secret_access_key":"x"}"#).unwrap_err();
    }

    #[test]
    fn what_cannot_work_is_named() {
        let config = Config {
            bucket: "lake--x-s3".into(),
            prefix: "/a//b".into(),
            endpoint: Some("s3.example.com".into()),
            kms_key_id: Some("k".into()),
            operation_deadline_ms: 1_000,
            backoff_min_ms: 6_000,
            part_bytes: 1,
            ..Config::default()
        };
        let expected = [
            "part_bytes",
            "bucket",
            "prefix",
            "endpoint",
            "kms_key_id",
            "request_timeout_ms",
            "backoff_min_ms",
        ];
        assert_eq!(keys(&config), expected);
    }

    #[test]
    fn a_prefix_is_a_folder() {
        for (prefix, key) in [("", ""), ("lake", "lake/"), ("a/b/", "a/b/")] {
            let config = Config {
                prefix: prefix.into(),
                ..Config::default()
            };
            assert_eq!(config.key_prefix(), key);
        }
    }
}
