//! A service that speaks through the `log` crate: its records become messages.
//!
//! `cargo run -p metlog --features log --example log`, with `metlog up` running beside it.
use log::{LevelFilter, debug, error, info, warn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = metlog::init(metlog::Config::from_env()?)?;
    // Where there is a logger already, `.also(logger, level)` keeps it.
    metlog::Log::new().level(LevelFilter::Debug).level_of("hyper", LevelFilter::Warn).install()?;

    info!(port = 8080; "started");
    warn!(target: "sync::login", user = "eve"; "bad password");
    debug!(target: "hyper::proto", "not sent");
    error!(error:% = std::io::Error::other("disk full"); "could not store");

    drop(guard); // what still waits is sent
    Ok(())
}
