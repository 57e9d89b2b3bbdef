//! `metlog serve`: the page and SQL over a warehouse that others fill. Receives nothing.
use super::up::{Signals, bind};
use super::{print, query_worker};
use crate::arguments::ServeOptions;
use crate::config::{self, ParquetConfig};
use crate::failure::Failure;
use crate::{page, serve, sinks};
use metlog_listener::Limits;
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
        let http = bind(config.query.listen).await?;
        let launch = query_worker::launch(&config.sinks.parquet.url, &config.sinks.parquet.options);
        let pool = Pool::new(serve::pool_config(&config.query), launch, None);
        let address = http.local_addr().map_err(Failure::failed)?;
        let router = serve::reading(page::site(&config, None, Some(pool.clone())), pool, &config);
        let mut signals = Signals::new().map_err(Failure::failed)?;
        let server = tokio::spawn(metlog_listener::serve(http, router, "query.listen", Limits::default()));
        let url = &config.sinks.parquet.url;
        let _ = print(&format!(
            "metlog serves {url}\n  page         http://{address}/\n  sql          http://{address}/api/sql\n"
        ));
        signals.next().await;
        server.abort();
        Ok(())
    })
}
