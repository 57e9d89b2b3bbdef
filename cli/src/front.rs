//! The addresses that show anything: bound, with TLS and authentication where they are configured.
use crate::access::{Access, protect};
use crate::commands::up::not_bound;
use crate::config::Config;
use crate::failure::Failure;
use crate::holder::Protocol;
use axum::Router;
use metlog_listener::{Limits, Listener, Tls};
use metlog_query::{Pool, Rights};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Addresses that are bound, and not served yet.
pub struct Front {
    http: Vec<(SocketAddr, TcpListener)>,
    flight: Vec<(SocketAddr, TcpListener)>,
    tls: Option<Tls>,
    access: Arc<Access>,
}

impl Front {
    /// Binds `query.listen` and `query.flight`.
    ///
    /// # Errors
    /// An address that is not free, and a certificate that cannot be used.
    pub async fn bind(config: &Config) -> Result<Front, Failure> {
        let load = |files: &crate::config::TlsFiles| Tls::load(&files.certificate, &files.key);
        let tls = config.access.tls.as_ref().map(load).transpose();
        let tls = tls.map_err(|error| Failure::failed(format!("access.tls: {error}")))?;
        let http = bind("query.listen", "--http", &config.query.listen).await?;
        let flight = bind("query.flight", "", &config.query.flight).await?;
        let front = Front { http, flight, tls, access: Access::new(&config.access, &config.listener.hostname) };
        front.warn_of_plain_text(config);
        Ok(front)
    }

    /// Where it is bound: at least one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.http.iter().map(|(address, _)| *address).collect()
    }

    /// Where Flight SQL is bound.
    pub fn flight_addresses(&self) -> Vec<SocketAddr> {
        self.flight.iter().map(|(address, _)| *address).collect()
    }

    /// Serves Zipkin's read API where its clients send, to whoever may read here.
    pub fn serve_zipkin(&self, config: &Config, listener: &Listener, pool: &Arc<Pool>) {
        let bound = listener.addresses().into_iter().filter(|(key, _)| key == "zipkin");
        let bound: Vec<SocketAddr> = bound.filter_map(|(_, address)| address.parse().ok()).collect();
        let is_open = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        let open = bound.iter().find(is_open);
        let Some(address) = open.or(bound.first()) else { return };
        if open.is_some() && !config.access.is_required() && !config.access.insecure {
            tracing::warn!("spans are taken at {address} and not shown there: configure [access] first");
            return;
        }
        let routes = metlog_query::zipkin::router(Arc::clone(pool));
        listener.serve_zipkin_reads(protect(&self.access, routes, *address, false));
    }

    /// Serves these routes and, where there is a pool, Flight SQL, until what it gives is dropped.
    pub fn serve(self, routes: &Router, pool: Option<Arc<Pool>>) -> JoinSet<()> {
        let mut servers = JoinSet::new();
        let is_tls = self.tls.is_some();
        for (address, listener) in self.http {
            let routes = protect(&self.access, routes.clone(), address, is_tls);
            servers.spawn(metlog_listener::serve(
                listener,
                routes,
                "query.listen",
                Limits::default(),
                self.tls.clone(),
            ));
        }
        let Some(pool) = pool else { return servers };
        for (address, listener) in self.flight {
            let access = Arc::clone(&self.access);
            let begin_session = Arc::new(move |rights: &Rights| access.begin_session(rights.clone()).0);
            let routes = metlog_query::flight_router(Arc::clone(&pool), begin_session);
            let routes = protect(&self.access, routes, address, is_tls);
            let tls = self.tls.clone();
            servers.spawn(metlog_listener::serve_grpc(listener, routes, "query.flight", Limits::default(), tls));
        }
        servers
    }

    /// Passwords should not cross a network as they are.
    fn warn_of_plain_text(&self, config: &Config) {
        let is_open = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        let is_encrypted = self.tls.is_some() || !config.access.trusted_proxies.is_empty();
        let addresses = self.addresses().into_iter().chain(self.flight_addresses());
        if let Some(address) = addresses.into_iter().find(is_open)
            && config.access.is_required()
            && !is_encrypted
        {
            tracing::warn!("passwords and tokens go to {address} unencrypted: configure [access.tls]");
        }
    }
}

async fn bind(key: &str, flag: &str, addresses: &[SocketAddr]) -> Result<Vec<(SocketAddr, TcpListener)>, Failure> {
    let mut bound = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| not_bound(key, flag, Protocol::Tcp, *address, &error))?;
        bound.push((listener.local_addr().map_err(Failure::failed)?, listener));
    }
    Ok(bound)
}
