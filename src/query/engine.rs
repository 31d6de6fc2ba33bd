//! Runs SQL over the landed tables: one engine sees the tables as of one moment and only ever reads.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::{DataFusionError, TableReference};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::object_store::ObjectStore;
use datafusion::prelude::{SQLOptions, SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};

use super::lake::LakeTable;
use crate::config::nearest;

/// Why a statement gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The statement would change something.
    #[error("`headgate query` only reads: {0}")]
    ReadOnly(String),
    /// A table that is not there.
    #[error("no table `{name}`{hint}")]
    UnknownTable { name: String, hint: String },
    /// A table that is there but cannot be read.
    #[error("table `{name}` cannot be read: {reason}")]
    Unreadable { name: String, reason: String },
    /// The SQL is wrong, or failed while it ran.
    #[error("{}", plain(.0))]
    Sql(#[from] DataFusionError),
}

/// DataFusion prefixes each error with its kind and may append a backtrace; neither helps an analyst.
fn plain(error: &DataFusionError) -> String {
    error.strip_backtrace().trim_end().to_owned()
}

/// The landed tables as of one moment, ready for SQL.
pub(crate) struct Engine {
    context: SessionContext,
    tables: Vec<String>,
    unreadable: BTreeMap<String, String>,
}

/// Where the files of a [`LakeTable`] are found.
pub(crate) fn lake_url() -> Result<ObjectStoreUrl, Error> {
    Ok(ObjectStoreUrl::parse("headgate://lake")?)
}

impl Engine {
    /// `tables` by name, whose files are in `files`: none where nothing has landed yet. `unreadable` tables with the
    /// reason, which is told only to whoever asks for them.
    ///
    /// # Errors
    /// The engine cannot be set up.
    pub(crate) fn new(
        files: Option<Arc<dyn ObjectStore>>,
        tables: BTreeMap<String, LakeTable>,
        unreadable: BTreeMap<String, String>,
        memory_bytes_max: usize,
    ) -> Result<Self, Error> {
        let config = SessionConfig::new()
            .with_information_schema(true)
            .with_default_catalog_and_schema("headgate", "lake");
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(memory_bytes_max, 1.0)
            .build_arc()?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        if let Some(files) = files {
            context.register_object_store(lake_url()?.as_ref(), files);
        }
        let names = tables.keys().cloned().collect();
        for (name, table) in tables {
            context.register_table(TableReference::bare(name), Arc::new(table))?;
        }
        Ok(Self {
            context,
            tables: names,
            unreadable,
        })
    }

    /// Makes a query a table.
    ///
    /// # Errors
    /// The query is wrong.
    pub(crate) async fn view(&mut self, name: &str, sql: &str) -> Result<(), Error> {
        let rows = self.context.sql(sql).await?;
        let view = TableReference::bare(name);
        self.context.register_table(view, rows.into_view())?;
        self.tables.push(name.to_owned());
        Ok(())
    }

    /// Splits a text into its statements.
    ///
    /// # Errors
    /// The text is not SQL.
    pub(crate) fn parse(sql: &str) -> Result<Vec<Statement>, Error> {
        Ok(DFParser::parse_sql(sql)?.into())
    }

    /// Starts one statement; its rows come as they are read.
    ///
    /// # Errors
    /// The statement would change something, names a table that is not there, or is wrong.
    pub(crate) async fn run(
        &self,
        statement: Statement,
    ) -> Result<SendableRecordBatchStream, Error> {
        let state = self.context.state();
        let references = state.resolve_table_references(&statement)?;
        let plan = match state.statement_to_plan(statement).await {
            Ok(plan) => plan,
            Err(error) => {
                references
                    .iter()
                    .try_for_each(|reference| self.known(reference))?;
                return Err(error.into());
            }
        };
        SQLOptions::new()
            .with_allow_ddl(false)
            .with_allow_dml(false)
            .with_allow_statements(false)
            .verify_plan(&plan)
            .map_err(|error| Error::ReadOnly(plain(&error)))?;
        Ok(self
            .context
            .execute_logical_plan(plan)
            .await?
            .execute_stream()
            .await?)
    }

    fn known(&self, reference: &TableReference) -> Result<(), Error> {
        let name = reference.table();
        if let Some(reason) = self.unreadable.get(name) {
            return Err(Error::Unreadable {
                name: name.to_owned(),
                reason: reason.clone(),
            });
        }
        if reference.schema().is_some_and(|schema| schema != "lake")
            || self.context.table_exist(reference.clone())?
        {
            return Ok(());
        }
        let tables: Vec<&str> = self.tables.iter().map(String::as_str).collect();
        let hint = match (nearest(name, &tables), tables.is_empty()) {
            (_, true) => "; no event has landed yet".to_owned(),
            (Some(near), _) => format!("; did you mean `{near}`? There are: {}", tables.join(", ")),
            (None, _) => format!("; there are: {}", tables.join(", ")),
        };
        Err(Error::UnknownTable {
            name: name.to_owned(),
            hint,
        })
    }

    /// The columns of a table.
    pub(crate) async fn columns(&self, table: &str) -> Result<SchemaRef, Error> {
        let reference = TableReference::bare(table);
        self.known(&reference)?;
        Ok(self.context.table_provider(reference).await?.schema())
    }
}
