//! The engine: what is made once (functions, limits, the cache of footers), and the way of one query.
use crate::access::{self, Rights};
use crate::error::Error;
use crate::hot::{Here, Hot, Source};
use crate::listings::Listings;
use crate::result::{Bounds, ResultRows};
use crate::snapshot::{CATALOG, SCHEMA, Snapshot};
use crate::store::Gaps;
use crate::warehouse::{OnlyStore, Warehouse};
use crate::{functions, held, lenient, prepare, single};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionConfig;
use metlog_schemas::hot::Decoder;
use object_store::ObjectStore;
use object_store::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Memory of the footers of objects, which are kept from one query to the next.
const FOOTERS_BYTES_MAX: usize = 32 << 20;

/// How far a query may go.
#[derive(Debug, Clone)]
pub struct Config {
    /// Memory of one query, in bytes: what it groups, joins and sorts, what it reads back from the journal, and
    /// its result. Not counted: a batch on its way through an operator or a function; see [`crate::Pool`].
    pub memory_bytes: usize,
    /// Most rows of a result.
    pub rows_max: usize,
    /// Longest time from the beginning to the last row.
    pub time_max: Duration,
    /// Longest wait for the store to list or to begin to read an object.
    pub store_wait: Duration,
    /// Queries over HTTP at the same time; others wait, within their time.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            memory_bytes: 256 * 1024 * 1024,
            rows_max: 1_000_000,
            time_max: Duration::from_secs(30),
            store_wait: Duration::from_secs(5),
            concurrency: 4,
        }
    }
}

/// Runs SQL over one warehouse and, where there is one, the listener that fills it.
pub struct Engine {
    config: Config,
    state: SessionState,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    listings: Arc<Listings>,
    source: Option<Arc<dyn Source>>,
}

impl Engine {
    /// `prefix` is where in `store` the tables' folders lie. Without `hot` only stored rows are seen.
    ///
    /// # Errors
    /// [`crate::Kind::Internal`] where DataFusion refuses its configuration.
    pub fn new(
        config: Config,
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        hot: Option<(Arc<dyn Hot>, Decoder)>,
    ) -> Result<Engine, Error> {
        let source = hot.map(|(hot, decoder)| Arc::new(Here { hot, decoder }) as Arc<dyn Source>);
        Engine::with_source(config, store, prefix, source)
    }

    /// Likewise, wherever the hot rows come from.
    pub(crate) fn with_source(
        config: Config,
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        source: Option<Arc<dyn Source>>,
    ) -> Result<Engine, Error> {
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .with_object_store_registry(Arc::new(OnlyStore(Arc::clone(&store))))
            .with_metadata_cache_limit(FOOTERS_BYTES_MAX)
            .build_arc()?;
        Ok(Engine { config, state: state(runtime)?, store, prefix, listings: Arc::default(), source })
    }

    /// The limits it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Plans a query and begins to run it. Rows that come later than this call are not seen.
    ///
    /// # Errors
    /// Every [`crate::Kind`] but [`crate::Kind::Request`]. Nothing of the query goes on running after an error, nor after the
    /// result is dropped.
    pub async fn query(&self, sql: &str) -> Result<ResultRows, Error> {
        self.query_within(sql, &Rights::everything(), self.config.time_max, true).await
    }

    /// Likewise for whoever has these rights, in what is left of its time. Where it is not `strict`, what of the store cannot be read is left out,
    /// and [`ResultRows::partial`] says so.
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub async fn query_within(
        &self,
        sql: &str,
        rights: &Rights,
        time: Duration,
        is_strict: bool,
    ) -> Result<ResultRows, Error> {
        let until = Instant::now() + time;
        let gaps = Gaps::new(is_strict);
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(self.config.memory_bytes));
        let stream = timeout_at(until, self.start(sql, rights, &gaps, Arc::clone(&pool)));
        let started = stream.await.map_err(|_| self.too_late())?;
        if gaps.is_stale() {
            self.listings.clear();
        }
        let bounds = Bounds { rows_max: self.config.rows_max, until, time_max: self.config.time_max, pool };
        let (stream, plan) = started?;
        Ok(ResultRows::new(stream, bounds, gaps, Arc::clone(&self.listings), plan))
    }

    async fn start(
        &self,
        sql: &str,
        rights: &Rights,
        gaps: &Gaps,
        memory_pool: Arc<dyn MemoryPool>,
    ) -> Result<(SendableRecordBatchStream, Arc<dyn ExecutionPlan>), Error> {
        let mut state = self.state.clone();
        let (store, listings) = (Arc::clone(&self.store), Arc::clone(&self.listings));
        let warehouse = Warehouse::new(store, self.prefix.clone(), listings, self.config.store_wait, gaps.clone());
        state.register_catalog_list(Snapshot::catalogs(&warehouse, self.source.as_ref(), rights)?);
        // Files and their statistics are not those of the user alone.
        state.config_mut().options_mut().explain.logical_plan_only = rights.is_restricted();
        state.mark_start_execution();
        let plan = prepare::plan(&state, sql).await?;
        access::check(&plan, rights)?;
        let plan = held::count_windows(state.create_physical_plan(&plan).await?)?;
        let plan = single::large_aggregates(plan)?;
        let plan = lenient::leave_out_what_fails(plan, gaps)?;
        let runtime = RuntimeEnv { memory_pool, ..state.runtime_env().as_ref().clone() };
        let context = Arc::new(TaskContext::from(&state).with_runtime(Arc::new(runtime)));
        Ok((execute_stream(Arc::clone(&plan), context)?, plan))
    }

    pub(crate) fn too_late(&self) -> Error {
        crate::result::too_late(self.config.time_max)
    }
}

/// What all queries share. No file formats and no table factories: there is nothing to create or to copy.
fn state(runtime: Arc<RuntimeEnv>) -> Result<SessionState, Error> {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.execution.time_zone = Some("UTC".to_owned());
    // Plans keep to the types of the tables, which the answers' formats and other readers know as well.
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.parquet.bloom_filter_on_read = true;
    options.execution.parquet.enable_page_index = true;
    let builder = functions::allowed(SessionStateBuilder::new_with_default_features())
        .with_config(config)
        .with_runtime_env(runtime)
        .with_file_formats(Vec::new())
        .with_table_factories(Default::default());
    Ok(builder.build())
}
