//! Scribe: `Log` over framed Thrift in the binary protocol. OK when all entries are on disk, TRY_LATER when none is.
use super::{Failed, Kind, REQUEST_BYTES_MAX, take};
use crate::intake::inflate::Encoding;
use crate::intake::server::{Server, Service, Stream};
use crate::intake::submit::Submit;
use futures::FutureExt;
use metlog_schemas::format::scribe;
use metlog_schemas::format::thrift::write::{Writer, call, code};
use metlog_schemas::format::thrift::{Binary, Call, Error, Kind as Type, Protocol};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// As it is registered.
pub static SCRIBE: Server =
    Server { key: "scribe", name: "listener.scribe", default_port: 1463, service: |submit| service(submit) };

/// The same at the port of Milo's collectors.
pub static MILO: Server =
    Server { key: "milo", name: "listener.milo", default_port: 2100, service: |submit| service(submit) };

/// Longest wait for the next call.
const IDLE: Duration = Duration::from_secs(600);
/// Longest time in which a call that has begun must arrive, and in which its reply must be taken.
const WHOLE: Duration = Duration::from_secs(30);
/// Results of `Log`.
const OK: i32 = 0;
const TRY_LATER: i32 = 1;
/// Of an exception of Thrift.
const UNKNOWN_METHOD: i32 = 1;
const PROTOCOL_ERROR: i32 = 7;

const LOG: Kind = Kind {
    code: scribe::CODE,
    unreadable: "scribe_unreadable",
    to_journal: |bytes| match scribe::is_list(&bytes) {
        true => Ok(bytes),
        false => Err("it is no list of log entries".to_owned()),
    },
};

fn service(submit: Submit) -> Service {
    Service::Stream(Arc::new(move |stream, peer| {
        let submit = submit.clone();
        async move {
            if let Err(error) = serve(stream, peer, submit).await {
                tracing::debug!("listener.scribe from {peer}: {error}");
            }
        }
        .boxed()
    }))
}

/// Serves one call after the other.
async fn serve(mut stream: Stream, peer: SocketAddr, submit: Submit) -> std::io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u32()).await else { return Ok(()) };
        let length = match length {
            Ok(length) => length as usize,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        if length > REQUEST_BYTES_MAX {
            submit.refuse(LOG.unreadable, Some(peer), b"");
            return Err(std::io::Error::other(format!("a frame of {length} bytes is too long")));
        }
        // Without memory for it what comes is passed by, so that the reply finds its call.
        let Ok(mut room) = submit.begin(64 << 10) else {
            let head = timeout(WHOLE, pass(&mut stream, length)).await??;
            reply(&mut stream, &head, Reply::Result(TRY_LATER)).await?;
            continue;
        };
        let frame = timeout(WHOLE, read(&mut stream, length, &mut room)).await??;
        let Some(frame) = frame else { return Err(std::io::Error::other("there is no memory for the call")) };
        let (reply_with, head) = match method(&frame) {
            Err(error) => {
                submit.refuse(LOG.unreadable, Some(peer), &frame[..frame.len().min(256)]);
                return Err(std::io::Error::other(error.reason()));
            }
            Ok(Method::Unknown) => (Reply::Exception(UNKNOWN_METHOD, "unknown method"), frame),
            Ok(Method::Log { start, end }) => {
                let list = frame[start..end].to_vec();
                let with = match take(&submit, LOG, Encoding::Identity, list, Some(peer), room).await {
                    // What is refused for good is counted, and would be refused again.
                    Ok(_) => Reply::Result(OK),
                    Err(Failed::Unavailable(_)) => Reply::Result(TRY_LATER),
                    Err(Failed::Invalid(_) | Failed::TooLong) => Reply::Exception(PROTOCOL_ERROR, "bad arguments"),
                };
                (with, frame)
            }
        };
        reply(&mut stream, &head, reply_with).await?;
    }
}

/// Bytes of a call that are kept where the rest is passed by: its head.
const HEAD_BYTES: usize = 256;

async fn pass(stream: &mut Stream, length: usize) -> std::io::Result<Vec<u8>> {
    let mut head = vec![0; length.min(HEAD_BYTES)];
    stream.read_exact(&mut head).await?;
    let mut left = length - head.len();
    let mut some = [0; 4096];
    while left > 0 {
        let wanted = left.min(some.len());
        left -= stream.read_exact(&mut some[..wanted]).await?;
    }
    Ok(head)
}

/// Reads a frame, as memory is granted for what has come; `None` where there is none.
async fn read(
    stream: &mut Stream,
    length: usize,
    room: &mut crate::intake::submit::Room,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut frame = Vec::new();
    while frame.len() < length {
        let step = (length - frame.len()).min(frame.len().max(16 << 10));
        if room.reach(3 * (frame.len() + step)).is_err() {
            return Ok(None);
        }
        let at = frame.len();
        frame.resize(at + step, 0);
        stream.read_exact(&mut frame[at..]).await?;
    }
    Ok(Some(frame))
}

enum Method {
    /// Where the list of entries lies in the frame.
    Log {
        start: usize,
        end: usize,
    },
    Unknown,
}

fn method(frame: &[u8]) -> Result<Method, Error> {
    let mut from = Binary::new(frame);
    if from.call()?.name != b"Log" {
        return Ok(Method::Unknown);
    }
    let mut last = 0;
    while let Some((id, kind)) = from.field(&mut last)? {
        let start = frame.len() - from.rest().len();
        from.skip(kind)?;
        if (id, kind) == (1, Type::List) {
            return Ok(Method::Log { start, end: frame.len() - from.rest().len() });
        }
    }
    Err(Error::Malformed)
}

enum Reply {
    Result(i32),
    Exception(i32, &'static str),
}

/// Replies to a call, in the form that it has.
async fn reply(stream: &mut Stream, frame: &[u8], with: Reply) -> std::io::Result<()> {
    let Ok(Call { name, sequence, .. }) = Binary::new(frame).call() else {
        return Err(std::io::Error::other("the call has no head"));
    };
    let is_strict = frame.first().is_some_and(|first| first & 0x80 != 0);
    let mut writer = Writer::default();
    writer.i32(0);
    match with {
        Reply::Result(result) => {
            writer.call(name, call::REPLY, sequence, is_strict).field(code::I32, 0).i32(result);
        }
        Reply::Exception(kind, text) => {
            writer.call(name, call::EXCEPTION, sequence, is_strict);
            writer.field(code::BYTES, 1).string(text.as_bytes()).field(code::I32, 2).i32(kind);
        }
    }
    let mut bytes = writer.stop().bytes.split_off(0);
    let length = (bytes.len() - 4) as u32;
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    timeout(WHOLE, stream.write_all(&bytes)).await?
}
