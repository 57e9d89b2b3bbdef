//! In which form a result is wanted: by the parameter `format` of the address, or by the header `Accept`.
use super::Refusal;
use crate::error::{Error, Kind};
use crate::format::Format;
use axum::http::{HeaderMap, StatusCode, header};

/// The media type of [`Form::Frames`].
pub(super) const FRAMES_TYPE: &str = "application/vnd.metlog.frames+ndjson";

/// The name of [`Form::Frames`] in an address.
const FRAMES: &str = "frames";

/// How a result is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The rows and nothing else.
    Plain(Format),
    /// Lines of JSON that say what they are: see `frames.rs`.
    Frames,
}

impl Form {
    /// By its name in an address.
    pub(super) fn of_name(name: &str) -> Result<Form, Error> {
        if name == FRAMES {
            return Ok(Form::Frames);
        }
        let names = || Format::ALL.map(Format::name).join(", ");
        let found = Format::ALL.into_iter().find(|format| format.name() == name);
        found
            .map(Form::Plain)
            .ok_or_else(|| Error::new(Kind::Request, format!("format is one of {}, {FRAMES}", names())))
    }
}

/// The media types that are answered, and with what; of those that are as welcome as others, the first.
const ACCEPTED: [(&str, Form); 7] = [
    ("application/json", Form::Plain(Format::Json)),
    ("text/csv", Form::Plain(Format::Csv)),
    ("application/vnd.apache.arrow.stream", Form::Plain(Format::Arrow)),
    ("application/x-ndjson", Form::Plain(Format::Ndjson)),
    ("application/ndjson", Form::Plain(Format::Ndjson)),
    ("application/vnd.apache.parquet", Form::Plain(Format::Parquet)),
    (FRAMES_TYPE, Form::Frames),
];

/// The format of the highest weight, the first of those that are equal; JSON where nothing is asked for. For each format its most specific range counts
/// (RFC 9110, 12.5.1).
pub(super) fn negotiate(headers: &HeaderMap) -> Result<Form, Refusal> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, f32)> = values.flat_map(|value| value.split(',')).filter_map(range).collect();
    if ranges.is_empty() {
        return Ok(Form::Plain(Format::Json));
    }
    let mut best: Option<(f32, usize, Form)> = None;
    for (name, form) in ACCEPTED {
        let group = name.split('/').next().unwrap_or_default();
        let names = [name.to_owned(), format!("{group}/*"), "*/*".to_owned()];
        let found = names.iter().find_map(|name| ranges.iter().position(|(range, _)| range == name));
        let Some((at, weight)) = found.map(|at| (at, ranges[at].1)).filter(|(_, weight)| *weight > 0.0) else {
            continue;
        };
        if best.is_none_or(|(most, first, _)| weight > most || (weight == most && at < first)) {
            best = Some((weight, at, form));
        }
    }
    let names = || ACCEPTED.map(|(name, _)| name).join(", ");
    let refusal = || Error::new(Kind::Request, format!("answers are {}", names()));
    best.map(|(.., form)| form).ok_or_else(|| Refusal(StatusCode::NOT_ACCEPTABLE, refusal()))
}

/// A range of media types and its weight.
fn range(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("q")));
    Some((name, weight.map_or(1.0, |(_, q)| q.trim().parse().unwrap_or(0.0))))
}
