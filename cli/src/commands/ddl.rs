//! `metlog ddl`: the statements that make the tables known to another engine.
use crate::arguments::DdlOptions;
use crate::config;
use crate::failure::Failure;
use metlog_schemas::ddl::statements;
use std::io::{Write, stdout};

/// Prints them; touches nothing.
///
/// # Errors
/// Where the configuration is wrong.
pub fn run(options: &DdlOptions) -> Result<(), Failure> {
    let warehouse = match &options.warehouse {
        Some(url) => url.clone(),
        None => config::load(options.config.as_deref(), None)?.sinks.parquet.url,
    };
    stdout().write_all(statements(options.dialect, &warehouse).as_bytes()).map_err(|error| Failure::output(&error))
}
