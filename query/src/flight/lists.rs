//! What there is: schemas, tables with their columns, and keys, of which there are none.
use super::{Flight, status};
use crate::access::Rights;
use crate::isolate::Query;
use crate::snapshot::{CATALOG, SCHEMA};
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::sql::{CommandGetDbSchemas, CommandGetTables};
use std::sync::Arc;
use tonic::Status;

/// Kinds of tables, as clients know them.
pub(super) const TABLE_TYPES: [&str; 2] = ["TABLE", "VIEW"];

const INFORMATION_SCHEMA: &str = "information_schema";

const TABLES: &str = "select table_schema, table_name, table_type from information_schema.tables order by 1, 2";

/// The schemas that a client asks for.
pub(super) fn schemas(query: CommandGetDbSchemas) -> Result<RecordBatch, Status> {
    let mut builder = query.into_builder();
    for schema in [INFORMATION_SCHEMA, SCHEMA] {
        builder.append(CATALOG, schema);
    }
    builder.build().map_err(Status::from)
}

impl Flight {
    /// The tables that a client asks for, as these rights allow: those that the catalogue of a query has.
    pub(super) async fn tables(&self, query: CommandGetTables, rights: &Rights) -> Result<RecordBatch, Status> {
        let found = self.pool.batches(Query::batches(TABLES, rights)).await.map_err(|error| status(&error))?;
        let mut builder = query.into_builder();
        for batch in &found.batches {
            let column = |at: usize| batch.column(at).as_string_opt::<i32>();
            let (Some(schemas), Some(names), Some(kinds)) = (column(0), column(1), column(2)) else { continue };
            for row in 0..batch.num_rows() {
                let (schema, name) = (schemas.value(row), names.value(row));
                let kind = if kinds.value(row) == "VIEW" { "VIEW" } else { "TABLE" };
                let columns = match builder.include_schema() {
                    true => self.schema(&format!("select * from \"{schema}\".\"{name}\""), rights).await?,
                    false => Arc::new(Schema::empty()),
                };
                builder.append(CATALOG, schema, name, kind, &columns).map_err(Status::from)?;
            }
        }
        builder.build().map_err(Status::from)
    }
}

fn text(name: &str, is_nullable: bool) -> Field {
    Field::new(name, DataType::Utf8, is_nullable)
}

/// Columns of the list of primary keys.
pub(super) fn primary_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("catalog_name", true),
        text("db_schema_name", true),
        text("table_name", false),
        text("column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("key_name", true),
    ]))
}

/// Columns of the lists of foreign keys.
pub(super) fn foreign_keys() -> SchemaRef {
    Arc::new(Schema::new(vec![
        text("pk_catalog_name", true),
        text("pk_db_schema_name", true),
        text("pk_table_name", false),
        text("pk_column_name", false),
        text("fk_catalog_name", true),
        text("fk_db_schema_name", true),
        text("fk_table_name", false),
        text("fk_column_name", false),
        Field::new("key_sequence", DataType::Int32, false),
        text("fk_key_name", true),
        text("pk_key_name", true),
        Field::new("update_rule", DataType::UInt8, false),
        Field::new("delete_rule", DataType::UInt8, false),
    ]))
}
