//! Services, their operations, and who calls whom: from the spans themselves, at once.
use super::{Columns, Traces, sql, text};
use crate::{Error, Kind};
use std::collections::BTreeMap;

/// Spans whose calls are counted at a time: some 180 MiB.
const SPANS_A_PASS: usize = 6_000_000;

/// Most passes, of traces whose ids end in the same two digits.
const PASSES_MAX: usize = 256;

/// An operation of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Operation {
    /// Its name.
    pub name: String,
    /// The kind of its spans, as in the column `kind`.
    pub kind: String,
}

/// How often one service called another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// Who called.
    pub parent: String,
    /// Who was called.
    pub child: String,
    /// How often.
    pub calls: u64,
    /// How many of the calls were errors.
    pub errors: u64,
}

impl Traces {
    /// Names of services, sorted.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn services(&self) -> Result<Vec<String>, Error> {
        let found = self.sql("select distinct service from spans where service != '' order by service".into()).await?;
        let mut names = Vec::with_capacity(found.rows());
        for batch in &found.batches {
            let texts = Columns(batch).texts("service")?;
            names.extend((0..batch.num_rows()).map(|row| text(&texts, row).to_owned()));
        }
        Ok(names)
    }

    /// Operations of a service, or of all, of one kind, or of all; sorted.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn operations(&self, service: Option<&str>, kind: Option<&str>) -> Result<Vec<Operation>, Error> {
        let mut conditions: Vec<String> = Vec::new();
        conditions.extend(service.map(|service| format!("service = {}", sql::literal(service))));
        conditions.extend(kind.map(|kind| format!("kind = {}", sql::literal(kind))));
        let conditions = sql::all(&conditions);
        let query = format!("select distinct name, kind from spans where {conditions} order by name, kind");
        let found = self.sql(query).await?;
        let mut operations = Vec::with_capacity(found.rows());
        for batch in &found.batches {
            let (names, kinds) = (Columns(batch).texts("name")?, Columns(batch).texts("kind")?);
            let operation = |row| Operation { name: text(&names, row).to_owned(), kind: text(&kinds, row).to_owned() };
            operations.extend((0..batch.num_rows()).map(operation));
        }
        Ok(operations)
    }

    /// Who called whom in a time, in nanoseconds, sorted. A server's span that shares its client's id is called by that
    /// client.
    ///
    /// Traces are taken in several passes, by the last digits of their ids, so that those of a pass fit in a query's memory.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn dependencies(&self, from: u64, until: u64) -> Result<Vec<Dependency>, Error> {
        let within = sql::within(from, until);
        // How many about, from the one column that is quickly read.
        let about = sql::near(from, until);
        let found = self.sql(format!("select count(*) as n from spans where {about}")).await?;
        let spans: i64 = match found.batches.first() {
            Some(batch) => Columns(batch).numbers("n")?.iter().sum(),
            None => 0,
        };
        let mut passes = usize::try_from(spans).unwrap_or(0).div_ceil(SPANS_A_PASS).next_power_of_two();
        loop {
            match self.dependencies_in(&within, passes.min(PASSES_MAX)).await {
                // There is less memory than usual, or more of it is taken by what is read.
                Err(error) if error.kind == Kind::Limit && passes < PASSES_MAX => passes *= 2,
                found => return found,
            }
        }
    }

    async fn dependencies_in(&self, within: &str, passes: usize) -> Result<Vec<Dependency>, Error> {
        let mut calls: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
        for pass in 0..passes {
            let found = self.sql(of_pass(within, pass, passes)).await?;
            for batch in &found.batches {
                let columns = Columns(batch);
                let (parents, children) = (columns.texts("parent")?, columns.texts("child")?);
                let (counts, errors) = (columns.numbers("calls")?, columns.numbers("errors")?);
                for row in 0..batch.num_rows() {
                    let pair = (text(&parents, row).to_owned(), text(&children, row).to_owned());
                    let sum = calls.entry(pair).or_default();
                    *sum = (sum.0 + counts[row].unsigned_abs(), sum.1 + errors[row].unsigned_abs());
                }
            }
        }
        let dependency = |((parent, child), (calls, errors))| Dependency { parent, child, calls, errors };
        Ok(calls.into_iter().map(dependency).collect())
    }
}

/// The calls of the traces of one pass.
fn of_pass(within: &str, pass: usize, passes: usize) -> String {
    let digits = if passes <= 16 { 1 } else { 2 };
    let endings = (0..16_usize.pow(digits)).filter(|value| value % passes == pass);
    let endings: Vec<String> = endings.map(|value| format!("'{value:0w$x}'", w = digits as usize)).collect();
    let of_pass = match passes {
        1 => "true".to_owned(),
        _ => format!("right(trace_id, {digits}) in ({})", endings.join(", ")),
    };
    format!(
        "select c['parent'] as parent, c['child'] as child, c['calls'] as calls, c['errors'] as errors from \
         (select unnest(trace_calls(trace_id, span_id, parent_span_id, service, kind, status)) as c from spans \
         where {within} and {of_pass})"
    )
}
