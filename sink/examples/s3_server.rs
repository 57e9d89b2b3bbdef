//! An S3 server that checks signatures (s3s-fs), for tests that need one in a process of its own:
//!
//!     s3_server FOLDER
//!
//! Its buckets are the folders in FOLDER; `key` and `secret` are its credentials. It prints its address, then a line for
//! each request, and ends when its standard input does.
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use std::convert::Infallible;
use std::error::Error;
use std::io::{Read, Write};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("s3_server FOLDER")?;
    let files = FileSystem::new(folder).map_err(|error| format!("{error:?}"))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single("key", "secret"));
    let service = service.build();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, service.clone()));
        }
    });
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}

async fn serve(stream: TcpStream, service: S3Service) {
    let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let service = service.clone();
        // Whoever started it may not want to know.
        let _ = writeln!(std::io::stdout(), "{} {}", request.method(), request.uri());
        async move {
            let answered = service.call(request.map(Body::from)).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|_| Response::new(Body::empty())))
        }
    });
    let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
}
