//! How many files the process may have open: each connection is one, and shells allow few by default.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides connections: the journal's, the sink's, libraries.
const OTHER_FILES: u64 = 1_024;

/// Raises the limit as far as the system lets this process, and warns when that is too few for `connections`.
pub(super) fn raise(connections: u64) {
    let wanted = connections + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    let (current, most) = (
        limit.current.unwrap_or(u64::MAX),
        limit.maximum.unwrap_or(u64::MAX),
    );
    if current >= wanted {
        return;
    }
    let raised = Rlimit {
        current: Some(wanted.min(most)),
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted.min(most),
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of open files");
            current
        }
    };
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer open files are allowed than gateway.limits.connections_max may need: raise `ulimit -n`"
        );
    }
}
