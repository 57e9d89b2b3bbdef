//! Compressed requests: inflated step by step, so that a few bytes cannot become more than a request may have.
use super::submit::{Room, Unavailable};
use flate2::bufread::{MultiGzDecoder, ZlibDecoder};
use std::io::Read;

/// Bytes that are inflated before the next are asked for.
const STEP_BYTES: usize = 256 << 10;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// `gzip`
    Gzip,
    /// `deflate`: zlib.
    Deflate,
}

impl Encoding {
    /// By the name in a header; `None` for one that is not known.
    pub fn of_name(name: &str) -> Option<Encoding> {
        match name.trim() {
            "" | "identity" => Some(Encoding::Identity),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "deflate" => Some(Encoding::Deflate),
            _ => None,
        }
    }
}

/// Why a body was not inflated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It is longer than allowed.
    TooLong,
    /// It is not what its encoding says.
    Invalid(String),
    /// There is no memory for it now.
    Unavailable(Unavailable),
}

/// A body as it was before it was compressed. Its bytes are added to what `room` is for.
///
/// # Errors
/// [`Refused`].
pub fn inflate(encoding: Encoding, body: Vec<u8>, bytes_max: usize, room: &mut Room) -> Result<Vec<u8>, Refused> {
    match encoding {
        Encoding::Identity if body.len() > bytes_max => Err(Refused::TooLong),
        Encoding::Identity => Ok(body),
        Encoding::Gzip => read(MultiGzDecoder::new(&body[..]), body.len(), bytes_max, room),
        Encoding::Deflate => read(ZlibDecoder::new(&body[..]), body.len(), bytes_max, room),
    }
}

fn read(mut decoder: impl Read, held: usize, bytes_max: usize, room: &mut Room) -> Result<Vec<u8>, Refused> {
    let mut inflated = Vec::new();
    loop {
        // A vector that grows may take twice what it holds.
        room.reach(held + 2 * (inflated.len() + STEP_BYTES).min(bytes_max)).map_err(Refused::Unavailable)?;
        let step = (&mut decoder).take(STEP_BYTES as u64).read_to_end(&mut inflated);
        match step.map_err(|error| Refused::Invalid(error.to_string()))? {
            0 => return Ok(inflated),
            _ if inflated.len() > bytes_max => return Err(Refused::TooLong),
            _ => (),
        }
    }
}
