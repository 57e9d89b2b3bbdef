//! Rules of privacy on a wire datagram: it is written again under its own sequence number.
use super::super::redact::{Redacted, Redactor};
use super::span::Rewritten;
use crate::span::redact::SpanRules;
use crate::wire::v1::{Datagram, Draft, Encoder, Frame, Header};

/// Rewritten datagrams may be larger than what a socket carries.
const REWRITTEN_BYTES_MAX: usize = 4 << 20;

/// Rewritten with the same sender and sequence; the signature has been checked and is left out.
pub(super) fn redact(datagram: &Datagram<'_>, rules: &dyn Redactor) -> Redacted {
    let Header { sender, sequence, opened_at, dropped, pid, hostname, logger, key_id: _ } = datagram.header;
    let mut redacted = Redacted::default();
    let mut encoder = Encoder::new(REWRITTEN_BYTES_MAX, sender, pid, hostname, logger, None);
    for frame in datagram.frames() {
        let mut message = match frame {
            Ok(Frame::Message(message)) => message.to_message(),
            Ok(Frame::Span(view)) => {
                let rewritten = Rewritten::new(&view, &mut SpanRules::new(rules, view.service));
                let pushed = rewritten.and_then(|rewritten| {
                    let pushed = encoder.push_span(opened_at, &rewritten.draft(&view));
                    pushed.map_err(|_| "too_long_after_privacy")
                });
                redacted.rejected.extend(pushed.err().map(|reason| (reason, 1)));
                continue;
            }
            // Names of nodes and counts: nothing that a rule is about.
            Ok(Frame::Ping(ping)) => {
                let pushed = encoder.push_ping(opened_at, &ping);
                redacted.rejected.extend(pushed.err().map(|_| ("too_long_after_privacy", 1)));
                continue;
            }
            Ok(Frame::Probe(probe)) => {
                let pushed = encoder.push_probe(opened_at, &probe);
                redacted.rejected.extend(pushed.err().map(|_| ("too_long_after_privacy", 1)));
                continue;
            }
            Err(refusal) => {
                redacted.rejected.push((refusal.reason(), 1));
                continue;
            }
        };
        if let Err(reason) = rules.message(&mut message) {
            redacted.rejected.push((reason, 1));
            continue;
        }
        let draft = Draft {
            timestamp: message.timestamp,
            severity: message.severity,
            r#type: &message.r#type,
            logger: Some(&message.logger),
            origin: Some((&message.hostname, message.pid)),
            env_version: Some(&message.env_version),
            payload: &message.payload,
        };
        let fields: Vec<_> = message.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let tokens = message.tokens.iter().map(String::as_str);
        if encoder.push(opened_at, &draft, tokens, fields.into_iter()).is_err() {
            redacted.rejected.push(("too_long_after_privacy", 1));
        }
    }
    // Even without a message its sequence number counts, or it would look lost.
    redacted.datagram = Some(encoder.finish(sequence, dropped).to_vec());
    redacted
}
