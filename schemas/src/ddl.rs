//! Statements that make the tables of a warehouse known to other query engines.
//!
//! Made from [`Table::schema`] and [`PARTITION_COLUMNS`], so that they say what the files hold. Nothing they
//! do touches a file: tables are external, and what exists already is left as it is, but for views.
use crate::object_path::UNKNOWN_PARTITION;
use crate::table::{PARTITION_COLUMNS, Table};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, TimeUnit};
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::fmt::Write;

/// A column whose type has no name in a dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownType {
    /// Where: `table.column`, and inside it.
    pub column: String,
    /// Arrow's name of the type.
    pub r#type: String,
    /// The dialect's name.
    pub dialect: &'static str,
}

impl std::fmt::Display for UnknownType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} is {}, which has no type in {}", self.column, self.r#type, self.dialect)
    }
}

impl std::error::Error for UnknownType {}

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
                 -- The tables *_raw hold times as microseconds since 1970 UTC, the views turn them into timestamps,\n\
                 -- but for those inside of lists, maps and structs.\n\
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
                 -- There has to be an object of each table: the first batch that is stored makes them. An s3:// address needs the extension httpfs.\n"
            }
            Dialect::Datafusion => {
                "-- DataFusion: `datafusion-cli -f THIS`. New hours are seen at once.\n\
                 -- There has to be an object of each table: the first batch that is stored makes them.\n"
            }
        }
    }
}

/// The statements, with comments on how to run them. `warehouse_url` is the folder above the tables, as in the
/// configuration of the Parquet sink; whatever it holds, it stays inside its quotes.
///
/// # Errors
/// [`UnknownType`] where a column cannot be said in the dialect: nothing is guessed.
pub fn statements(dialect: Dialect, warehouse_url: &str) -> Result<String, UnknownType> {
    let mut sql = dialect.comment().to_owned();
    for table in Table::ALL {
        sql.push('\n');
        sql.push_str(&table_statements(dialect, warehouse_url, table.name(), &table.schema())?);
    }
    Ok(sql)
}

/// The statements of one table: its name, which is that of its folder too, and its columns.
///
/// # Errors
/// As those of [`statements`].
pub fn table_statements(
    dialect: Dialect,
    warehouse_url: &str,
    table: &str,
    schema: &Schema,
) -> Result<String, UnknownType> {
    let folder = format!("{}/{table}", warehouse_url.trim_end_matches('/'));
    let names = Names { dialect, table, schema };
    match dialect {
        Dialect::Hive => names.hive_raw(&folder),
        Dialect::Hive4 => names.hive_table(table, &folder),
        Dialect::Spark => names.spark(&folder),
        Dialect::Duckdb => names.duckdb(&folder),
        Dialect::Datafusion => names.datafusion(&folder),
    }
}

/// Names the columns and types of a table.
#[derive(Clone, Copy)]
struct Names<'a> {
    dialect: Dialect,
    table: &'a str,
    schema: &'a Schema,
}

impl Names<'_> {
    fn hive_table(self, name: &str, folder: &str) -> Result<String, UnknownType> {
        let partitions = self.partitions()?.map(|(name, r#type)| format!("`{name}` {type}")).join(", ");
        Ok(format!(
            "{}CREATE EXTERNAL TABLE IF NOT EXISTS `{name}` (\n{}\n)\nPARTITIONED BY ({partitions})\n\
             STORED AS PARQUET\nLOCATION {};\nMSCK REPAIR TABLE `{name}`;\n",
            azure_note(folder),
            self.columns()?,
            hadoop_location(folder),
        ))
    }

    fn hive_raw(self, folder: &str) -> Result<String, UnknownType> {
        let (name, raw) = (self.table, format!("{}_raw", self.table));
        let mut sql = self.hive_table(&raw, folder)?;
        let own = self.schema.fields().iter().map(|field| match field.data_type() {
            // Seconds as a decimal: exact, and never taken for milliseconds, as Hive takes a whole number.
            DataType::Timestamp(..) => {
                format!("  CAST(CAST(`{0}` AS DECIMAL(20, 0)) / 1000000 AS TIMESTAMP) AS `{0}`", field.name())
            }
            _ => format!("  `{}`", field.name()),
        });
        let partitions = PARTITION_COLUMNS.iter().map(|(name, _)| format!("  `{name}`"));
        let columns: Vec<_> = own.chain(partitions).collect();
        let _ = writeln!(sql, "CREATE VIEW IF NOT EXISTS `{name}` AS SELECT\n{}\nFROM `{raw}`;", columns.join(",\n"));
        Ok(sql)
    }

    fn spark(self, folder: &str) -> Result<String, UnknownType> {
        let name = self.table;
        let mut columns = self.columns()?;
        for (name, r#type) in self.partitions()? {
            let _ = write!(columns, ",\n  `{name}` {type}");
        }
        Ok(format!(
            "{}CREATE TABLE IF NOT EXISTS `{name}` (\n{columns}\n)\nUSING PARQUET\nPARTITIONED BY ({})\n\
             LOCATION {};\nALTER TABLE `{name}` RECOVER PARTITIONS;\n",
            azure_note(folder),
            PARTITION_COLUMNS.map(|(name, _)| format!("`{name}`")).join(", "),
            hadoop_location(folder),
        ))
    }

    /// The view's types are named, so that they are the same whatever files there are.
    fn duckdb(self, folder: &str) -> Result<String, UnknownType> {
        self.checked()?;
        // As text: not every version of DuckDB takes Hive's name of the unknown partition for null.
        let types = PARTITION_COLUMNS.map(|(name, _)| format!("'{name}': VARCHAR")).join(", ");
        let objects = format!("{}/*/*/*.parquet", duckdb_escaped(&local_or_url(folder)));
        let select = self.selected();
        Ok(format!(
            "CREATE OR REPLACE VIEW \"{}\" AS SELECT\n{select}\nFROM read_parquet({},\n  hive_partitioning = true, \
             hive_types = {{{types}}}, union_by_name = true);\n",
            self.table,
            standard_literal(&objects),
        ))
    }

    fn datafusion(self, folder: &str) -> Result<String, UnknownType> {
        self.checked()?;
        let name = self.table;
        Ok(format!(
            "CREATE EXTERNAL TABLE IF NOT EXISTS \"{name}_objects\"\nSTORED AS PARQUET\nPARTITIONED BY ({})\n\
             LOCATION {};\nCREATE OR REPLACE VIEW \"{name}\" AS SELECT\n{}\nFROM \"{name}_objects\";\n",
            // Without quotes: DataFusion would take them for a part of the name.
            PARTITION_COLUMNS.map(|(name, _)| name).join(", "),
            standard_literal(&format!("{folder}/")),
            self.selected(),
        ))
    }

    /// The columns of a `SELECT` in standard quotes.
    fn selected(self) -> String {
        let own = self.schema.fields().iter().map(|field| format!("  \"{}\"", field.name()));
        let partitions = PARTITION_COLUMNS.iter().map(|(name, r#type)| format!("  {}", known_partition(name, r#type)));
        own.chain(partitions).collect::<Vec<_>>().join(",\n")
    }

    /// The columns of a `CREATE TABLE` of Hive or Spark.
    fn columns(self) -> Result<String, UnknownType> {
        let column = |field: &FieldRef| Ok(format!("  `{}` {}", field.name(), self.named(field)?));
        Ok(self.schema.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?.join(",\n"))
    }

    fn named(self, field: &Field) -> Result<String, UnknownType> {
        let path = format!("{}.{}", self.table, field.name());
        type_name(self.dialect, field.data_type(), &path)
    }

    /// That each type has a name, where the statements do not say it.
    fn checked(self) -> Result<(), UnknownType> {
        self.schema.fields().iter().try_for_each(|field| self.named(field).map(drop))
    }

    fn partitions(self) -> Result<[(&'static str, String); PARTITION_COLUMNS.len()], UnknownType> {
        let mut named = PARTITION_COLUMNS.map(|(name, _)| (name, String::new()));
        for ((name, text), (_, r#type)) in named.iter_mut().zip(&PARTITION_COLUMNS) {
            *text = type_name(self.dialect, r#type, name)?;
        }
        Ok(named)
    }
}

/// The name of a type in a dialect; `path` says of what in errors.
fn type_name(dialect: Dialect, r#type: &DataType, path: &str) -> Result<String, UnknownType> {
    let unknown = || UnknownType { column: path.to_owned(), r#type: r#type.to_string(), dialect: dialect.name() };
    let inner = |field: &Field| type_name(dialect, field.data_type(), &format!("{path}.{}", field.name()));
    let is_standard = matches!(dialect, Dialect::Duckdb | Dialect::Datafusion);
    let either = |hive: &str, standard: &str| Ok(if is_standard { standard } else { hive }.to_owned());
    match r#type {
        DataType::Boolean => either("BOOLEAN", "BOOLEAN"),
        DataType::Int32 => either("INT", "INTEGER"),
        DataType::Int64 => either("BIGINT", "BIGINT"),
        DataType::Float64 => either("DOUBLE", "DOUBLE"),
        DataType::Utf8 => either("STRING", "VARCHAR"),
        DataType::Binary => either("BINARY", if dialect == Dialect::Duckdb { "BLOB" } else { "BYTEA" }),
        DataType::Date32 => either("DATE", "DATE"),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => match dialect {
            // Its reader knows our times only as numbers.
            Dialect::Hive => Ok("BIGINT".to_owned()),
            _ => either("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
        },
        DataType::List(item) if is_standard => Ok(format!("{}[]", inner(item)?)),
        DataType::List(item) => Ok(format!("ARRAY<{}>", inner(item)?)),
        DataType::Map(entries, _) => {
            let DataType::Struct(parts) = entries.data_type() else { return Err(unknown()) };
            let [key, value] = parts.as_ref() else { return Err(unknown()) };
            let (key, value) = (inner(key)?, inner(value)?);
            Ok(if is_standard { format!("MAP({key}, {value})") } else { format!("MAP<{key}, {value}>") })
        }
        DataType::Struct(parts) => {
            let part = |part: &FieldRef| {
                let name = inner(part)?;
                Ok(match is_standard {
                    true => format!("\"{}\" {name}", part.name()),
                    false => format!("`{}`: {name}", part.name()),
                })
            };
            let parts = parts.iter().map(part).collect::<Result<Vec<_>, UnknownType>>()?.join(", ");
            Ok(if is_standard { format!("STRUCT({parts})") } else { format!("STRUCT<{parts}>") })
        }
        _ => Err(unknown()),
    }
}

/// A partition column of DuckDB or DataFusion: null for objects whose rows are of many hours, see `tables.md`.
fn known_partition(name: &str, r#type: &DataType) -> String {
    match r#type {
        DataType::Utf8 => format!("NULLIF(CAST(\"{name}\" AS VARCHAR), '{UNKNOWN_PARTITION}') AS \"{name}\""),
        _ => format!("TRY_CAST(\"{name}\" AS INTEGER) AS \"{name}\""),
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
/// reads variables and, in its old shell, ends of statements inside quotes too, so these are escaped.
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
