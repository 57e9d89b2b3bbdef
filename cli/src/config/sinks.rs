//! The sections `[sink.graphite]`, `[sink.parquet]` and `[sink.http]`. The Parquet sink is always there; the others
//! are where their address is given.
use super::document::{Section, nearest};
use super::values;
use metlog_schemas::carbon::Naming;
use metlog_sink::http::{UrlTemplate, header};
use metlog_sink::store::{check_option, faults, usual_options};
use metlog_sink::{graphite, http, parquet};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use std::path::Path;
use std::time::Duration;
use toml::de::DeValue;

const KIB: u64 = 1 << 10;
const GIB: u64 = 1 << 30;
/// Where below `data` documents lie that a server refused for good.
const HTTP_SET_ASIDE: &str = "set_aside/http";
/// All that may not stand in the path of a URL as it is, and some that may.
const ESCAPED_IN_PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'_').remove(b'-').remove(b'~');

/// All sinks.
#[derive(Debug, Clone)]
pub struct SinksConfig {
    /// Graphite, where it has an address.
    pub graphite: Option<graphite::Config>,
    /// How series are called in Graphite, whether there is one or not.
    pub naming: Naming,
    /// The warehouse.
    pub parquet: ParquetConfig,
    /// Documents by HTTP, where it has a URL.
    pub http: Option<http::Config>,
}

/// The sink `parquet` and its store.
#[derive(Debug, Clone)]
pub struct ParquetConfig {
    /// `file://`, `s3://`, `gs://` or `az://`.
    pub url: String,
    /// Options of the store, as the object_store crate names them.
    pub options: Vec<(String, String)>,
    /// A segment is stored when it is this old …
    pub roll_after: Duration,
    /// … or this large in bytes.
    pub roll_bytes: u64,
    /// How objects are written.
    pub objects: parquet::Config,
}

/// Reads all of them. `data` holds the warehouse unless a URL says otherwise; `environment` are the variables that
/// a remote store is opened with; without them it is not tried.
pub fn read(sink: &mut Section<'_>, data: &Path, environment: Option<&[(String, String)]>) -> SinksConfig {
    let (graphite, naming) = graphite(sink.section("graphite"));
    SinksConfig {
        naming,
        graphite,
        parquet: parquet(sink.section("parquet"), data, environment),
        http: http(sink.section("http"), data),
    }
}

/// The sink, where there is an address, and how names are built, which reading has in common with it.
fn graphite(mut section: Section<'_>) -> (Option<graphite::Config>, Naming) {
    const PROTOCOLS: &[(&str, graphite::Protocol)] =
        &[("plaintext", graphite::Protocol::Plaintext), ("pickle", graphite::Protocol::Pickle)];
    let address = section.read("address", values::destination);
    let mut config = graphite::Config::new(address.clone().unwrap_or_default());
    config.protocol = section.read("protocol", values::choice(PROTOCOLS)).unwrap_or_default();
    config.prefix = section.read("prefix", graphite_prefix).unwrap_or_default();
    config.legacy_namespace = section.read("legacy_namespace", values::boolean).unwrap_or(false);
    section.finish();
    let naming = Naming { prefix: config.prefix.clone(), legacy_namespace: config.legacy_namespace };
    (address.map(|_| config), naming)
}

fn graphite_prefix(value: &DeValue<'_>) -> Result<String, String> {
    let prefix = values::any_text(value)?;
    if prefix.contains(|c: char| c.is_whitespace() || c.is_control() || c == ';') {
        return Err("must not contain blanks or semicolons: it becomes part of a Graphite path".to_owned());
    }
    if prefix.replace("{hostname}", "").contains(['{', '}']) {
        return Err("may contain {hostname} and no other braces".to_owned());
    }
    Ok(prefix)
}

fn parquet(mut section: Section<'_>, data: &Path, environment: Option<&[(String, String)]>) -> ParquetConfig {
    let roll_bounds = Duration::from_millis(100)..=Duration::from_secs(86_400);
    let mut objects = parquet::Config::default();
    let level = section.read("compression_level", values::integer(1..=22));
    objects.compression_level = level.map_or(objects.compression_level, |level| level as i32);
    let url = section.read("url", store_url).unwrap_or_else(|| file_url(&data.join("warehouse")));
    let option = |key: &str, text: &str| {
        check_option(&url, key).map_err(|error| {
            let hint = nearest(&key.to_ascii_lowercase(), &usual_options(&url));
            let hint = hint.map_or_else(String::new, |name| format!(", did you mean `{name}`?"));
            format!("{error}{hint}")
        })?;
        pair(key, text)
    };
    let config = ParquetConfig {
        roll_after: section.read("roll_after", values::duration(roll_bounds)).unwrap_or(Duration::from_secs(60)),
        roll_bytes: section.read("roll_bytes", values::size(64 * KIB..=GIB)).unwrap_or(64 << 20),
        options: section.texts("options", option),
        objects,
        url,
    };
    // What only the store's own client knows: values it cannot read, and what is missing.
    let tried = environment.map(|environment| faults(&config.url, &config.options, environment));
    for fault in tried.unwrap_or_default() {
        match fault.option {
            Some(option) => section.problem_in("options", &option, fault.message),
            None => section.problem("url", fault.message),
        }
    }
    section.finish();
    config
}

fn pair(key: &str, text: &str) -> Result<(String, String), String> {
    Ok((key.to_owned(), text.to_owned()))
}

/// The URL of a folder; what a URL cannot hold is escaped.
fn file_url(folder: &Path) -> String {
    format!("file://{}", percent_encode(folder.as_os_str().as_encoded_bytes(), ESCAPED_IN_PATH))
}

fn store_url(value: &DeValue<'_>) -> Result<String, String> {
    let url = values::text(value)?;
    match url.split_once("://") {
        Some(("file", path)) if path.starts_with('/') => Ok(url),
        Some(("file", _)) => Err("a file URL has three slashes and a whole path: file:///var/lib/metlog".to_owned()),
        Some(("s3" | "gs" | "az", bucket)) if !bucket.is_empty() && !bucket.starts_with('/') => Ok(url),
        _ => Err(format!("must be file:///folder, s3://bucket/prefix, gs://… or az://…, not `{url}`")),
    }
}

fn http(mut section: Section<'_>, data: &Path) -> Option<http::Config> {
    let url = section.read("url", |value| UrlTemplate::parse(&values::text(value)?));
    let nowhere = UrlTemplate::parse("http://localhost/{uuid}").ok()?;
    let mut config = http::Config::new(url.clone().unwrap_or(nowhere), data.join(HTTP_SET_ASIDE));
    let timeout_bounds = Duration::from_millis(100)..=Duration::from_secs(600);
    config.headers = section.texts("headers", |name, value| header(name, value).and_then(|_| pair(name, value)));
    config.bearer_token = section.read("bearer_token", |value| {
        let token = values::text(value)?;
        header("authorization", &token).map_err(|_| "has a character that no header can hold".to_owned())?;
        Ok(token)
    });
    config.gzip = section.read("gzip", values::boolean).unwrap_or(config.gzip);
    let typed = |read: Option<u64>, default: usize| read.map_or(default, |number| number as usize);
    config.batch_messages =
        typed(section.read("batch_messages", values::integer(1..=1_000_000)), config.batch_messages);
    config.batch_bytes = typed(section.read("batch_bytes", values::size(KIB..=GIB)), config.batch_bytes);
    config.in_flight = typed(section.read("in_flight", values::integer(1..=256)), config.in_flight);
    config.timeout = section.read("timeout", values::duration(timeout_bounds)).unwrap_or(config.timeout);
    section.finish();
    url.map(|_| config)
}
