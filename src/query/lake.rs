//! Landed tables as DataFusion sees them: exactly the files that the commit log names, and no directory listing, so
//! that files of a batch that never committed, or that is just being written, cannot show up in a result.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;

/// The data files of one table at one moment.
#[derive(Debug)]
pub(crate) struct LakeTable {
    pub(crate) store: ObjectStoreUrl,
    /// The columns of the table's newest schema; a file without some of them reads as null there.
    pub(crate) schema: SchemaRef,
    /// Path below the store's root, bytes and rows of each file.
    pub(crate) files: Vec<LakeFile>,
}

/// One committed data file.
#[derive(Debug, Clone)]
pub(crate) struct LakeFile {
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

impl LakeTable {
    fn rows_known(&self, rows: u64, bytes: u64) -> Statistics {
        let mut statistics = Statistics::new_unknown(&self.schema);
        // Commit records hold both, so that `count(*)` opens no file.
        statistics.num_rows = usize::try_from(rows).map_or(Precision::Absent, Precision::Exact);
        statistics.total_byte_size =
            usize::try_from(bytes).map_or(Precision::Absent, Precision::Inexact);
        statistics
    }

    fn partitioned(&self) -> Vec<PartitionedFile> {
        let file = |file: &LakeFile| {
            PartitionedFile::new(file.path.as_str(), file.bytes)
                .with_statistics(Arc::new(self.rows_known(file.rows, file.bytes)))
        };
        self.files.iter().map(file).collect()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if self.files.is_empty() {
            let schema = datafusion::physical_plan::project_schema(&self.schema, projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let mut source = ParquetSource::new(Arc::clone(&self.schema))
            .with_table_parquet_options(state.table_options().parquet.clone());
        if let Some(filter) = conjunction(filters.to_vec()) {
            let columns = DFSchema::try_from(Arc::clone(&self.schema))?;
            source = source.with_predicate(state.create_physical_expr(filter, &columns)?);
        }
        let rows = self.files.iter().map(|file| file.rows).sum();
        let bytes = self.files.iter().map(|file| file.bytes).sum();
        let partitions = state.config().target_partitions();
        let scan = FileScanConfigBuilder::new(self.store.clone(), Arc::new(source))
            .with_file_groups(FileGroup::new(self.partitioned()).split_files(partitions))
            .with_statistics(self.rows_known(rows, bytes))
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// Filters skip files, row groups and pages by their statistics and bloom filters, and are applied again above.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
