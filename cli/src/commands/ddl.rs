//! `metlog ddl`: the statements that make the tables known to another engine.
use super::print;
use crate::arguments::DdlOptions;
use crate::config;
use crate::failure::Failure;
use metlog_schemas::ddl::statements;

/// Prints them; touches nothing.
///
/// # Errors
/// Where the configuration is wrong.
pub fn run(options: &DdlOptions) -> Result<(), Failure> {
    let warehouse = match &options.warehouse {
        Some(url) => url.clone(),
        None => config::look_into(options.config.as_deref())?.sinks.parquet.url,
    };
    print(&statements(options.dialect, &warehouse).map_err(Failure::failed)?)
}
