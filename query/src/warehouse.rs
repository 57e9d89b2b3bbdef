//! The stored rows: which objects there are, and the plan that reads them. Only paths that
//! [`ObjectPath`] wrote count; whatever else lies in the store is not looked at.
use crate::partition::{Hours, Pruning};
use crate::strays;
use arrow::datatypes::Field;
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::common::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, TryStreamExt};
use metlog_schemas::object_path::ObjectPath;
use metlog_schemas::table::{PARTITION_COLUMNS, Table};
use metlog_schemas::time::Hour;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use std::sync::Arc;
use url::Url;

/// Days that are listed at the same time.
const LISTINGS_AT_ONCE: usize = 8;

/// The one address that plans know; see [`OnlyStore`].
const URL: &str = "metlog://warehouse";

/// A table's columns in files, and those that paths give.
pub(crate) fn file_schema(table: Table) -> TableSchema {
    let partition = PARTITION_COLUMNS.map(|(name, kind)| Arc::new(Field::new(name, kind, false)));
    TableSchema::builder(table.schema()).with_table_partition_cols(partition.to_vec()).build()
}

/// An object store with objects below a prefix.
#[derive(Debug, Clone)]
pub(crate) struct Warehouse {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
}

/// An object and what its path says of it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) path: ObjectPath,
    meta: ObjectMeta,
}

impl Warehouse {
    /// The objects of a table that may hold rows of interest, oldest hour first. Two steps, so that a store
    /// of many days is not listed whole: first the days, then those that are left.
    ///
    /// # Errors
    /// What the store says.
    pub(crate) async fn list(&self, table: Table, pruning: &Pruning) -> Result<Vec<Object>> {
        let folder = self.prefix.clone().join(table.name());
        let days = self.store.list_with_delimiter(Some(&folder)).await?.common_prefixes;
        let unknown = days.iter().find(|day| strays::is_folder(day)).cloned();
        let days = days.into_iter().filter_map(|day| {
            let hours = day.parts().next_back().and_then(|name| Hours::of_folder(name.as_ref()))?;
            Some((day, hours))
        });
        let days = pruning.keep(days.collect(), |(_, hours)| *hours)?;
        let listings = futures::stream::iter(days).map(|(day, _)| async move {
            let objects = self.store.list(Some(&day)).try_collect::<Vec<ObjectMeta>>().await?;
            Result::<Vec<ObjectMeta>>::Ok(objects)
        });
        let metas = listings.buffered(LISTINGS_AT_ONCE).try_concat().await?;
        let objects = metas.into_iter().filter_map(|meta| self.object(meta, table));
        let of_hours = objects.filter_map(|object| Some((object.path.partition.hour()?, object))).collect();
        let kept = pruning.keep(of_hours, |(hour, _): &(Hour, Object)| Hours::of_object(*hour))?;
        let mut objects: Vec<Object> = kept.into_iter().map(|(_, object)| object).collect();
        if let Some(unknown) = unknown {
            let metas: Vec<ObjectMeta> = self.store.list(Some(&unknown)).try_collect().await?;
            objects.extend(metas.into_iter().filter_map(|meta| self.object(meta, table)));
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    fn object(&self, meta: ObjectMeta, table: Table) -> Option<Object> {
        let parts: Vec<_> = meta.location.prefix_match(&self.prefix)?.collect();
        let key = parts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("/");
        let path = ObjectPath::parse(&key).filter(|path| path.table == table && meta.size > 0)?;
        Some(Object { path, meta })
    }

    /// The plan that reads these objects; the partition columns come from their paths.
    ///
    /// # Errors
    /// Where `projection` names a column that the table has not.
    pub(crate) fn scan(
        &self,
        state: &dyn Session,
        table: Table,
        objects: Vec<Object>,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (of_hours, strays): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.path.partition.hour().is_some());
        let mut plans = Vec::new();
        if !strays.is_empty() {
            let files = strays.into_iter().map(|object| PartitionedFile::new_from_meta(object.meta)).collect();
            plans.push(strays::scan(table, projection.as_deref(), |schema, columns| {
                self.read(state, schema, files, Some(columns), limit)
            })?);
        }
        if !of_hours.is_empty() {
            let files = of_hours.into_iter().filter_map(|object| {
                let hour = object.path.partition.hour()?;
                let values = vec![ScalarValue::from(hour.date()), ScalarValue::from(hour.of_day() as i32)];
                Some(PartitionedFile::new_from_meta(object.meta).with_partition_values(values))
            });
            plans.push(self.read(state, file_schema(table), files.collect(), projection, limit)?);
        }
        UnionExec::try_new(plans)
    }

    fn read(
        &self,
        state: &dyn Session,
        schema: TableSchema,
        files: Vec<PartitionedFile>,
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let footers: Arc<FileMetadataCache> = state.runtime_env().cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(Arc::clone(&self.store), footers);
        let options = state.config_options().execution.parquet.clone();
        let source = ParquetSource::new(schema)
            .with_table_parquet_options(TableParquetOptions { global: options, ..TableParquetOptions::default() })
            .with_parquet_file_reader_factory(Arc::new(reader));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(URL)?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection)?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The only store that DataFusion can reach: there is no other address to give it, not even for local files.
#[derive(Debug)]
pub(crate) struct OnlyStore(pub(crate) Arc<dyn ObjectStore>);

impl ObjectStoreRegistry for OnlyStore {
    fn register_store(&self, _url: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        match url.as_str().trim_end_matches('/') {
            URL => Ok(Arc::clone(&self.0)),
            other => datafusion::common::plan_err!("`{other}` cannot be read: only the warehouse can"),
        }
    }
}
