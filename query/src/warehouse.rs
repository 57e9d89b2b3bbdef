//! The stored rows: which objects there are, and the plan that reads them. Only paths that
//! [`ObjectPath`] wrote count; whatever else lies in the store is not looked at.
use crate::listings::{Listing, Listings, Of};
use crate::partition::{Hours, Pruning};
use crate::store::{Bounded, Gaps};
use crate::strays;
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
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
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::union::UnionExec;
use futures::{StreamExt, TryStreamExt};
use metlog_schemas::object_path::{ObjectPath, Partition};
use metlog_schemas::table::{PARTITION_COLUMNS, Table};
use metlog_schemas::time::Hour;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// Folders that are listed at the same time.
const LISTINGS_AT_ONCE: usize = 8;

/// Up to so many hours are listed each for itself, without a look at which there are.
const FEW_HOURS: usize = 12;

/// A day of which up to so many hours are left is listed hour by hour.
const FEW_HOURS_OF_DAY: usize = 6;

/// The one address that plans know; see [`OnlyStore`].
const URL: &str = "metlog://warehouse";

/// A table's columns in files, and those that paths give.
pub(crate) fn file_schema(table: Table) -> TableSchema {
    let partition = PARTITION_COLUMNS.map(|(name, kind)| Arc::new(Field::new(name, kind, false)));
    TableSchema::builder(table.schema()).with_table_partition_cols(partition.to_vec()).build()
}

/// An object store with objects below a prefix, as one query uses it.
#[derive(Debug, Clone)]
pub(crate) struct Warehouse {
    store: Arc<Bounded>,
    prefix: Path,
    listings: Arc<Listings>,
}

/// An object and what its path says of it.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) path: ObjectPath,
    meta: ObjectMeta,
}

impl Warehouse {
    /// For a query that may wait so long for each request.
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        listings: Arc<Listings>,
        wait: Duration,
        gaps: Gaps,
    ) -> Warehouse {
        Warehouse { store: Arc::new(Bounded { inner: store, wait, gaps }), prefix, listings }
    }

    /// What the query could not see.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.store.gaps
    }

    /// The objects of a table that may hold rows of interest, oldest hour first. Where the filters leave a few hours
    /// over, those are listed. Otherwise the days, and of those that are left all objects or, where the filters cut
    /// into a day, its hours: so what is listed does not grow with the warehouse. `first_segment` is where the hot
    /// rows begin that were taken before.
    ///
    /// # Errors
    /// What the store says; without one where the query is not strict.
    pub(crate) async fn list(
        &self,
        table: Table,
        pruning: &Pruning,
        first_segment: Option<u64>,
    ) -> Result<Vec<Object>> {
        let folder = |partition: Partition| self.path(&format!("{}/{}", table.name(), partition.folder()));
        let folders: Vec<Path> = match pruning.few_hours(FEW_HOURS)? {
            Some(hours) if hours.is_empty() => Vec::new(),
            // Rows of any hour may be in the last one.
            Some(hours) => {
                let hours = hours.into_iter().map(Partition::Hour);
                hours.chain([Partition::Unknown]).map(folder).collect()
            }
            None => self.folders(table, pruning, first_segment).await?,
        };
        let listings = futures::stream::iter(folders)
            .map(|folder| self.listing(Of::Objects(folder), first_segment))
            .buffered(LISTINGS_AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
        let metas = listings.iter().flat_map(|listing| &listing.objects);
        self.of_interest(metas.filter_map(|meta| self.object(meta.clone(), table)), pruning)
    }

    /// Of these objects those that may hold rows of interest, oldest hour first.
    pub(crate) fn of_interest(
        &self,
        objects: impl IntoIterator<Item = Object>,
        pruning: &Pruning,
    ) -> Result<Vec<Object>> {
        let (of_hours, mut objects): (Vec<Object>, Vec<Object>) =
            objects.into_iter().partition(|object| object.path.partition.hour().is_some());
        let of_hours =
            of_hours.into_iter().filter_map(|object| Some((object.path.partition.hour()?, object))).collect();
        let kept = pruning.keep(of_hours, |(hour, _): &(Hour, Object)| Hours::of_object(*hour))?;
        objects.extend(kept.into_iter().map(|(_, object)| object));
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// The folders of days and hours that are to be listed.
    async fn folders(&self, table: Table, pruning: &Pruning, first_segment: Option<u64>) -> Result<Vec<Path>> {
        let days = self.listing(Of::Folders(self.path(table.name())), first_segment).await?;
        let mut folders: Vec<Path> = days.folders.iter().filter(|day| strays::is_folder(day)).cloned().collect();
        let days = days.folders.iter().filter_map(|day| {
            let hours = day.parts().next_back().and_then(|name| Hours::of_folder(name.as_ref()))?;
            Some((day.clone(), hours))
        });
        let days = pruning.keep(days.collect(), |(_, hours)| *hours)?;
        for (day, hours) in days {
            if pruning.keeps_all(hours)? {
                folders.push(day);
                continue;
            }
            let found = self.listing(Of::Folders(day.clone()), first_segment).await?;
            let found = found.folders.iter().filter_map(|folder| {
                let hour = folder.parts().next_back().and_then(|name| hours.of_folder_in(name.as_ref()))?;
                Some((folder.clone(), hour))
            });
            let left = pruning.keep(found.collect(), |(_, hour)| *hour)?;
            match left.len() <= FEW_HOURS_OF_DAY {
                true => folders.extend(left.into_iter().map(|(folder, _)| folder)),
                false => folders.push(day),
            }
        }
        Ok(folders)
    }

    /// A listing that is as good as new. Where the store fails and the query is not strict: the last one, or none.
    async fn listing(&self, of: Of, first_segment: Option<u64>) -> Result<Arc<Listing>> {
        let made = Instant::now();
        if let Some(listing) = self.listings.fresh(&of, first_segment, made) {
            return Ok(listing);
        }
        let listed = match &of {
            Of::Folders(folder) => self
                .store
                .list_with_delimiter(Some(folder))
                .await
                .map(|found| Listing { folders: found.common_prefixes, objects: Vec::new() }),
            Of::Objects(folder) => {
                self.store.list_all(folder).await.map(|objects| Listing { folders: Vec::new(), objects })
            }
        };
        match listed {
            Ok(listing) => Ok(self.listings.keep(of, made, first_segment, listing)),
            Err(error) if self.gaps().is_strict() => Err(error.into()),
            Err(_) => {
                let last = self.listings.last(&of);
                self.gaps().leave_out(match last {
                    Some(_) => "rows that were stored last may be missing",
                    None => "stored rows are missing",
                });
                Ok(last.unwrap_or_default())
            }
        }
    }

    /// All objects in a folder below the warehouse.
    pub(crate) async fn listing_of(&self, folder: &str, first_segment: Option<u64>) -> Result<Arc<Listing>> {
        self.listing(Of::Objects(self.path(folder)), first_segment).await
    }

    /// The next listings are new.
    pub(crate) fn forget_listings(&self) {
        self.listings.clear();
    }

    /// An object by its path; `None` if there is none.
    pub(crate) async fn find(&self, path: ObjectPath) -> Result<Option<Object>> {
        // Not through the store of this query: that it is not there is no sign of a listing that is too old.
        match self.store.inner.head(&self.path(&path.key())).await {
            Ok(meta) => Ok((meta.size > 0).then_some(Object { path, meta })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The rows of one object of another kind for which a predicate holds.
    pub(crate) async fn rows_where(
        &self,
        state: &dyn Session,
        schema: &SchemaRef,
        meta: ObjectMeta,
        predicate: Arc<dyn PhysicalExpr>,
    ) -> Result<Vec<RecordBatch>> {
        let schema = TableSchema::builder(schema.clone()).build();
        let files = vec![PartitionedFile::new_from_meta(meta)];
        let scan = self.read(state, schema, files, Reading::default(), Some(predicate.clone()))?;
        let filter = Arc::new(FilterExec::try_new(predicate, scan)?);
        datafusion::physical_plan::collect(filter, state.task_ctx()).await
    }

    fn path(&self, below: &str) -> Path {
        Path::from_iter(self.prefix.parts().chain(Path::from(below).parts()))
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
        reading: Reading,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let (of_hours, strays): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object.path.partition.hour().is_some());
        let mut plans = Vec::new();
        if !strays.is_empty() {
            let files = strays.into_iter().map(|object| PartitionedFile::new_from_meta(object.meta)).collect();
            plans.push(strays::scan(table, reading.projection.as_deref(), |schema, columns| {
                self.read(state, schema, files, Reading { projection: Some(columns), ..reading }, None)
            })?);
        }
        if !of_hours.is_empty() {
            let files = of_hours.into_iter().filter_map(|object| {
                let hour = object.path.partition.hour()?;
                let values = vec![ScalarValue::from(hour.date()), ScalarValue::from(hour.of_day() as i32)];
                Some(PartitionedFile::new_from_meta(object.meta).with_partition_values(values))
            });
            plans.push(self.read(state, file_schema(table), files.collect(), reading, None)?);
        }
        UnionExec::try_new(plans)
    }

    fn read(
        &self,
        state: &dyn Session,
        schema: TableSchema,
        files: Vec<PartitionedFile>,
        reading: Reading,
        predicate: Option<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let footers: Arc<FileMetadataCache> = state.runtime_env().cache_manager.get_file_metadata_cache();
        let reader = CachedParquetFileReaderFactory::new(Arc::clone(&self.store) as Arc<dyn ObjectStore>, footers);
        let mut options = state.config_options().execution.parquet.clone();
        options.pushdown_filters = reading.filters_first;
        let source = ParquetSource::new(schema)
            .with_table_parquet_options(TableParquetOptions { global: options, ..TableParquetOptions::default() })
            .with_parquet_file_reader_factory(Arc::new(reader));
        let source = match predicate {
            Some(predicate) => source.with_predicate(predicate),
            None => source,
        };
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::parse(URL)?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(reading.projection)?
            .with_limit(reading.limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// What is read of a table's objects.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    /// Columns by their places; all of them where none are named.
    pub(crate) projection: Option<Vec<usize>>,
    /// As many rows are enough.
    pub(crate) limit: Option<usize>,
    /// The columns of conditions are read first, and of the others only what is wanted of them: a request more for each
    /// condition and object, but of a trace only ten of 131,072 rows are decoded.
    pub(crate) filters_first: bool,
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
