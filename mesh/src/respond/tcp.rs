//! What listens on TCP. The first bytes say what it is: a probe is told what the kernel knows of its connection, HTTP/2 goes to
//! gRPC, and HTTP/1 gets an empty response.
use super::grpc;
use crate::probe::tcp::{GREETING, RESPONSE_BYTES};
use crate::probe::tcp_info::tcp_info;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

/// Connections at a time; others wait in the kernel.
const CONNECTIONS_MAX: usize = 512;
/// A connection that says nothing for so long is closed.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Connections that wait for gRPC.
const GRPC_WAITING_MAX: usize = 64;
/// Longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 8_192;

/// Responds for ever.
pub async fn respond(listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (to_grpc, connections) = mpsc::channel(GRPC_WAITING_MAX);
    tokio::join!(grpc::serve(connections), async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let to_grpc = to_grpc.clone();
                    tokio::spawn(async move {
                        let _ = timeout(SILENCE_MAX, one(stream, to_grpc)).await;
                        drop(place);
                    });
                }
                // Too many files, say: the next one may do.
                Err(error) => {
                    tracing::warn!("mesh: a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    });
}

async fn one(mut stream: TcpStream, to_grpc: Sender<TcpStream>) -> io::Result<()> {
    // Before anything was sent: what was sent again are SYN-ACKs.
    let retransmits = tcp_info(&stream)?.retransmits;
    let mut first = [0; GREETING.len()];
    while stream.peek(&mut first).await? < first.len() {
        // Nobody sends three bytes and then waits but who means ill: the time is bounded.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    match &first {
        &GREETING => {
            stream.read_exact(&mut first).await?;
            let mut response = [0; RESPONSE_BYTES];
            response[..4].copy_from_slice(&GREETING);
            response[4..].copy_from_slice(&retransmits.to_le_bytes());
            stream.write_all(&response).await?;
            // The prober ends it.
            let _ = stream.read(&mut first).await;
            Ok(())
        }
        b"PRI " => to_grpc.send(stream).await.map_err(|_| io::ErrorKind::BrokenPipe.into()),
        b"GET " | b"HEAD" => http(stream).await,
        _ => Ok(()),
    }
}

/// Reads one request, and says that the node is there.
async fn http(mut stream: TcpStream) -> io::Result<()> {
    let (mut head, mut part) = (Vec::new(), [0; 1_024]);
    while !head.windows(4).any(|four| four == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut part).await? {
            0 => return Ok(()),
            read => head.extend_from_slice(&part[..read]),
        }
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await?;
    stream.shutdown().await
}
