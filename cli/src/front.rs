//! The addresses that show anything: bound, with TLS and authentication where they are configured.
use crate::access::{Access, protect};
use crate::commands::up::not_bound;
use crate::config::Config;
use crate::failure::Failure;
use crate::holder::Protocol;
use axum::Router;
use metlog_listener::{Limits, Listener, Tls};
use metlog_query::Pool;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Addresses that are bound, and not served yet.
pub struct Front {
    http: Vec<(SocketAddr, TcpListener)>,
    tls: Option<Tls>,
    access: Arc<Access>,
}

impl Front {
    /// Binds `query.listen`.
    ///
    /// # Errors
    /// An address that is not free, and a certificate that cannot be used.
    pub async fn bind(config: &Config) -> Result<Front, Failure> {
        let load = |files: &crate::config::TlsFiles| Tls::load(&files.certificate, &files.key);
        let tls = config.access.tls.as_ref().map(load).transpose();
        let tls = tls.map_err(|error| Failure::failed(format!("access.tls: {error}")))?;
        let mut http = Vec::new();
        for address in &config.query.listen {
            let bound = TcpListener::bind(address).await;
            let bound = bound.map_err(|error| not_bound("query.listen", "--http", Protocol::Tcp, *address, &error))?;
            http.push((bound.local_addr().map_err(Failure::failed)?, bound));
        }
        let front = Front { http, tls, access: Access::new(&config.access, &config.listener.hostname) };
        front.warn_of_plain_text(config);
        Ok(front)
    }

    /// Where it is bound: at least one.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.http.iter().map(|(address, _)| *address).collect()
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

    /// Serves these routes until what it gives is dropped.
    pub fn serve(self, routes: &Router) -> JoinSet<()> {
        let mut servers = JoinSet::new();
        for (address, listener) in self.http {
            let routes = protect(&self.access, routes.clone(), address, self.tls.is_some());
            servers.spawn(metlog_listener::serve(
                listener,
                routes,
                "query.listen",
                Limits::default(),
                self.tls.clone(),
            ));
        }
        servers
    }

    /// Passwords should not cross a network as they are.
    fn warn_of_plain_text(&self, config: &Config) {
        let is_open = |address: &SocketAddr| !address.ip().to_canonical().is_loopback();
        let is_encrypted = self.tls.is_some() || !config.access.trusted_proxies.is_empty();
        if let Some(address) = self.addresses().into_iter().find(is_open)
            && config.access.is_required()
            && !is_encrypted
        {
            tracing::warn!("passwords and tokens go to {address} unencrypted: configure [access.tls]");
        }
    }
}
