//! A service that passes trace contexts on: `cargo run -p metlog --example trace_context -- 127.0.0.1:8123`.
//!
//! It takes what the W3C's suite for trace context sends, `POST /test` with `[{"url": …, "arguments": […]}]`, and posts the
//! arguments to each URL, within a span and with the headers that carry it. One request at a time, over plain HTTP.
use metlog::{Context, Format, Kind};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Largest body that is read.
const BODY_BYTES_MAX: u64 = 1 << 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8123".to_owned());
    let _guard = metlog::init(metlog::Config::default().logger("trace_context").with_env()?)?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);
    for connection in listener.incoming() {
        std::thread::spawn(move || {
            if let Err(error) = connection.map_err(Into::into).and_then(serve) {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

fn serve(connection: TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut headers: Vec<(String, String)> = Vec::new();
    loop {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line)?;
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, value)| value.parse::<u64>().ok()).unwrap_or(0).min(BODY_BYTES_MAX);
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;

    let parent = Context::extract(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let span = metlog::span_of(parent.as_ref(), "POST /test");
    span.kind(Kind::Server);
    let calls: Value = serde_json::from_slice(&body).unwrap_or_default();
    for call in calls.as_array().into_iter().flatten() {
        let url = call["url"].as_str().unwrap_or_default();
        if let Err(error) = post(url, &call["arguments"].to_string()) {
            span.error(&error);
        }
    }
    drop(span);
    let mut connection = connection;
    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    Ok(())
}

fn post(url: &str, body: &str) -> Result<(), Box<dyn std::error::Error>> {
    let span = metlog::span("POST");
    span.kind(Kind::Client).attribute("url.full", url);
    let rest = url.strip_prefix("http://").ok_or("only http:// URLs")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut request = format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n");
    request += &format!("Content-Length: {}\r\nConnection: close\r\n", body.len());
    span.context().inject(Format::W3c, |name, value| request += &format!("{name}: {value}\r\n"));
    let mut connection = TcpStream::connect(host)?;
    connection.write_all(format!("{request}\r\n{body}").as_bytes())?;
    connection.read_to_end(&mut Vec::new())?;
    Ok(())
}
