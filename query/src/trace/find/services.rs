//! Services, their operations, and who calls whom: from the spans themselves, at once.
use super::{Columns, Traces, sql, text};
use crate::Error;

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
    /// # Errors
    /// Those of the query.
    pub async fn dependencies(&self, from: u64, until: u64) -> Result<Vec<Dependency>, Error> {
        let within = sql::within(from, until);
        let query = format!(
            "with s as (select trace_id, span_id, parent_span_id, service, kind, status from spans where {within}), \
             shared as (select p.trace_id, p.span_id, p.service as parent, c.service as child, c.status \
               from s c join s p on c.trace_id = p.trace_id and c.span_id = p.span_id \
               where c.kind = 'server' and p.kind = 'client'), \
             called as (select p.service as parent, c.service as child, c.status \
               from s c join s p on c.trace_id = p.trace_id and c.parent_span_id = p.span_id \
               where c.parent_span_id != '' and c.span_id != c.parent_span_id \
                 and not (c.kind = 'server' and exists (select 1 from shared h \
                   where h.trace_id = c.trace_id and h.span_id = c.span_id)) \
                 and not (p.kind = 'client' and exists (select 1 from shared h \
                   where h.trace_id = p.trace_id and h.span_id = p.span_id)) \
               union all select parent, child, status from shared) \
             select parent, child, count(*) as calls, sum(case when status = 'error' then 1 else 0 end) as errors \
             from called where parent != '' and child != '' group by parent, child order by parent, child"
        );
        let found = self.sql(query).await?;
        let mut dependencies = Vec::with_capacity(found.rows());
        for batch in &found.batches {
            let columns = Columns(batch);
            let (parents, children) = (columns.texts("parent")?, columns.texts("child")?);
            let (calls, errors) = (columns.numbers("calls")?, columns.numbers("errors")?);
            dependencies.extend((0..batch.num_rows()).map(|row| Dependency {
                parent: text(&parents, row).to_owned(),
                child: text(&children, row).to_owned(),
                calls: calls[row].unsigned_abs(),
                errors: errors[row].unsigned_abs(),
            }));
        }
        Ok(dependencies)
    }
}
