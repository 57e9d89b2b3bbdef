//! `PingNode` over gRPC, as agents of the older system call it: a new connection for each.
use super::outcome::{Outcome, Single};
use super::socket::wall_nanos;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

/// The service of the older system, with its package.
pub const SERVICE: &str = "message.WorkerService";
/// Its method.
pub const PATH: &str = "/message.WorkerService/PingNode";

/// What is asked.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PingMsg {
    /// Who asks.
    #[prost(string, tag = "1")]
    pub host_addr: String,
}

/// The response.
#[derive(Clone, PartialEq, prost::Message)]
pub struct PingMsgResp {
    /// Always true.
    #[prost(bool, tag = "1")]
    pub is_success: bool,
}

/// Calls it, and says what became of that.
pub async fn ping(to: SocketAddr, timeout: Duration, late: Duration) -> Single {
    let sent_at = i64::try_from(wall_nanos() / 1_000).unwrap_or(i64::MAX);
    let single = Single { sent_at, source_late: late, ..Single::default() };
    let started = Instant::now();
    match tokio::time::timeout(timeout, call(to)).await {
        Ok(Ok(true)) => Single { outcome: Outcome::Received, rtt: Some(started.elapsed()), ..single },
        Ok(_) => Single { outcome: Outcome::Refused, ..single },
        Err(_) => single,
    }
}

async fn call(to: SocketAddr) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
    let channel = Endpoint::from_shared(format!("http://{to}"))?.connect().await?;
    let mut client = Grpc::new(channel);
    client.ready().await?;
    let request = tonic::Request::new(PingMsg { host_addr: to.to_string() });
    let codec = ProstCodec::<PingMsg, PingMsgResp>::default();
    let response = client.unary(request, PathAndQuery::from_static(PATH), codec).await?;
    Ok(response.into_inner().is_success)
}
