//! `GET /` over HTTP, on a connection of its own: what a program that is asked adds to the network is in its time.
use super::outcome::{Outcome, Single};
use super::socket::wall_nanos;
use std::net::SocketAddr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// No pool and no proxy: each probe is a new connection to the node itself.
static CLIENT: LazyLock<Option<reqwest::Client>> =
    LazyLock::new(|| reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().ok());

/// Asks, and says what became of it: any response is one.
pub async fn get(to: SocketAddr, timeout: Duration, late: Duration) -> Single {
    let sent_at = i64::try_from(wall_nanos() / 1_000).unwrap_or(i64::MAX);
    let single = Single { sent_at, source_late: late, ..Single::default() };
    let Some(client) = CLIENT.as_ref() else { return single };
    let started = Instant::now();
    match client.get(format!("http://{to}/")).timeout(timeout).send().await {
        Ok(_) => Single { outcome: Outcome::Received, rtt: Some(started.elapsed()), ..single },
        Err(error) if error.is_connect() && !error.is_timeout() => Single { outcome: Outcome::Refused, ..single },
        Err(_) => single,
    }
}
