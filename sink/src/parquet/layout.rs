//! How each column lies in an object: its encoding, its statistics, its bloom filter.
use super::config::Config;
use metlog_schemas::tables::Table;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;

/// Longest minimum or maximum of a text column, in bytes; a longer one is cut, which keeps it a bound.
const BOUND_BYTES_MAX: usize = 64;
/// Bytes of distinct values at which a column stops keeping a dictionary.
const DICTIONARY_BYTES_MAX: usize = 256 * 1024;
/// Share of absent values that a bloom filter takes for present.
const BLOOM_FALSE_SHARE: f64 = 0.01;
/// Distinct values that a bloom filter makes room for at first; it is folded to what it needs afterwards.
const BLOOM_DISTINCT_MAX: u64 = 16 * 1024;

/// How a column is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A moment: differences, which are small in sorted rows.
    Time,
    /// Few distinct values, and equality is asked of it.
    Label,
    /// Few distinct values, or many that come again.
    Word,
    /// Text or bytes that hardly come twice.
    Text,
    /// A number.
    Number,
}

const MESSAGES: [(&[&str], Kind); 12] = [
    (&["timestamp"], Kind::Time),
    (&["received_at"], Kind::Time),
    (&["type"], Kind::Label),
    (&["logger"], Kind::Label),
    (&["severity"], Kind::Number),
    (&["hostname"], Kind::Label),
    (&["pid"], Kind::Number),
    (&["tokens", "list", "element"], Kind::Word),
    (&["payload"], Kind::Text),
    (&["fields", "key_value", "key"], Kind::Word),
    (&["fields", "key_value", "value"], Kind::Word),
    (&["env_version"], Kind::Word),
];

const METRICS: [(&[&str], Kind); 13] = [
    (&["timestamp"], Kind::Time),
    (&["window_seconds"], Kind::Number),
    (&["name"], Kind::Label),
    (&["kind"], Kind::Word),
    (&["tags", "key_value", "key"], Kind::Word),
    (&["tags", "key_value", "value"], Kind::Word),
    (&["hostname"], Kind::Word),
    (&["count"], Kind::Number),
    (&["sum"], Kind::Number),
    (&["min"], Kind::Number),
    (&["max"], Kind::Number),
    (&["value"], Kind::Number),
    (&["sketch"], Kind::Text),
];

/// How a table's objects are written.
///
/// # Errors
/// For a compression level that zstd does not have.
pub fn properties(table: Table, config: &Config) -> Result<WriterProperties, ParquetError> {
    let sorted_by = SortingColumn { column_idx: 0, descending: false, nulls_first: false };
    let builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(config.compression_level)?))
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_sorting_columns(Some(vec![sorted_by]))
        .set_statistics_truncate_length(Some(BOUND_BYTES_MAX))
        .set_column_index_truncate_length(Some(BOUND_BYTES_MAX))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_created_by(concat!("metlog ", env!("CARGO_PKG_VERSION")).to_owned());
    let columns = match table {
        Table::Messages => &MESSAGES[..],
        Table::Metrics => &METRICS[..],
    };
    let keep = |builder, (path, kind): &(&[&str], Kind)| column(builder, path, *kind);
    Ok(columns.iter().fold(builder, keep).build())
}

fn column(builder: WriterPropertiesBuilder, path: &[&str], kind: Kind) -> WriterPropertiesBuilder {
    let path = ColumnPath::new(path.iter().map(|part| part.to_string()).collect());
    match kind {
        Kind::Time => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        Kind::Label => builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_SHARE)
            .set_column_bloom_filter_max_ndv(path, BLOOM_DISTINCT_MAX),
        Kind::Word => builder.set_column_statistics_enabled(path, EnabledStatistics::None),
        Kind::Text => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None),
        Kind::Number => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::arrow::ArrowSchemaConverter;

    /// Guarantees: a column that is added to a table, or renamed, must be given its kind here.
    #[test]
    fn every_column_has_its_kind() {
        for (table, kinds) in [(Table::Messages, &MESSAGES[..]), (Table::Metrics, &METRICS[..])] {
            let schema = ArrowSchemaConverter::new().convert(&table.schema()).unwrap();
            let columns: Vec<String> = schema.columns().iter().map(|column| column.path().string()).collect();
            let known: Vec<String> = kinds.iter().map(|(path, _)| path.join(".")).collect();
            assert_eq!(columns, known);
        }
    }
}
