//! How an object is written: what each column's table says of it, in Parquet's terms.
use super::config::Config;
use super::order::ORDER;
use metlog_schemas::object_path::Partition;
use metlog_schemas::table::{Definition, Lay};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

/// Longest minimum or maximum of a text column, in bytes; a longer one is cut, which keeps it a bound.
const BOUND_BYTES_MAX: usize = 64;
/// Bytes of distinct values at which a column stops keeping a dictionary.
const DICTIONARY_BYTES_MAX: usize = 256 * 1024;
/// Share of absent values that a bloom filter takes for present.
const BLOOM_FALSE_SHARE: f64 = 0.01;
/// Distinct values that the bloom filter of a label makes room for at first; it is folded to what it needs afterwards.
const LABEL_VALUES_MAX: u64 = 16 * 1024;
/// Rows of a page where rows of many hours lie in one object, so that readers can skip most of it by time.
const STRAY_PAGE_ROWS: usize = 1_024;

/// The columns that the rows of an object are sorted by, in a table's words.
pub fn order(definition: &'static Definition, partition: Partition) -> &'static [&'static str] {
    match partition {
        Partition::Hour(_) => definition.order,
        Partition::Unknown => std::slice::from_ref(&definition.time),
    }
}

/// How an object of a table is written.
///
/// # Errors
/// For a compression level that zstd does not have, or a column that Parquet does not know.
pub fn properties(
    definition: &'static Definition,
    partition: Partition,
    config: &Config,
) -> Result<WriterProperties, ParquetError> {
    let leaves = ArrowSchemaConverter::new().convert(definition.schema())?;
    let sorted_by = order(definition, partition).iter().map(|name| sorting_column(&leaves, name));
    let mut builder = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(config.compression_level)?))
        .set_max_row_group_row_count(Some(config.row_group_rows))
        .set_sorting_columns(Some(sorted_by.collect::<Result<_, _>>()?))
        .set_statistics_truncate_length(Some(BOUND_BYTES_MAX))
        .set_column_index_truncate_length(Some(BOUND_BYTES_MAX))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
        .set_created_by(concat!("metlog ", env!("CARGO_PKG_VERSION")).to_owned());
    if partition == Partition::Unknown {
        builder = builder.set_data_page_row_count_limit(STRAY_PAGE_ROWS).set_write_batch_size(STRAY_PAGE_ROWS);
    }
    let lays = leaves.columns().iter().zip(definition.lays());
    Ok(lays.fold(builder, |builder, (leaf, lay)| column(builder, leaf.path().clone(), lay, config)).build())
}

fn sorting_column(leaves: &SchemaDescriptor, name: &str) -> Result<SortingColumn, ParquetError> {
    let at = leaves.columns().iter().position(|leaf| leaf.path().string() == name);
    let at = at.ok_or_else(|| ParquetError::General(format!("no column {name} to sort by")))?;
    Ok(SortingColumn { column_idx: at as i32, descending: ORDER.descending, nulls_first: ORDER.nulls_first })
}

fn column(builder: WriterPropertiesBuilder, path: ColumnPath, lay: Lay, config: &Config) -> WriterPropertiesBuilder {
    let bloom = |builder: WriterPropertiesBuilder, values| {
        builder
            .set_column_bloom_filter_enabled(path.clone(), true)
            .set_column_bloom_filter_fpp(path.clone(), BLOOM_FALSE_SHARE)
            .set_column_bloom_filter_max_ndv(path.clone(), values)
    };
    match lay {
        Lay::Time => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED),
        Lay::Label => bloom(builder, LABEL_VALUES_MAX),
        Lay::Id => bloom(builder, config.row_group_rows as u64).set_column_dictionary_enabled(path, false),
        Lay::Key => bloom(builder, config.row_group_rows as u64),
        Lay::Word => builder.set_column_statistics_enabled(path, EnabledStatistics::None),
        Lay::Text => builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_statistics_enabled(path, EnabledStatistics::None),
        Lay::Number => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog_schemas::table::Table;

    /// Guarantees: each leaf that Parquet makes of a table's columns has its own lay, and none has another's.
    #[test]
    fn every_leaf_has_its_lay() {
        for table in Table::ALL {
            let leaves = ArrowSchemaConverter::new().convert(&table.schema()).unwrap();
            assert_eq!(leaves.num_columns(), table.definition().lays().count(), "{}", table.name());
            let properties = properties(table.definition(), Partition::Unknown, &Config::default()).unwrap();
            for (leaf, lay) in leaves.columns().iter().zip(table.definition().lays()) {
                let bloom = properties.bloom_filter_properties(leaf.path()).map(|bloom| bloom.ndv());
                let expected = match lay {
                    Lay::Label => Some(LABEL_VALUES_MAX),
                    Lay::Id | Lay::Key => Some(Config::default().row_group_rows as u64),
                    _ => None,
                };
                assert_eq!(bloom, expected, "{}.{}", table.name(), leaf.path());
            }
        }
    }
}
