//! The tables of the warehouse: one file per table, and one registry that all other code uses.
//!
//! A table's file provides `definition()`, with its columns, their meaning, encoding and order, and `Rows`, which
//! builds its rows. Nothing outside this folder matches on tables.
//!
//! Types are those that Hive 4, Spark, DuckDB and DataFusion all read: UTC microsecond timestamps, no unsigned
//! numbers, no views.
mod builder;
mod definition;
mod map;

pub use builder::{Builders, RowBuilder, TableRows};
pub use definition::{Column, Definition, Lay, Owner, PARTITION_COLUMNS, list_type, map_type, timestamp_type};
pub use map::TableMap;
pub use metrics::metrics_rows;

use arrow::datatypes::SchemaRef;
use std::sync::LazyLock;

macro_rules! tables {
    ($($(#[$attribute:meta])* $module:ident: $table:ident),* $(,)?) => {
        $($(#[$attribute])* pub mod $module;)*

        /// A table of the warehouse.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(usize)]
        pub enum Table {
            $($(#[$attribute])* #[doc = concat!("`", stringify!($module), "`")] $table),*
        }

        impl Table {
            /// How many there are.
            pub const COUNT: usize = [$($(#[$attribute])* Table::$table),*].len();

            /// All of them.
            pub const ALL: [Table; Table::COUNT] = [$($(#[$attribute])* Table::$table),*];

            /// Its name in SQL and in paths.
            pub const fn name(self) -> &'static str {
                match self {
                    $($(#[$attribute])* Table::$table => stringify!($module)),*
                }
            }

            fn define(self) -> Definition {
                match self {
                    $($(#[$attribute])* Table::$table => $module::definition()),*
                }
            }

            /// Builds rows of it.
            fn builder(self) -> Box<dyn RowBuilder> {
                match self {
                    $($(#[$attribute])* Table::$table => Box::<$module::Rows>::default()),*
                }
            }
        }
    };
}

// One line a table. Their order is that of documents and listings; nothing on disk depends on it.
tables! {
    messages: Messages,
    metrics: Metrics,
    spans: Spans,
    pings: Pings,
    probes: Probes,
    #[cfg(feature = "toy")] toy: Toy,
}

static DEFINITIONS: LazyLock<TableMap<Definition>> = LazyLock::new(|| TableMap::of(Table::define));

impl Table {
    /// The table of a name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// Its definition.
    pub fn definition(self) -> &'static Definition {
        &DEFINITIONS[self]
    }

    /// Its columns, without those of [`PARTITION_COLUMNS`].
    pub fn schema(self) -> SchemaRef {
        self.definition().schema().clone()
    }
}

#[cfg(test)]
mod tests;
