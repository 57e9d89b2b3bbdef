//! Frames of the channel between server and worker: a kind, the number of the request that it belongs to, and bytes.
use std::io::{self, Read, Write};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Kind, number, length.
const HEADER_BYTES: usize = 1 + 4 + 4;

/// Longest payload that a worker takes of its server.
pub(crate) const BYTES_MAX_TO_WORKER: usize = 256 << 20;

/// Longest payload that the server takes of a worker.
pub(crate) const BYTES_MAX_TO_SERVER: usize = 1 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Server: [`super::messages::Setup`], once.
    Setup = 1,
    /// Server: [`super::messages::Query`].
    Query = 2,
    /// Server: the reply to the request of this number.
    Reply = 3,
    /// Server: why that request failed, as text.
    Refusal = 4,
    /// Worker: it takes queries.
    Ready = 16,
    /// Worker: take the hot rows of now; the reply is [`super::messages::Taken`].
    Take = 17,
    /// Worker: rows of a batch ([`super::messages::RowsOf`]); the reply is an Arrow stream.
    Rows = 18,
    /// Worker: bytes of a segment ([`super::messages::BytesOf`]); the reply is they.
    Bytes = 19,
    /// Worker: the senders; the reply is an Arrow stream.
    Senders = 20,
    /// Worker: the result begins ([`super::messages::Begin`]).
    Begin = 21,
    /// Worker: more of the result.
    Body = 22,
    /// Worker: that was all of it ([`super::messages::Done`]).
    Done = 23,
    /// Worker: there is no result, or no more of it ([`super::messages::Failed`]).
    Failed = 24,
    /// Worker: what was read so far ([`crate::Scanned`]).
    Progress = 25,
}

impl Kind {
    const ALL: [Kind; 14] = [
        Kind::Setup,
        Kind::Query,
        Kind::Reply,
        Kind::Refusal,
        Kind::Ready,
        Kind::Take,
        Kind::Rows,
        Kind::Bytes,
        Kind::Senders,
        Kind::Begin,
        Kind::Body,
        Kind::Done,
        Kind::Failed,
        Kind::Progress,
    ];
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) id: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn new(kind: Kind, id: u32, payload: Vec<u8>) -> Frame {
        Frame { kind, id, payload }
    }

    /// With a payload in JSON.
    ///
    /// # Errors
    /// Where it cannot be written so.
    pub(crate) fn json(kind: Kind, id: u32, value: &impl serde::Serialize) -> io::Result<Frame> {
        Ok(Frame { kind, id, payload: serde_json::to_vec(value)? })
    }

    /// Its payload, read from JSON.
    ///
    /// # Errors
    /// Where it is something else.
    pub(crate) fn value<T: serde::de::DeserializeOwned>(&self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.payload)?)
    }

    fn header(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[0] = self.kind as u8;
        header[1..5].copy_from_slice(&self.id.to_le_bytes());
        header[5..].copy_from_slice(&(self.payload.len() as u32).to_le_bytes());
        header
    }
}

/// Kind, number and length, where they make sense.
fn parse(header: [u8; HEADER_BYTES], bytes_max: usize) -> io::Result<(Kind, u32, usize)> {
    let [code, a, b, c, d, length @ ..] = header;
    let kind = Kind::ALL.into_iter().find(|kind| *kind as u8 == code);
    let length = u32::from_le_bytes(length) as usize;
    match kind.filter(|_| length <= bytes_max) {
        Some(kind) => Ok((kind, u32::from_le_bytes([a, b, c, d]), length)),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of kind {code} with {length} bytes"))),
    }
}

/// Writes a frame; blocking.
///
/// # Errors
/// As [`Write::write_all`].
pub(crate) fn write(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    out.write_all(&frame.header())?;
    out.write_all(&frame.payload)
}

/// Reads a frame; blocking.
///
/// # Errors
/// As [`Read::read_exact`], and where it is no frame.
pub(crate) fn read(input: &mut impl Read, bytes_max: usize) -> io::Result<Frame> {
    let mut header = [0; HEADER_BYTES];
    input.read_exact(&mut header)?;
    let (kind, id, length) = parse(header, bytes_max)?;
    let mut payload = vec![0; length];
    input.read_exact(&mut payload)?;
    Ok(Frame { kind, id, payload })
}

/// As [`write`], without blocking.
///
/// # Errors
/// As [`AsyncWriteExt::write_all`].
pub(crate) async fn send(out: &mut (impl AsyncWrite + Unpin), frame: &Frame) -> io::Result<()> {
    out.write_all(&frame.header()).await?;
    out.write_all(&frame.payload).await
}

/// As [`read`], without blocking. After it is cancelled, the channel is of no more use.
///
/// # Errors
/// As [`read`].
pub(crate) async fn receive(input: &mut (impl AsyncRead + Unpin), bytes_max: usize) -> io::Result<Frame> {
    let mut header = [0; HEADER_BYTES];
    input.read_exact(&mut header).await?;
    let (kind, id, length) = parse(header, bytes_max)?;
    let mut payload = vec![0; length];
    input.read_exact(&mut payload).await?;
    Ok(Frame { kind, id, payload })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        for kind in Kind::ALL {
            let frame = Frame::new(kind, 7, b"payload".to_vec());
            let mut bytes = Vec::new();
            write(&mut bytes, &frame).unwrap();
            assert_eq!(read(&mut bytes.as_slice(), 7).unwrap(), frame);
            assert_eq!(read(&mut bytes.as_slice(), 6).unwrap_err().kind(), io::ErrorKind::InvalidData);
            assert_eq!(read(&mut &bytes[..bytes.len() - 1], 7).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert_eq!(read(&mut [0; 9].as_slice(), 7).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
