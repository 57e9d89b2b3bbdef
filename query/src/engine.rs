//! The engine: what is made once (functions, limits, the cache of footers), and the road of one query.
use crate::answer::{Answer, Bounds};
use crate::error::{Error, Kind};
use crate::snapshot::{CATALOG, SCHEMA, Snapshot};
use crate::warehouse::{OnlyStore, Warehouse};
use crate::{Hot, functions, held, prepare};
use datafusion::execution::TaskContext;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::SessionConfig;
use object_store::ObjectStore;
use object_store::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

/// How far a query may go.
#[derive(Debug, Clone)]
pub struct Config {
    /// Memory of one query, in bytes: what it groups, joins and sorts, what it reads back from the journal, and
    /// its answer; over HTTP as much again for the answer as text. Not counted: a batch on its way through an
    /// operator or a function.
    pub memory_bytes: usize,
    /// Most rows of an answer.
    pub rows_max: usize,
    /// Longest time from the question to the last row.
    pub time_max: Duration,
    /// Queries at the same time; others wait, within their time.
    pub concurrency: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            memory_bytes: 256 * 1024 * 1024,
            rows_max: 1_000_000,
            time_max: Duration::from_secs(30),
            concurrency: 4,
        }
    }
}

/// Answers SQL over one warehouse and, where there is one, the listener that fills it.
pub struct Engine {
    config: Config,
    state: SessionState,
    warehouse: Warehouse,
    hot: Option<Arc<dyn Hot>>,
    turns: Arc<Semaphore>,
    /// Where questions are answered that come over HTTP. A function that works long without a pause holds up its
    /// own kind only.
    workers: Option<Runtime>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Nobody waits for what is still being worked at.
        if let Some(workers) = self.workers.take() {
            workers.shutdown_background();
        }
    }
}

impl Engine {
    /// `prefix` is where in `store` the tables' folders lie. Without `hot` only stored rows are seen.
    ///
    /// # Errors
    /// [`Kind::Internal`] where DataFusion refuses its configuration.
    pub fn new(
        config: Config,
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        hot: Option<Arc<dyn Hot>>,
    ) -> Result<Engine, Error> {
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled))
            .with_object_store_registry(Arc::new(OnlyStore(Arc::clone(&store))))
            .build_arc()?;
        let turns = Arc::new(Semaphore::new(config.concurrency.max(1)));
        let workers = tokio::runtime::Builder::new_multi_thread().thread_name("query").enable_all().build();
        let workers = workers.map_err(|error| Error::new(Kind::Internal, error.to_string()))?;
        let warehouse = Warehouse { store, prefix };
        Ok(Engine { config, state: state(runtime)?, warehouse, hot, turns, workers: Some(workers) })
    }

    /// Where to answer what comes over HTTP.
    pub(crate) fn workers(&self) -> Result<&Handle, Error> {
        let gone = || Error::new(Kind::Internal, "the server is stopping");
        self.workers.as_ref().map(Runtime::handle).ok_or_else(gone)
    }

    /// The limits it was made with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Plans a question and begins to answer it. Rows that come later than this call are not seen.
    ///
    /// # Errors
    /// Every [`Kind`] but [`Kind::Request`]. Nothing of the query goes on running after an error, nor after the
    /// answer is dropped.
    pub async fn query(&self, sql: &str) -> Result<Answer, Error> {
        let until = Instant::now() + self.config.time_max;
        let turn = timeout_at(until, Arc::clone(&self.turns).acquire_owned());
        let turn = turn.await.map_err(|_| self.too_late())?.map_err(|e| Error::new(Kind::Internal, e.to_string()))?;
        let pool: Arc<dyn MemoryPool> = Arc::new(GreedyMemoryPool::new(self.config.memory_bytes));
        let stream = timeout_at(until, self.start(sql, Arc::clone(&pool))).await.map_err(|_| self.too_late())??;
        let bounds = Bounds { rows_max: self.config.rows_max, until, time_max: self.config.time_max, pool };
        Ok(Answer::new(stream, bounds, turn))
    }

    async fn start(
        &self,
        sql: &str,
        memory_pool: Arc<dyn MemoryPool>,
    ) -> Result<datafusion::execution::SendableRecordBatchStream, Error> {
        let mut state = self.state.clone();
        state.register_catalog_list(Snapshot::catalogs(&self.warehouse, self.hot.as_ref())?);
        state.mark_start_execution();
        let plan = prepare::plan(&state, sql).await?;
        let plan = held::count_windows(state.create_physical_plan(&plan).await?)?;
        let runtime = RuntimeEnv { memory_pool, ..state.runtime_env().as_ref().clone() };
        Ok(execute_stream(plan, Arc::new(TaskContext::from(&state).with_runtime(Arc::new(runtime))))?)
    }

    pub(crate) fn too_late(&self) -> Error {
        crate::answer::too_late(self.config.time_max)
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
