//! The concrete sinks, made from the configuration: the only place that names them.
use crate::config::{ParquetConfig, SinksConfig, variables};
use crate::failure::Failure;
use metlog_sink::Sink;
use metlog_sink::graphite::Graphite;
use metlog_sink::http::Http;
use metlog_sink::parquet::Parquet;
use metlog_sink::store::{Store, open_store};

/// Opens the warehouse's store, with what the environment says of it. Nothing is asked of a remote one.
///
/// # Errors
/// A URL or an option that leads nowhere, a folder that cannot be made.
pub fn open_warehouse(config: &ParquetConfig) -> Result<Store, Failure> {
    open_url(&config.url, &config.options)
}

/// Opens the store of a URL, with what the environment says of it.
///
/// # Errors
/// As [`open_warehouse`].
pub fn open_url(url: &str, options: &[(String, String)]) -> Result<Store, Failure> {
    open_store(url, options, variables()).map_err(|error| Failure::usage(format!("sink.parquet: {error}")))
}

/// The sink whose receipt makes a message stored.
pub fn store(config: &SinksConfig, warehouse: Store) -> Box<dyn Sink> {
    Box::new(Parquet::new(config.parquet.objects.clone(), warehouse))
}

/// All sinks that are configured.
///
/// # Errors
/// Where one refuses its configuration.
pub fn open(config: &SinksConfig, warehouse: Store) -> Result<Vec<Box<dyn Sink>>, Failure> {
    let mut sinks: Vec<Box<dyn Sink>> = vec![store(config, warehouse)];
    if let Some(graphite) = &config.graphite {
        sinks.push(Box::new(Graphite::new(graphite.clone())));
    }
    if let Some(http) = &config.http {
        let refused = |error| Failure::usage(format!("sink.http: {error}"));
        sinks.push(Box::new(Http::new(http.clone()).map_err(refused)?));
    }
    Ok(sinks)
}
