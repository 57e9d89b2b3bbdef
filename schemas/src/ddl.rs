//! Statements that make the tables of a warehouse known to other query engines.
//!
//! Made from [`Table::schema`] and [`PARTITION_COLUMNS`], so that they say what the files hold. Nothing they
//! do touches a file: tables are external, and what exists already is left as it is, but for views.
use crate::table::{PARTITION_COLUMNS, Table};
use arrow::datatypes::DataType;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt::Write;

/// A query engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Hive before version 4, and whatever else reads Parquet with its SerDe: that one knows our times only as
    /// numbers, so views turn them into times.
    Hive,
    /// Hive from version 4 on.
    Hive4,
    /// Spark SQL with its own Parquet reader.
    Spark,
    /// DuckDB.
    Duckdb,
    /// DataFusion, as in `datafusion-cli`.
    Datafusion,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Dialect; 5] = [Dialect::Hive, Dialect::Hive4, Dialect::Spark, Dialect::Duckdb, Dialect::Datafusion];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Hive => "hive",
            Dialect::Hive4 => "hive4",
            Dialect::Spark => "spark",
            Dialect::Duckdb => "duckdb",
            Dialect::Datafusion => "datafusion",
        }
    }

    /// The dialect of a name.
    pub fn from_name(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name)
    }

    /// How to run the statements, and what to know. No semicolons: some tools divide statements by nothing else.
    const fn comment(self) -> &'static str {
        match self {
            Dialect::Hive => {
                "-- Hive before version 4: `hive -f FILE`, or `beeline -f FILE`.\n\
                 -- The tables *_raw hold times as microseconds since 1970 UTC, the views turn them into timestamps.\n\
                 -- Run MSCK REPAIR TABLE again whenever there are new hours.\n"
            }
            Dialect::Hive4 => {
                "-- Hive 4: `beeline -f FILE`.\n\
                 -- Run MSCK REPAIR TABLE again whenever there are new hours.\n"
            }
            Dialect::Spark => {
                "-- Spark: `spark-sql -f FILE`. Times are shown in spark.sql.session.timeZone.\n\
                 -- Run ALTER TABLE ... RECOVER PARTITIONS again whenever there are new hours.\n"
            }
            Dialect::Duckdb => {
                "-- DuckDB: `duckdb FILE.db < THIS`, or `.read THIS`. New hours are seen at once.\n\
                 -- There has to be an object of each table. An s3:// address needs the extension httpfs.\n"
            }
            Dialect::Datafusion => {
                "-- DataFusion: `datafusion-cli -f THIS`. New hours are seen at once.\n\
                 -- There has to be an object of each table.\n"
            }
        }
    }
}

/// The statements, with comments on how to run them. `warehouse_url` is the folder above the tables, as in the
/// configuration of the Parquet sink; whatever it holds, it stays inside its quotes.
pub fn statements(dialect: Dialect, warehouse_url: &str) -> String {
    let mut sql = dialect.comment().to_owned();
    for table in Table::ALL {
        let folder = format!("{}/{}", warehouse_url.trim_end_matches('/'), table.name());
        sql.push('\n');
        sql.push_str(&match dialect {
            Dialect::Hive => hive_raw(table, &folder),
            Dialect::Hive4 => hive_table(table.name(), table, &folder, "TIMESTAMP"),
            Dialect::Spark => spark(table, &folder),
            Dialect::Duckdb => duckdb(table, &folder),
            Dialect::Datafusion => datafusion(table, &folder),
        });
    }
    sql
}

fn hive_table(name: &str, table: Table, folder: &str, timestamp: &str) -> String {
    let partitions: Vec<_> =
        PARTITION_COLUMNS.iter().map(|(name, r#type)| format!("`{name}` {}", type_name(r#type, timestamp))).collect();
    format!(
        "{}CREATE EXTERNAL TABLE IF NOT EXISTS `{name}` (\n{}\n)\nPARTITIONED BY ({})\nSTORED AS PARQUET\n\
         LOCATION {};\nMSCK REPAIR TABLE `{name}`;\n",
        azure_note(folder),
        columns(table, timestamp),
        partitions.join(", "),
        hadoop_location(folder),
    )
}

fn hive_raw(table: Table, folder: &str) -> String {
    let raw = format!("{}_raw", table.name());
    let mut sql = hive_table(&raw, table, folder, "BIGINT");
    let schema = table.schema();
    let own = schema.fields().iter().map(|field| match field.data_type() {
        // Seconds as a decimal: exact, and never taken for milliseconds, as Hive takes a whole number.
        DataType::Timestamp(..) => {
            format!("  CAST(CAST(`{0}` AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS `{0}`", field.name())
        }
        _ => format!("  `{}`", field.name()),
    });
    let partitions = PARTITION_COLUMNS.iter().map(|(name, _)| format!("  `{name}`"));
    let columns: Vec<_> = own.chain(partitions).collect();
    let _ =
        writeln!(sql, "CREATE VIEW IF NOT EXISTS `{}` AS SELECT\n{}\nFROM `{raw}`;", table.name(), columns.join(",\n"));
    sql
}

fn spark(table: Table, folder: &str) -> String {
    let name = table.name();
    let mut columns = columns(table, "TIMESTAMP");
    for (name, r#type) in &PARTITION_COLUMNS {
        let _ = write!(columns, ",\n  `{name}` {}", type_name(r#type, "TIMESTAMP"));
    }
    format!(
        "{}CREATE TABLE IF NOT EXISTS `{name}` (\n{columns}\n)\nUSING PARQUET\nPARTITIONED BY ({})\nLOCATION {};\n\
         ALTER TABLE `{name}` RECOVER PARTITIONS;\n",
        azure_note(folder),
        PARTITION_COLUMNS.map(|(name, _)| format!("`{name}`")).join(", "),
        hadoop_location(folder),
    )
}

fn duckdb(table: Table, folder: &str) -> String {
    let types = PARTITION_COLUMNS.map(|(name, r#type)| format!("'{name}': {}", standard_type(&r#type))).join(", ");
    let objects = format!("{}/*/*/*.parquet", duckdb_escaped(&local_or_url(folder)));
    format!(
        "CREATE OR REPLACE VIEW \"{}\" AS SELECT\n{}\nFROM read_parquet({},\n  hive_partitioning = true, \
         hive_types = {{{types}}}, union_by_name = true);\n",
        table.name(),
        selected(table, |name, _| format!("\"{name}\"")),
        standard_literal(&objects),
    )
}

fn datafusion(table: Table, folder: &str) -> String {
    let name = table.name();
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS \"{name}_objects\"\nSTORED AS PARQUET\nPARTITIONED BY ({})\nLOCATION {};\n\
         CREATE OR REPLACE VIEW \"{name}\" AS SELECT\n{}\nFROM \"{name}_objects\";\n",
        // Without quotes: DataFusion would take them for a part of the name.
        PARTITION_COLUMNS.map(|(name, _)| name).join(", "),
        standard_literal(&format!("{folder}/")),
        selected(table, |name, r#type| format!("CAST(\"{name}\" AS {}) AS \"{name}\"", standard_type(r#type))),
    )
}

/// The columns of a `SELECT` in standard quotes; `partition` writes those that come from the path.
fn selected(table: Table, partition: impl Fn(&str, &DataType) -> String) -> String {
    let schema = table.schema();
    let own = schema.fields().iter().map(|field| format!("  \"{}\"", field.name()));
    let partitions = PARTITION_COLUMNS.iter().map(|(name, r#type)| format!("  {}", partition(name, r#type)));
    own.chain(partitions).collect::<Vec<_>>().join(",\n")
}

/// The columns of a `CREATE TABLE` of Hive or Spark.
fn columns(table: Table, timestamp: &str) -> String {
    let schema = table.schema();
    let columns: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| format!("  `{}` {}", field.name(), type_name(field.data_type(), timestamp)))
        .collect();
    columns.join(",\n")
}

/// The name of a type in Hive and Spark.
fn type_name(r#type: &DataType, timestamp: &str) -> String {
    match r#type {
        DataType::Timestamp(..) => timestamp.to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Binary => "BINARY".to_owned(),
        DataType::List(item) => format!("ARRAY<{}>", type_name(item.data_type(), timestamp)),
        DataType::Map(entries, _) => type_name(entries.data_type(), timestamp),
        DataType::Struct(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| type_name(part.data_type(), timestamp)).collect();
            format!("MAP<{}>", parts.join(", "))
        }
        // Utf8; a test sees to it that the tables have no other.
        _ => "STRING".to_owned(),
    }
}

/// The name of a type of a partition column in DuckDB and DataFusion.
fn standard_type(r#type: &DataType) -> &'static str {
    match r#type {
        DataType::Int32 => "INTEGER",
        _ => "VARCHAR",
    }
}

fn standard_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// The name of the account, which Hadoop wants, is not in an `az` URL.
fn azure_note(folder: &str) -> &'static str {
    if folder.starts_with("az://") {
        "-- Hadoop knows no `az`: write the LOCATION as abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/…\n"
    } else {
        ""
    }
}

/// A location as a literal of Hive and Spark. Hadoop takes it without percent signs, and knows S3 as `s3a`. Hive
/// reads variables and, in its old shell, ends of statements inside of quotes too, so these are escaped.
fn hadoop_location(folder: &str) -> String {
    let location = decoded(folder);
    let location = match location.strip_prefix("s3://") {
        Some(rest) => format!("s3a://{rest}"),
        None => location,
    };
    let mut literal = String::from("'");
    for c in location.chars() {
        match c {
            '\'' | '\\' | ';' | '$' | '"' | '`' => {
                let _ = write!(literal, "\\u{:04x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(literal, "\\u{:04x}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('\'');
    literal
}

/// DuckDB takes a path for what is local.
fn local_or_url(folder: &str) -> String {
    let folder = decoded(folder);
    match folder.strip_prefix("file://") {
        Some(path) if path.starts_with('/') => path.to_owned(),
        _ => folder,
    }
}

/// A path in which no character stands for others.
fn duckdb_escaped(path: &str) -> String {
    path.chars().fold(String::with_capacity(path.len()), |mut escaped, c| {
        match c {
            '*' | '?' | '[' => escaped.extend(['[', c, ']']),
            c => escaped.push(c),
        }
        escaped
    })
}

/// `%20` as a space, and so on; a text where that makes no UTF-8 stays as it is.
fn decoded(url: &str) -> String {
    percent_decode_str(url).decode_utf8().map_or_else(|_| url.to_owned(), Cow::into_owned)
}

#[cfg(test)]
mod tests;
