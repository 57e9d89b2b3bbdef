//! The object store of a URL: where the writer puts objects and the reader finds them.
//!
//! The binary opens it once and hands it to both, since neither may know the other.
use metlog_schemas::error::with_causes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Longest wait for a connection to a remote store.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest single request to a remote store, unless the option `timeout` says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// What the store's own client does about a request that failed; patience is the caller's.
const RETRIES_MAX: usize = 2;

/// The supported remote stores.
#[derive(Clone, Copy)]
enum Provider {
    S3,
    Gs,
    Az,
}

/// The provider for a URL scheme.
fn provider_of(scheme: &str) -> Option<Provider> {
    match scheme {
        "s3" | "s3a" => Some(Provider::S3),
        "gs" => Some(Provider::Gs),
        "az" | "abfs" | "abfss" => Some(Provider::Az),
        _ => None,
    }
}

/// Options that every kind has.
const USUAL: &[&str] =
    &["skip_signature", "allow_http", "allow_invalid_certificates", "timeout", "connect_timeout", "proxy_url"];
const S3_USUAL: &[&str] =
    &["region", "endpoint", "access_key_id", "secret_access_key", "session_token", "virtual_hosted_style_request"];
const GS_USUAL: &[&str] = &["service_account", "service_account_key", "application_credentials", "base_url"];
const AZ_USUAL: &[&str] = &[
    "account_name",
    "account_key",
    "sas_token",
    "bearer_token",
    "client_id",
    "client_secret",
    "tenant_id",
    "endpoint",
    "use_emulator",
    "use_azure_cli",
];
/// Options that say where a store is.
const ADDRESSES: &[&str] = &["endpoint", "base_url"];
/// Completes the settings of a store, so that one option can be tried alone.
const COMPLETE: [(&str, &str); 3] =
    [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AZURE_STORAGE_ACCOUNT_NAME", "x")];

/// Where a warehouse lies.
#[derive(Debug, Clone)]
pub struct Store {
    /// The store. For `file://` its root is the folder itself, so nothing outside can be named.
    pub objects: Arc<dyn ObjectStore>,
    /// The warehouse's path within the store.
    pub prefix: Path,
    /// The folder, for `file://`.
    pub folder: Option<PathBuf>,
}

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The text is not a URL, or of an unsupported kind.
    #[error("`{url}` is not file:///folder, s3://bucket/prefix, gs://bucket/prefix or az://container/prefix{detail}")]
    Url {
        /// What was given.
        url: String,
        /// The parser's error, with `: ` before it, or nothing.
        detail: String,
    },
    /// An option that this kind of store does not have.
    #[error("`{scheme}` has no option `{key}`")]
    Option {
        /// The scheme of the URL.
        scheme: String,
        /// The option.
        key: String,
    },
    /// The folder cannot be created.
    #[error("folder `{}`: {error}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// The store's client refuses the configuration.
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

/// A configuration error reported by the store's client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The invalid option; `None`: something is missing, or the URL or the environment is wrong.
    pub option: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Opens the store of `url`; for `file://` the folder is created. A remote store is not contacted.
///
/// `environment` is the process's: the store uses the `AWS_…`, `GOOGLE_…` or `AZURE_…` variables that it knows.
/// `options` come from the configuration. They take precedence over the environment and have the same names in lower
/// case, with or without the prefix: `endpoint`, `region`, `access_key_id`, `allow_http`, `timeout`. An `http://`
/// endpoint implies `allow_http`.
///
/// # Errors
/// For a URL of an unsupported kind, an option unknown to the store, or a folder that cannot be created.
pub fn open_store(
    url: &str,
    options: &[(String, String)],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Store, StoreError> {
    let given = url;
    let wrong = |detail: String| StoreError::Url { url: given.to_owned(), detail };
    let url = Url::parse(given).map_err(|error| wrong(format!(": {error}")))?;
    let prefix = || Path::from_url_path(url.path()).map_err(|error| wrong(format!(": {error}")));
    let client = || ClientOptions::new().with_connect_timeout(CONNECT_TIMEOUT).with_timeout(REQUEST_TIMEOUT);
    let retry = || RetryConfig { max_retries: RETRIES_MAX, retry_timeout: REQUEST_TIMEOUT, ..RetryConfig::default() };
    if url.scheme() == "file" {
        return open_folder(&url, options, wrong);
    }
    let objects: Arc<dyn ObjectStore> = match provider_of(url.scheme()) {
        Some(Provider::S3) => {
            let mut builder = AmazonS3Builder::new().with_client_options(client()).with_retry(retry()).with_url(given);
            for (key, value) in settings::<AmazonS3ConfigKey>("s3", "AWS_", options, environment)? {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build()?)
        }
        Some(Provider::Gs) => {
            let mut builder =
                GoogleCloudStorageBuilder::new().with_client_options(client()).with_retry(retry()).with_url(given);
            for (key, value) in settings::<GoogleConfigKey>("gs", "GOOGLE_", options, environment)? {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build()?)
        }
        Some(Provider::Az) => {
            let mut builder =
                MicrosoftAzureBuilder::new().with_client_options(client()).with_retry(retry()).with_url(given);
            for (key, value) in settings::<AzureConfigKey>("az", "AZURE_", options, environment)? {
                builder = builder.with_config(key, value);
            }
            Arc::new(builder.build()?)
        }
        None => return Err(wrong(String::new())),
    };
    Ok(Store { objects, prefix: prefix()?, folder: None })
}

/// Checks that the store of `url` has this option.
///
/// # Errors
/// [`StoreError::Option`] if it does not.
pub fn check_option(url: &str, key: &str) -> Result<(), StoreError> {
    let scheme = url.split(':').next().unwrap_or_default();
    let name = key.to_ascii_lowercase();
    let known = match provider_of(scheme) {
        Some(Provider::S3) => name.parse::<AmazonS3ConfigKey>().is_ok(),
        Some(Provider::Gs) => name.parse::<GoogleConfigKey>().is_ok(),
        Some(Provider::Az) => name.parse::<AzureConfigKey>().is_ok(),
        None => false,
    };
    let unknown = || StoreError::Option { scheme: scheme.to_owned(), key: key.to_owned() };
    known.then_some(()).ok_or_else(unknown)
}

/// The common options of the store of `url`: candidates for a misspelt name.
pub fn usual_options(url: &str) -> Vec<&'static str> {
    let own = match provider_of(url.split(':').next().unwrap_or_default()) {
        Some(Provider::S3) => S3_USUAL,
        Some(Provider::Gs) => GS_USUAL,
        Some(Provider::Az) => AZ_USUAL,
        None => return Vec::new(),
    };
    [own, USUAL].concat()
}

/// What [`open_store`] would refuse of a remote store, all of it.
///
/// Nothing is asked of the store. Files with credentials are read where an option or a variable names them, and
/// Google's where its tools keep them. Of `file://` nothing is tried, since that would make the folder.
pub fn faults(url: &str, options: &[(String, String)], environment: &[(String, String)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut left = options.to_vec();
    while !url.starts_with("file:")
        && let Some(message) = refused(url, &left, environment)
    {
        let Some(at) = blamed(url, &left, environment, &message) else {
            faults.push(Fault { option: None, message });
            break;
        };
        // Without it the store may still be refused for another reason.
        faults.push(Fault { option: Some(left.remove(at).0), message });
    }
    faults
}

/// Which option is at fault: one that causes the same error alone, such as an invalid value, or one whose removal fixes
/// the error, such as half of a key pair.
fn blamed(url: &str, options: &[(String, String)], environment: &[(String, String)], message: &str) -> Option<usize> {
    let complete: Vec<_> = COMPLETE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let said = |options: &[(String, String)]| refused(url, options, &complete).is_some_and(|said| said == message);
    let without = |at: usize| [&options[..at], &options[at + 1..]].concat();
    let mut places = 0..options.len();
    let alone = if said(&[]) { None } else { places.clone().find(|&at| said(&options[at..=at])) };
    alone.or_else(|| places.find(|&at| refused(url, &without(at), environment).is_none()))
}

/// Why the store cannot be opened: the message of the innermost reporter.
fn refused(url: &str, options: &[(String, String)], environment: &[(String, String)]) -> Option<String> {
    match open_store(url, options, environment.iter().cloned()).err()? {
        StoreError::Store(object_store::Error::Generic { source, .. }) => Some(with_causes(&*source)),
        other => Some(other.to_string()),
    }
}

fn open_folder(
    url: &Url,
    options: &[(String, String)],
    wrong: impl Fn(String) -> StoreError,
) -> Result<Store, StoreError> {
    if let Some((key, _)) = options.first() {
        return Err(StoreError::Option { scheme: "file".into(), key: key.clone() });
    }
    let folder = url.to_file_path().map_err(|()| wrong(String::new()))?;
    let failed = |error| StoreError::Folder { folder: folder.clone(), error };
    std::fs::create_dir_all(&folder).map_err(failed)?;
    let folder = folder.canonicalize().map_err(failed)?;
    let objects = Arc::new(LocalFileSystem::new_with_prefix(&folder)?);
    Ok(Store { objects, prefix: Path::default(), folder: Some(folder) })
}

/// The environment first, so that the configuration's options overwrite it.
fn settings<K: std::str::FromStr + PartialEq>(
    scheme: &str,
    first_word: &str,
    options: &[(String, String)],
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Vec<(K, String)>, StoreError> {
    let known = |(name, value): (String, String)| {
        let key = name.starts_with(first_word).then(|| name.to_ascii_lowercase().parse().ok())?;
        Some((key?, value))
    };
    let mut settings: Vec<(K, String)> = environment.into_iter().filter_map(known).collect();
    for (key, value) in options {
        let wrong = |_| StoreError::Option { scheme: scheme.to_owned(), key: key.clone() };
        settings.push((key.to_ascii_lowercase().parse().map_err(wrong)?, value.clone()));
    }
    allow_plain_http(&mut settings);
    Ok(settings)
}

/// An `http://` endpoint is intentional, but the client would refuse it without `allow_http`. An explicit `allow_http`
/// takes precedence.
fn allow_plain_http<K: std::str::FromStr + PartialEq>(settings: &mut Vec<(K, String)>) {
    let Ok(allow_http) = "allow_http".parse::<K>() else { return };
    let last = |wanted: &K| settings.iter().rfind(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let mut addresses = ADDRESSES.iter().filter_map(|name| name.parse::<K>().ok());
    let is_plain = addresses.any(|key| last(&key).is_some_and(is_plain_http));
    if is_plain && last(&allow_http).is_none() {
        settings.push((allow_http, "true".to_owned()));
    }
}

fn is_plain_http(address: &str) -> bool {
    address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(url: &str, options: &[(&str, &str)]) -> Result<Store, StoreError> {
        let options: Vec<_> = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let environment = [("AWS_REGION", "eu-x"), ("AWS_NO_SUCH_THING", "1"), ("HOME", "/")];
        open_store(url, &options, environment.map(|(key, value)| (key.to_owned(), value.to_owned())))
    }

    #[test]
    fn each_kind_of_url_opens_its_store() {
        let s3 = open("s3://bucket/a/b", &[("access_key_id", "k"), ("secret_access_key", "s")]).unwrap();
        assert_eq!(s3.prefix.as_ref(), "a/b");
        assert!(format!("{:?}", s3.objects).contains("eu-x"), "the environment counts");
        let s3 = open("s3://bucket", &[("region", "us-y"), ("allow_http", "true")]).unwrap();
        assert!(format!("{:?}", s3.objects).contains("us-y"), "the configuration takes precedence");
        assert!(open("az://container/p", &[("account_name", "a")]).is_ok());
        let gs = open("gs://bucket/p", &[("skip_signature", "true")]).unwrap();
        assert_eq!(gs.prefix.as_ref(), "p");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/ware house");
        let local = open(Url::from_file_path(&path).unwrap().as_str(), &[]).unwrap();
        assert!(path.is_dir());
        assert_eq!(local.folder, Some(path.canonicalize().unwrap()));
    }

    /// Guarantees: an endpoint of `http://` works as it is documented, and what is said about `allow_http` counts.
    #[test]
    fn an_endpoint_of_http_implies_that_http_is_allowed() {
        let s3 = |options: &[(&str, &str)], environment: &[(&str, &str)]| -> Vec<(AmazonS3ConfigKey, String)> {
            let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
                pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
            };
            settings("s3", "AWS_", &owned(options), owned(environment)).unwrap()
        };
        let allow: AmazonS3ConfigKey = "allow_http".parse().unwrap();
        let allows = |settings: &[(AmazonS3ConfigKey, String)]| {
            settings.iter().rfind(|(key, _)| *key == allow).map(|(_, value)| value.clone())
        };
        let yes = Some("true".to_owned());
        assert_eq!(allows(&s3(&[("endpoint", "http://127.0.0.1:9000")], &[])), yes);
        assert_eq!(allows(&s3(&[("aws_endpoint", "HTTP://h")], &[])), yes);
        assert_eq!(allows(&s3(&[], &[("AWS_ENDPOINT_URL", "http://h")])), yes);
        assert_eq!(allows(&s3(&[("endpoint", "https://h")], &[("AWS_ENDPOINT", "http://h")])), None);
        assert_eq!(allows(&s3(&[("endpoint", "https://h")], &[])), None);
        assert_eq!(allows(&s3(&[("endpoint", "http://h"), ("allow_http", "false")], &[])), Some("false".to_owned()));
        for (scheme, key) in [("gs", "base_url"), ("az", "endpoint")] {
            assert!(usual_options(&format!("{scheme}://x")).contains(&key));
        }
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        for (url, options, said) in [
            ("ftp://x/y", &[][..], "is not file:///folder"),
            ("warehouse", &[], "relative URL"),
            ("s3://bucket", &[("regoin", "x")], "`s3` has no option `regoin`"),
            ("file:///tmp", &[("region", "x")], "`file` has no option `region`"),
            ("file:///proc/nowhere", &[], "folder `/proc/nowhere`"),
        ] {
            let error = open(url, options).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains(said), "{url}: {error}");
        }
    }

    #[test]
    fn usual_options_are_options() {
        for url in ["s3://b", "gs://b", "az://c"] {
            assert!(!usual_options(url).is_empty());
            for option in usual_options(url) {
                check_option(url, option).unwrap();
            }
        }
    }

    /// What is found wrong, as `option: message`.
    fn found(url: &str, options: &[(&str, &str)], environment: &[(&str, &str)]) -> Vec<String> {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
        };
        let faults = faults(url, &owned(options), &owned(environment)).into_iter();
        faults.map(|fault| format!("{}: {}", fault.option.as_deref().unwrap_or("url"), fault.message)).collect()
    }

    #[test]
    fn faults_are_laid_to_the_option_that_is_wrong() {
        let (id, secret) = (("access_key_id", "k"), ("secret_access_key", "s"));
        assert_eq!(found("s3://b", &[id, secret, ("allow_http", "true"), ("timeout", "5s")], &[]), [""; 0]);
        assert_eq!(found("s3://b", &[id], &[("AWS_SECRET_ACCESS_KEY", "s")]), [""; 0], "the environment counts");
        assert_eq!(found("s3://b", &[id], &[]), ["access_key_id: Missing SecretAccessKey"]);
        assert_eq!(found("s3://b", &[], &[("AWS_ACCESS_KEY_ID", "k")]), ["url: Missing SecretAccessKey"]);
        let mut both = found("s3://b", &[id, ("allow_http", "maybe"), secret, ("timeout", "soon")], &[]);
        both.sort();
        assert_eq!(
            both,
            ["allow_http: failed to parse \"maybe\" as boolean", "timeout: failed to parse \"soon\" as Duration"]
        );
        assert_eq!(found("az://c", &[], &[]), ["url: Account must be specified"]);
        assert_eq!(
            found("az://c", &[("account_name", "a"), ("use_emulator", "?")], &[]),
            ["use_emulator: failed to parse \"?\" as boolean"]
        );
        assert_eq!(found("file:///proc/nowhere", &[], &[]), [""; 0], "no folder is made");
    }
}
