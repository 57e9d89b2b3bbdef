//! A service that speaks through the `tracing` crate: its events become messages.
//!
//! `cargo run -p metlog --features tracing --example tracing_layer`, with `metlog up` running beside it.
use tracing_subscriber::layer::SubscriberExt;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = metlog::init(metlog::Config::from_env()?)?;
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(metlog::Layer::new()))?;

    tracing::info!(port = 8080, "started");
    tracing::warn!(target: "sync::login", user = "eve", "bad password");
    tracing::error!(error = %std::io::Error::other("disk full"), "could not store");

    drop(guard); // what still waits is sent
    Ok(())
}
