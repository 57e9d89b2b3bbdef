//! `metlog send`: one message, made by the client library as of any application, and what became of it.
use super::read_all;
use crate::arguments::SendOptions;
use crate::arrival::{Arrival, Sent};
use crate::failure::Failure;
use crate::outlet::Outlet;
use crate::{logs, plural};
use metlog::{Client, Config, Destination, Outcome};
use metlog_schemas::wire::v1::Datagram;
use std::borrow::Cow;
use std::path::Path;

/// Sends it, and asks the server where one is known.
///
/// # Errors
/// 2 where it cannot be sent as it is, 1 where the network did not take it, nobody listens, or it did not arrive.
pub fn run(options: &SendOptions) -> Result<(), Failure> {
    let _: Destination = options.to.parse().map_err(|error| Failure::usage(format!("--to: {error}")))?;
    let payload = payload(options)?;
    let datagrams = datagrams(options, &payload)?;
    let outlet = Outlet::open(&options.to)
        .map_err(|error| Failure::failed(format!("not sent: {} cannot be reached: {error}", options.to)))?;
    let arrival = Arrival::of(&options.server, &options.to)?;
    let before = arrival.as_ref().map(Arrival::begin).transpose()?;
    for datagram in &datagrams {
        outlet.send(datagram).map_err(|error| refused(options, &error))?;
    }
    outlet.settle().map_err(|error| refused(options, &error))?;
    let (Some(arrival), Some(before)) = (arrival, before) else { return Ok(()) };
    let sender = datagrams.first().and_then(|bytes| Some(Datagram::decode(bytes).ok()?.header.sender));
    let sent = Sent { sender: sender.unwrap_or_default(), datagrams: 1, messages: 1, ..Sent::default() };
    arrival.compare(&before, &sent).map(|_| ())
}

fn payload(options: &SendOptions) -> Result<String, Failure> {
    if options.payload.as_deref() == Some("-") {
        let mut bytes = read_all(Path::new("-")).map_err(|error| Failure::failed(format!("stdin: {error}")))?;
        // That of the last line is the shell's.
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
        }
        return Ok(match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => {
                let replaced = text.matches('\u{fffd}').count() as u64;
                let (what, became) = (plural::counted(replaced, "place"), plural::verb(replaced, "is", "are"));
                logs::say(&format!("stdin: {what} that {became} not UTF-8: sent as U+FFFD"));
                text
            }
        });
    }
    let says_something = options.payload.is_some()
        || options.r#type.is_some()
        || !options.tokens.is_empty()
        || !options.fields.is_empty();
    match says_something {
        true => Ok(options.payload.clone().unwrap_or_default()),
        false => Err(Failure::usage("nothing to send: give a text, `-` for stdin, --type, --token or --field")),
    }
}

/// The datagrams of the message, as the client library makes them: with the environment's name, key and filters.
fn datagrams(options: &SendOptions, payload: &str) -> Result<Vec<Vec<u8>>, Failure> {
    let (destination, captured) = Destination::capture();
    let config = Config::from_env().map_err(Failure::usage)?.destinations([destination]).statsd(false);
    let client = Client::new(config).map_err(Failure::usage)?;
    let mut message = client
        .message(payload)
        .of_type(options.r#type.as_deref().unwrap_or("metlog"))
        .logger(&options.logger)
        .severity(options.severity)
        .tokens(&options.tokens);
    for (key, value) in &options.fields {
        message = message.field(key, value.as_str());
    }
    match message.send() {
        Outcome::Queued => (),
        Outcome::Oversize => return Err(Failure::failed("not sent: the message is larger than a datagram may be")),
        Outcome::Filtered => {
            return Err(Failure::failed("not sent: a filter of the environment's METLOG_ variables keeps it back"));
        }
        outcome => return Err(Failure::failed(format!("not sent: {outcome:?}"))),
    }
    client.flush();
    Ok(captured.datagrams())
}

fn refused(options: &SendOptions, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => {
            Failure::failed(format!("not sent: nobody listens at {}: is `metlog up` running?", options.to))
        }
        _ => Failure::failed(format!("not sent: {} does not take it: {error}", options.to)),
    }
}
