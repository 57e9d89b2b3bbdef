//! Bodies of requests, read while there is memory for them.
use super::submit::{Room, Submit, Unavailable};
use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures::StreamExt;

/// What is asked for where a request does not say how long it is.
const FIRST_BYTES: usize = 64 << 10;

/// Why there is no body.
#[derive(Debug)]
pub enum Unread {
    /// It is longer than allowed.
    TooLong,
    /// The connection ended or stalled.
    Broken(String),
    /// There is no memory for it now.
    Unavailable(Unavailable),
}

impl From<Unavailable> for Unread {
    fn from(unavailable: Unavailable) -> Unread {
        Unread::Unavailable(unavailable)
    }
}

/// Reads a body of at most `bytes_max`. What it takes up is `factor` times its length, taken before it is read.
///
/// # Errors
/// [`Unread`].
pub async fn read(
    submit: &Submit,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
    factor: usize,
) -> Result<(Vec<u8>, Room), Unread> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > bytes_max) {
        return Err(Unread::TooLong);
    }
    let expected = length.unwrap_or(FIRST_BYTES);
    let mut room = submit.begin(expected * factor)?;
    let mut bytes = Vec::with_capacity(expected);
    let mut frames = body.into_data_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| Unread::Broken(error.to_string()))?;
        if bytes.len() + frame.len() > bytes_max {
            return Err(Unread::TooLong);
        }
        if bytes.len() + frame.len() > bytes.capacity() {
            // It grows to twice what it was.
            room.reach((2 * bytes.capacity()).max(bytes.len() + frame.len()) * factor)?;
        }
        bytes.extend_from_slice(&frame);
    }
    Ok((bytes, room))
}
