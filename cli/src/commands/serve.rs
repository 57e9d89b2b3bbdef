//! `metlog serve`: the page and SQL over a warehouse that others fill. Receives nothing.
use super::up::Signals;
use super::{print, query_worker};
use crate::arguments::ServeOptions;
use crate::config::{self, ParquetConfig};
use crate::failure::Failure;
use crate::front::Front;
use crate::{page, serve, sinks};
use metlog_query::Pool;
use tokio::runtime::Runtime;

/// Serves until it is stopped.
///
/// # Errors
/// 2 where the configuration is wrong, 1 where it cannot start.
pub fn run(options: &ServeOptions) -> Result<(), Failure> {
    let mut config =
        config::load(options.config.config.as_deref(), options.config.data.as_deref(), &options.addresses)?;
    if let Some(url) = &options.warehouse {
        config.sinks.parquet = ParquetConfig { url: url.clone(), ..config.sinks.parquet };
    }
    let runtime = Runtime::new().map_err(Failure::failed)?;
    // Whether it can be opened at all is said before anything is served.
    drop(sinks::open_warehouse(&config.sinks.parquet)?);
    runtime.block_on(async {
        let front = Front::bind(&config).await?;
        let launch = query_worker::launch(&config.sinks.parquet.url, &config.sinks.parquet.options);
        let pool = Pool::new(serve::pool_config(&config), launch, None);
        let addresses = front.addresses();
        let router = serve::reading(page::site(&config, None, Some(pool.clone())), pool.clone(), &config);
        let mut signals = Signals::new().map_err(Failure::failed)?;
        let _servers = front.serve(&router, Some(pool));
        let url = &config.sinks.parquet.url;
        let scheme = if config.access.tls.is_some() { "https" } else { "http" };
        let lines = addresses.iter().map(|address| {
            format!("  page         {scheme}://{address}/\n  sql          {scheme}://{address}/api/sql\n")
        });
        let _ = print(&format!("metlog serves {url}\n{}", lines.collect::<String>()));
        signals.next().await;
        Ok(())
    })
}
