//! W3C Trace Context: `traceparent` and `tracestate`, as its specification of level 2 reads them.
use super::context::{Context, id};

/// Members that a `tracestate` may have; with more it is invalid.
const MEMBERS_MAX: usize = 32;
/// Bytes that are passed on; members of more than [`MEMBER_BYTES_LONG`] are left out first, and then the last ones.
const STATE_BYTES_MAX: usize = 4_096;
const MEMBER_BYTES_LONG: usize = 128;
/// Bytes that are looked at.
const HEADER_BYTES_MAX: usize = 64 * 1_024;
/// `00-<32>-<16>-<2>`.
const PARENT_BYTES: usize = 55;
const SAMPLED: u8 = 1;
const RANDOM: u8 = 2;

/// The context of a `traceparent`; `None` if it is invalid, and a new trace must begin.
pub(super) fn parent(header: &str) -> Option<Context> {
    let header = header.trim_matches([' ', '\t']);
    let is_lower = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (fixed, rest) = header.split_at_checked(PARENT_BYTES)?;
    let mut parts = fixed.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lengths = [version, trace, span, flags].map(str::len);
    if parts.next().is_some() || lengths != [2, 32, 16, 2] || ![version, trace, span, flags].into_iter().all(is_lower) {
        return None;
    }
    // A later version may say more behind a dash.
    let may_follow = rest.is_empty() || (version != "00" && rest.starts_with('-'));
    if version == "ff" || !may_follow {
        return None;
    }
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(Context {
        trace_id: id(trace)?,
        span_id: id(span)?,
        sampled: Some(flags & SAMPLED != 0),
        random: flags & RANDOM != 0,
        debug: false,
        trace_state: String::new(),
        baggage: Vec::new(),
        remote: true,
    })
}

/// All `tracestate` headers as the one that is passed on; empty if they are invalid.
pub(super) fn state<'h>(headers: impl Iterator<Item = &'h str>) -> String {
    let mut members: Vec<&str> = Vec::new();
    let mut bytes = 0;
    for header in headers {
        bytes += header.len();
        if bytes > HEADER_BYTES_MAX {
            return String::new();
        }
        for member in header.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|of| !of.is_empty()) {
            let Some((key, value)) = member.split_once('=') else { return String::new() };
            if !is_key(key) || !is_value(value) {
                return String::new();
            }
            // A key that is there already keeps its first value.
            if members.iter().any(|known| known.split('=').next() == Some(key)) {
                continue;
            }
            if members.len() == MEMBERS_MAX {
                return String::new();
            }
            members.push(member);
        }
    }
    shortened(members)
}

fn shortened(mut members: Vec<&str>) -> String {
    let length = |members: &[&str]| members.iter().map(|member| member.len() + 1).sum::<usize>();
    while length(&members) > STATE_BYTES_MAX + 1 {
        match members.iter().rposition(|member| member.len() > MEMBER_BYTES_LONG) {
            Some(long) => drop(members.remove(long)),
            None => drop(members.pop()),
        }
    }
    members.join(",")
}

fn is_key(key: &str) -> bool {
    let may_begin = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let may_stand = |byte: u8| may_begin(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(may_begin) && key.bytes().all(may_stand)
}

fn is_value(value: &str) -> bool {
    let may_stand = |byte: u8| (0x20..=0x7e).contains(&byte) && byte != b',' && byte != b'=';
    (1..=256).contains(&value.len()) && value.bytes().all(may_stand)
}
