//! `PingNode` over gRPC, as agents of the older system call it.
use crate::probe::grpc::{PingMsg, PingMsgResp, SERVICE};
use futures::future::BoxFuture;
use std::convert::Infallible;
use std::task::{Context, Poll};
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic_prost::ProstCodec;

/// The service: it says yes to whoever asks.
#[derive(Debug, Clone)]
struct Worker;

impl NamedService for Worker {
    const NAME: &'static str = SERVICE;
}

struct PingNode;

impl UnaryService<PingMsg> for PingNode {
    type Response = PingMsgResp;
    type Future = std::future::Ready<Result<tonic::Response<PingMsgResp>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<PingMsg>) -> Self::Future {
        std::future::ready(Ok(tonic::Response::new(PingMsgResp { is_success: true })))
    }
}

impl Service<http::Request<tonic::body::Body>> for Worker {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            if !request.uri().path().ends_with("/PingNode") {
                return Ok(tonic::Status::unimplemented("there is PingNode").into_http());
            }
            let codec = ProstCodec::<PingMsgResp, PingMsg>::default();
            Ok(Grpc::new(codec).unary(PingNode, request).await)
        })
    }
}

/// Serves connections that begin as HTTP/2 does, for ever.
pub async fn serve(connections: Receiver<TcpStream>) {
    let incoming = futures::stream::unfold(connections, |mut connections| async move {
        connections.recv().await.map(|stream| (Ok::<_, std::io::Error>(stream), connections))
    });
    let server = tonic::transport::Server::builder().add_service(Worker);
    if let Err(error) = server.serve_with_incoming(incoming).await {
        tracing::error!("mesh: gRPC: {error}");
    }
}
