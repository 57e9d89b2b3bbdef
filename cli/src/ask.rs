//! Requests to a running server: what `query`, `status` and `tail` have in common.
use crate::arguments::ServerOptions;
use crate::config;
use crate::config::PORT_QUERY;
use crate::failure::Failure;
use reqwest::{Client, RequestBuilder, Response, Url};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for a connection; how long an answer may take is the server's business.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the state of a server may take.
const SOON: Duration = Duration::from_secs(20);

/// A server that may be running.
#[derive(Debug)]
pub struct Server {
    base: Url,
    client: Client,
    token: Option<String>,
}

impl Server {
    /// The server that is meant; it is not asked yet.
    ///
    /// # Errors
    /// A configuration or an address that is wrong.
    pub fn of(options: &ServerOptions) -> Result<Server, Failure> {
        let mut ca_file = options.ca_file.clone().or_else(|| std::env::var_os("METLOG_CA_FILE").map(PathBuf::from));
        let address = match &options.server {
            Some(address) => address.trim_end_matches('/').to_owned(),
            None => {
                let config = config::look_into(options.config.as_deref())?;
                let scheme = if config.access.tls.is_some() { "https" } else { "http" };
                // Whoever reads the server's own configuration may trust its certificate.
                ca_file = ca_file.or(config.access.tls.map(|tls| tls.certificate));
                let first = config.query.listen.first().copied();
                format!("{scheme}://{}", reachable(first.unwrap_or(SocketAddr::from(([127, 0, 0, 1], PORT_QUERY)))))
            }
        };
        let url = if address.contains("://") { format!("{address}/") } else { format!("http://{address}/") };
        let base = Url::parse(&url)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| Failure::usage(format!("--server: `{address}` is no host and port")))?;
        // A proxy of the environment is for the internet, not for this.
        let mut client = Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT);
        if base.scheme() == "https" {
            for certificate in ca_file.as_deref().map(certificates).transpose()?.into_iter().flatten() {
                client = client.add_root_certificate(certificate);
            }
        }
        let token = options
            .access_token
            .clone()
            .or_else(|| std::env::var("METLOG_TOKEN").ok())
            .filter(|token| !token.is_empty());
        Ok(Server { base, client: client.build().map_err(Failure::failed)?, token })
    }

    /// Its address, for messages.
    pub fn address(&self) -> &str {
        self.base.authority()
    }

    /// A GET of `path` with these parameters.
    ///
    /// # Errors
    /// Where nobody answers. An answer may still be an error: see [`Server::text`].
    pub async fn get(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Response, Failure> {
        let mut url = self.url(path);
        if !pairs.is_empty() {
            url.query_pairs_mut().extend_pairs(pairs);
        }
        self.ask(self.client.get(url)).await
    }

    /// As [`Server::get`], for what is never long in coming.
    ///
    /// # Errors
    /// Where nobody answers, or not soon.
    pub async fn get_soon(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Response, Failure> {
        let mut url = self.url(path);
        url.query_pairs_mut().extend_pairs(pairs);
        self.ask(self.client.get(url).timeout(SOON)).await
    }

    /// A POST to `path` with a JSON body.
    ///
    /// # Errors
    /// As for [`Server::get`].
    pub async fn post(&self, path: &str, body: &serde_json::Value, accept: &str) -> Result<Response, Failure> {
        self.ask(self.client.post(self.url(path)).header("accept", accept).json(body)).await
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    async fn ask(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let request = self.token.iter().fold(request, |request, token| request.bearer_auth(token));
        request.send().await.map_err(|error| {
            let address = self.address();
            if error.is_connect() {
                return Failure::failed(format!("nothing answers at {address}: is `metlog up` running there?"));
            }
            Failure::failed(format!("{address}: {}", innermost(&error)))
        })
    }

    /// The body of a response that went wrong, as a failure with the server's own words.
    pub async fn refusal(&self, response: Response) -> Failure {
        self.refusal_at(response, Place::default()).await
    }

    /// Likewise, of a query that began at a place of its file.
    pub async fn refusal_at(&self, response: Response, place: Place) -> Failure {
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        let error = serde_json::from_str::<serde_json::Value>(&body).unwrap_or_default()["error"].take();
        let Some(message) = error["message"].as_str() else {
            return Failure::failed(format!("{}: {status}: {}", self.address(), body.trim()));
        };
        match (error["line"].as_u64(), error["column"].as_u64()) {
            (Some(line), Some(column)) => Failure::failed(format!("{}: {message}", place.plus(line, column))),
            _ => Failure::failed(message),
        }
    }
}

/// Where a text begins in a larger one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Lines before it.
    pub lines: u64,
    /// Characters before it in its first line.
    pub columns: u64,
}

impl Place {
    /// A line and a column of the text, counted from 1, as `line:column` of the larger one.
    pub fn plus(self, line: u64, column: u64) -> String {
        let before = if line == 1 { self.columns } else { 0 };
        format!("{}:{}", line + self.lines, column + before)
    }
}

/// The words of the error that caused all others.
pub fn innermost(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).last().map(ToString::to_string).unwrap_or_default()
}

fn certificates(file: &Path) -> Result<Vec<reqwest::Certificate>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("{}: {error}", file.display()));
    let pem = std::fs::read(file).map_err(|error| failed(&error))?;
    reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| failed(&error))
}

/// An address that is listened on, as one that can be connected to.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A runtime for a command that makes one request.
///
/// # Errors
/// Where the system has no room for one.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str) -> Result<Server, Failure> {
        Server::of(&ServerOptions { server: Some(address.to_owned()), ..ServerOptions::default() })
    }

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for address in ["127.0.0.1:5580", "http://127.0.0.1:5580/", "127.0.0.1:5580/"] {
            assert_eq!(server(address).unwrap().address(), "127.0.0.1:5580");
        }
        assert_eq!(server("not an address").unwrap_err().parts().0, 2);
        assert_eq!(reachable("0.0.0.0:7".parse().unwrap()), "127.0.0.1:7".parse().unwrap());
        assert_eq!(reachable("[::]:7".parse().unwrap()), "[::1]:7".parse().unwrap());
    }

    #[test]
    fn nobody_there_is_said_in_words() {
        // Bound and let go again: nobody listens there.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = server(&free.to_string()).unwrap();
        let failure = runtime().unwrap().block_on(server.get("/health", &[])).unwrap_err();
        assert_eq!(failure.parts(), (1, format!("nothing answers at {free}: is `metlog up` running there?").as_str()));
    }
}
