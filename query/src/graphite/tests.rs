//! The API over rows that a test decides, and functions against what graphite-web made of the same series
//! (`vectors.json`, written by `xtask/system/graphite_vectors.py`).
mod api;
mod points;
mod vectors;

use super::evaluate::Evaluator;
use super::names::Names;
use super::render::Asked;
use super::request::{Parameters, Refusal};
use super::rows::Rows;
use crate::{Config, Decoder, Engine, Error, Hot, HotRows};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use futures::FutureExt;
use futures::future::BoxFuture;
use metlog_schemas::carbon::Naming;
use metlog_schemas::table::{Table, TableMap, metrics_rows};
use metlog_schemas::window::{Metric, MetricData, Window};
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A listener with these windows.
struct Windows(RecordBatch);

impl Hot for Windows {
    fn rows(&self) -> BoxFuture<'_, Result<HotRows, ArrowError>> {
        let mut batches = TableMap::default();
        batches[Table::Metrics] = vec![self.0.clone()];
        async { Ok(HotRows { listener: "a".into(), first_segment: 1, batches, cold: Vec::new() }) }.boxed()
    }

    fn senders(&self) -> Result<RecordBatch, ArrowError> {
        Ok(RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty())))
    }
}

/// Rows of an engine, and how many queries there were.
struct Fixture {
    engine: Engine,
    names: Names,
    idle_after: i64,
    queries: AtomicUsize,
    /// See [`Rows::reader`].
    reader: &'static str,
}

impl Fixture {
    fn new(windows: &[Window], naming: Naming, idle_after: i64) -> Fixture {
        let hot: Arc<dyn Hot> = Arc::new(Windows(metrics_rows(windows).unwrap()));
        let decoder: Decoder = Arc::new(|_, _| Ok(TableMap::default()));
        let store = Arc::new(InMemory::new());
        let engine = Engine::new(Config::default(), store, Path::default(), Some((hot, decoder))).unwrap();
        Fixture { engine, names: Names::new(naming), idle_after, queries: AtomicUsize::default(), reader: "" }
    }

    async fn render(&self, parameters: &[(&str, &str)], now: i64) -> Result<Value, String> {
        let parameters = Parameters::of(parameters);
        let asked = Asked::read(&parameters, now).map_err(|Refusal(_, why)| why)?;
        let evaluator = Evaluator::new(self, &self.names, self.idle_after, parameters.templates());
        let series = evaluator.targets(&asked.context, asked.targets()).await.map_err(|error| error.message)?;
        Ok(serde_json::from_str(&asked.write(series).1).unwrap())
    }
}

impl Rows for Fixture {
    fn rows(&self, sql: String) -> BoxFuture<'_, Result<Vec<RecordBatch>, Error>> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        async move { self.engine.query(&sql).await?.collect().await }.boxed()
    }

    fn reader(&self) -> &str {
        self.reader
    }
}

/// A window of ten seconds.
fn window(end: i64, hostname: &str, rows: Vec<Metric>) -> Window {
    let length = 10_000_000;
    Window {
        end: end * 1_000_000,
        length,
        hostname: hostname.into(),
        values: 1,
        bad_lines: 0,
        packets: 1,
        lines: 1,
        rows,
    }
}

fn metric(name: &str, tags: &[(&str, &str)], data: MetricData) -> Metric {
    let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Metric { name: name.into(), tags, fresh: true, data }
}
