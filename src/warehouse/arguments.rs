//! What can be asked of `headgate warehouse`.

use clap::{Args, Subcommand};

use crate::replay;

/// `headgate warehouse ...`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what would be changed and loaded now, as SQL, and runs none of it
    Plan {
        /// Only this table
        #[arg(long)]
        table: Option<String>,
    },
    /// Loads all that has landed by now, whether or not it is due, and ends; exits 1 if something could not be loaded
    Load {
        /// Reports in JSON, one object
        #[arg(long)]
        json: bool,
    },
    /// Says how far each table is loaded, and what was set aside
    Status(Status),
    /// Loads what was set aside once more; exits 1 if something is refused again
    Retry {
        /// Only the load of this id, as `status` names it
        #[arg(long)]
        id: Option<String>,
        /// Reports in JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Makes a table anew from all that has landed, beside the one that is there, and puts it in its place
    Rebuild {
        /// The table
        #[arg(long)]
        table: String,
        /// Reports in JSON, one object
        #[arg(long)]
        json: bool,
    },
    /// Puts a table's rows of a time once more in the place of those that are there, from the landed files
    Reload(Reload),
}

/// `headgate warehouse status`
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this table
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// Exits with 4 unless all that was received before then, and has landed, is loaded: 2026-11-22T20:00:00Z, or 2026-11-22
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) until: Option<i64>,
    /// Reports in JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `headgate warehouse reload`
#[derive(Debug, Args)]
pub(crate) struct Reload {
    /// The table
    #[arg(long)]
    pub(crate) table: String,
    /// Rows received from then on: 2026-11-22T20:00:00Z, or 2026-11-22
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) from: i64,
    /// Rows received before then
    #[arg(long, value_name = "TIME", value_parser = replay::instant)]
    pub(crate) to: i64,
    /// Reports in JSON, one object
    #[arg(long)]
    pub(crate) json: bool,
}
