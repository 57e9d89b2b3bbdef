//! What an empty installation shows: commands that send something, for the addresses of this server.
use crate::live::Status;
use maud::{Markup, html};

/// Commands to begin with.
pub(super) fn commands(status: &Status) -> Markup {
    let find = |name: &str| status.addresses.iter().find(|(bound, _)| bound == name).map(|(_, address)| address.as_str());
    let udp = |address: &str| address.rsplit_once(':').map(|(host, port)| format!("/dev/udp/{host}/{port}"));
    html! {
        section.card.first {
            div.card-head { h2 { "Nothing has arrived yet. Send something:" } }
            @if let Some(address) = find("metlog") {
                p { "A message, from a shell:" }
                pre { "metlog send --to " (address) " --type hello --logger me \"first message\"" }
                p { "From Rust:" }
                pre { "let _guard = metlog::init(metlog::Config::default().destination(\"" (address) "\").logger(\"me\"))?;\nmetlog::send([\"hello\"], \"first message\");\nmetlog::incr(\"hellos\");" }
            }
            @if let Some(to) = find("statsd").and_then(udp) {
                p { "A counter, from any statsd client or a shell:" }
                pre { "echo \"hits:1|c\" > " (to) }
            }
            p { "The lines of a log file, exactly once, across rotations:" }
            pre { "metlog replay --follow --state app.state /var/log/app.log" }
            p.note { "Or start it with " code { "metlog up --demo" } ", which runs a small shop that sends. This page looks again every few seconds." }
        }
    }
}
