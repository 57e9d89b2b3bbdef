//! `metlog send`: one message, through the client library as any application would.
use crate::arguments::SendOptions;
use crate::failure::Failure;
use metlog::{Client, Config, Destination, Outcome, Severity};

/// Sends it and waits until it has left.
///
/// # Errors
/// 2 where it cannot be sent as it is, 1 where the network did not take it.
pub fn run(options: &SendOptions) -> Result<(), Failure> {
    let to: Destination = options.to.parse().map_err(|error| Failure::usage(format!("--to: {error}")))?;
    let config = Config::from_env().map_err(Failure::usage)?.destinations([to]).statsd(false);
    let client = Client::new(config).map_err(Failure::usage)?;
    let mut message = client
        .message(&options.payload)
        .of_type(&options.r#type)
        .logger(&options.logger)
        .severity(Severity::new(options.severity).unwrap_or_default())
        .tokens(&options.tokens);
    for (key, value) in &options.fields {
        message = message.field(key, value.as_str());
    }
    match message.send() {
        Outcome::Queued => (),
        Outcome::Oversize => return Err(Failure::failed("not sent: the message is larger than a datagram may be")),
        outcome => return Err(Failure::failed(format!("not sent: {outcome:?}"))),
    }
    let has_left = client.flush();
    let stats = client.stats();
    if !has_left || stats.send_errors > 0 || stats.dropped > 0 {
        return Err(Failure::failed(format!("not sent: {} does not take it", options.to)));
    }
    Ok(())
}
