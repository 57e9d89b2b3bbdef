//! `metlog check`: looks for mistakes in a configuration file, and says what it comes to.
use super::print;
use crate::arguments::{AddressOptions, CheckOptions};
use crate::config::{self, Config};
use crate::failure::Failure;

/// What is only known when it runs.
const NOT_CHECKED: &str = "Not checked: whether the addresses are free, whether the data folder can be written to, and whether the store and \
     the other sinks can be reached and take what is sent.\n";

/// Exit code 2 and every mistake, or a short summary.
///
/// # Errors
/// Where there is a mistake.
pub fn run(options: &CheckOptions) -> Result<(), Failure> {
    let config = config::load(Some(&options.config), None, &AddressOptions::default())?;
    print(&format!("{}: fine\n{}{NOT_CHECKED}", options.config.display(), summary(&config)))
}

fn summary(config: &Config) -> String {
    let listener = &config.listener;
    let list = |addresses: &[std::net::SocketAddr]| {
        let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        if texts.is_empty() { "nowhere".to_owned() } else { texts.join(", ") }
    };
    let sinks = &config.sinks;
    let mut lines = vec![
        ("listener", listener.name.clone()),
        ("metlog", list(&listener.metlog)),
        ("statsd", list(&listener.statsd)),
        ("statsd over TCP", list(&listener.statsd_tcp)),
        ("signatures", if listener.keys.is_empty() { "not asked for" } else { "required" }.to_owned()),
        ("privacy rules", listener.privacy.len().to_string()),
        ("data", listener.data.display().to_string()),
        ("warehouse", sinks.parquet.url.clone()),
        ("questions", config.query.listen.to_string()),
    ];
    lines.extend(sinks.graphite.as_ref().map(|graphite| ("graphite", graphite.address.clone())));
    lines.extend(sinks.http.as_ref().map(|http| ("http", format!("{} documents at a time", http.in_flight))));
    lines.iter().map(|(name, value)| format!("  {name:<16} {value}\n")).collect()
}
