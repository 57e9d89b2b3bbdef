//! Scripts, styles and images, as they are in the binary: compressed once, under an address that changes with them.
//!
//! All lie below one folder that is named by the hash of all of them. So modules import each other by their plain names,
//! and a browser keeps each file for ever.
use crate::site::Site;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::sync::{LazyLock, OnceLock};

/// A year, the longest that browsers honour.
const CACHE: &str = "public, max-age=31536000, immutable";

/// Digits of the folder's name.
const HASH_DIGITS: usize = 16;

struct Asset {
    name: &'static str,
    plain: &'static [u8],
    packed: OnceLock<Bytes>,
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        static ASSETS: [Asset; [$($name),*].len()] = [$(Asset {
            name: $name,
            plain: include_bytes!(concat!("../assets/", $name)),
            packed: OnceLock::new(),
        }),*];
    };
}

assets! {
    "page.css",
    "page.js",
    "time.js",
    "chart.js",
    "live.js",
    "messages.js",
    "visible.js",
    "explore.js",
    "traces.js",
    "icon.svg",
    "vendor/uplot.js",
    "vendor/uplot.css",
    "vendor/editor.js",
    "vendor/LICENSES.txt",
}

/// Below which all assets are.
static FOLDER: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in &ASSETS {
        hash.update(asset.name.len().to_le_bytes());
        hash.update(asset.name);
        hash.update(asset.plain.len().to_le_bytes());
        hash.update(asset.plain);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("/assets/{}", &digits[..HASH_DIGITS])
});

/// The address of an asset.
pub(crate) fn address(name: &str) -> String {
    debug_assert!(ASSETS.iter().any(|asset| asset.name == name), "{name} is an asset");
    format!("{}/{name}", *FOLDER)
}

pub(crate) fn router() -> Router<Site> {
    Router::new().route("/assets/{hash}/{*name}", get(serve)).route("/favicon.ico", get(icon))
}

/// Browsers ask for it by themselves where a response is no document.
async fn icon(headers: HeaderMap) -> Response {
    respond("icon.svg", &headers)
}

async fn serve(Path((_, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    // Whatever the hash: a page of the version before, still open, gets the nearest there is.
    respond(&name, &headers)
}

fn respond(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "no such file").into_response();
    };
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type(name))),
        (header::CACHE_CONTROL, HeaderValue::from_static(CACHE)),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_packed =
        accepted.split(',').any(|coding| coding.split(';').next().is_some_and(|name| name.trim() == "gzip"));
    if is_packed && let Some(packed) = asset.packed() {
        return (fixed, [(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))], packed).into_response();
    }
    (fixed, Bytes::from_static(asset.plain)).into_response()
}

impl Asset {
    fn packed(&self) -> Option<Bytes> {
        if let Some(packed) = self.packed.get() {
            return Some(packed.clone());
        }
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        let packed = packer.write_all(self.plain).and_then(|()| packer.finish()).ok()?;
        Some(self.packed.get_or_init(|| Bytes::from(packed)).clone())
    }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
