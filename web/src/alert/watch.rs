//! Runs rules when they are due, tells the webhook what changed, and keeps the state in a file.
use super::instances::instances;
use super::payload::{Origin, for_alertmanager, webhook};
use super::rule::{Rule, RuleError, read_folder};
use super::state::{Alert, Phase, State};
use crate::parameter;
use crate::range::{Micros, Range};
use arrow::array::RecordBatch;
use futures::future::BoxFuture;
use metlog_query::{Pool, Query, Rights};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How often it is looked whether a rule is due, or a file of a rule has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Longest wait for the webhook.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// Shortest and longest wait after the webhook failed.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A webhook is told again of what is still firing.
const AGAIN: Micros = 4 * 3_600 * 1_000_000;
/// Alertmanager forgets what it is not told again of.
const AGAIN_ALERTMANAGER: Micros = 60 * 1_000_000;
/// For how long it is told that something fires.
const END_ALERTMANAGER: Micros = 4 * AGAIN_ALERTMANAGER;
/// Longest error of a webhook that is shown.
const ERROR_CHARACTERS_MAX: usize = 300;
/// Where an Alertmanager takes alerts itself.
const ALERTMANAGER_PATH: &str = "/api/v2/alerts";

/// Runs SQL.
pub type Ask = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Vec<RecordBatch>, String>> + Send + Sync>;

/// Where rules and state are, and who is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of reports.
    pub rules: PathBuf,
    /// Who is told; nobody if there is none.
    pub webhook: Option<String>,
    /// Sent with each request.
    pub headers: Vec<(String, String)>,
    /// Where this server is reached, for links in alerts, without a slash at its end.
    pub url: String,
    /// The file of the state.
    pub state: PathBuf,
}

/// A rule, and what is known of it: for the page.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Seen {
    /// Name of its file, without `.toml`.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// When it was evaluated last, µs since 1970 UTC.
    pub evaluated: Option<Micros>,
    /// Why it cannot be evaluated.
    pub error: Option<String>,
    /// Its alerts, pending, firing or over.
    pub alerts: Vec<Alert>,
}

/// The alerts of this server. Clones of its `Arc` are the same one.
pub struct Alerts {
    config: Config,
    client: reqwest::Client,
    ask: Ask,
    state: Mutex<State>,
    /// Rules that could be read.
    rules: Mutex<Vec<Rule>>,
    /// Why the webhook did not accept the last request.
    webhook_error: Mutex<Option<String>>,
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").field("rules", &self.config.rules).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Alerts {
    /// Goes on from the state in its file.
    ///
    /// # Errors
    /// Where a header or TLS cannot be set up; in words.
    pub fn new(config: Config, ask: Ask) -> Result<Alerts, String> {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &config.headers {
            let name = reqwest::header::HeaderName::try_from(name.as_str());
            let value = reqwest::header::HeaderValue::try_from(value.as_str());
            let (Ok(name), Ok(mut value)) = (name, value) else {
                return Err("alert.headers: cannot be sent".to_owned());
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        let client = reqwest::Client::builder()
            .default_headers(headers)
            .timeout(WEBHOOK_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("the webhook's client: {error}"))?;
        let state = read_state(&config.state);
        let (rules, webhook_error) = (Mutex::default(), Mutex::default());
        Ok(Alerts { config, client, ask, state: Mutex::new(state), rules, webhook_error })
    }

    /// Evaluates rules for as long as anybody holds the result. Needs a runtime.
    ///
    /// # Errors
    /// As [`Alerts::new`].
    pub fn start(config: Config, pool: Arc<Pool>) -> Result<Arc<Alerts>, String> {
        let ask: Ask = Arc::new(move |sql| {
            let pool = Arc::clone(&pool);
            Box::pin(async move {
                let query = Query::batches(sql, &Rights::everything());
                pool.batches(query).await.map(|found| found.batches).map_err(|error| error.to_string())
            })
        });
        let alerts = Arc::new(Alerts::new(config, ask)?);
        tokio::spawn(evaluate_again_and_again(Arc::downgrade(&alerts)));
        tokio::spawn(tell_again_and_again(Arc::downgrade(&alerts)));
        Ok(alerts)
    }

    /// What is known of each rule.
    pub fn seen(&self) -> Vec<Seen> {
        let seen = |(name, known): (&String, &super::state::OfRule)| Seen {
            rule: name.clone(),
            title: known.title.clone(),
            evaluated: known.evaluated,
            error: known.error.clone(),
            alerts: known.alerts.values().cloned().collect(),
        };
        lock(&self.state).rules.iter().map(seen).collect()
    }

    /// Why the webhook does not accept what it is told.
    pub fn webhook_error(&self) -> Option<String> {
        lock(&self.webhook_error).clone()
    }

    /// Reads the rules, evaluates those that are due, and writes the state where it has changed.
    pub async fn evaluate_due(&self, now: Micros) {
        let folder = self.config.rules.clone();
        let read = tokio::task::spawn_blocking(move || read_folder(&folder)).await;
        let Ok((rules, errors)) = read else { return };
        let before = lock(&self.state).clone();
        {
            let mut state = lock(&self.state);
            let names = rules.iter().map(|rule| rule.name.as_str());
            let names: Vec<&str> = names.chain(errors.iter().map(|error| error.name.as_str())).collect();
            state.keep_rules(&names, now);
            for RuleError { name, message } in &errors {
                let is_known = state.rules.get(name).is_some_and(|known| known.error.as_ref() == Some(message));
                if !is_known {
                    state.failed(name, name, message, now);
                }
            }
        }
        let last = |rule: &Rule| lock(&self.state).rules.get(&rule.name).and_then(|known| known.evaluated);
        // A clock that was set back does not stop a rule.
        let due: Vec<&Rule> =
            rules.iter().filter(|rule| last(rule).is_none_or(|at| !(0..rule.every).contains(&(now - at)))).collect();
        for rule in due {
            let found = (self.ask)(filled(rule, now)).await.and_then(|batches| instances(rule, &batches));
            let mut state = lock(&self.state);
            match found {
                Ok(found) => state.evaluated(rule, found, now),
                Err(why) => state.failed(&rule.name, &rule.title, &why, now),
            }
        }
        *lock(&self.rules) = rules;
        self.save_unless(&before);
    }

    fn save_unless(&self, before: &State) {
        let state = lock(&self.state).clone();
        if state != *before
            && let Err(error) = write_state(&self.config.state, &state)
        {
            tracing::error!(%error, file = %self.config.state.display(), "the state of alerts cannot be written");
        }
    }

    /// Tells the webhook what it does not know. False if it did not accept all of it.
    pub async fn tell(&self, now: Micros) -> bool {
        let Some(url) = self.config.webhook.clone() else { return true };
        let is_alertmanager = url.trim_end_matches('/').ends_with(ALERTMANAGER_PATH);
        let again = if is_alertmanager { AGAIN_ALERTMANAGER } else { AGAIN };
        let before = lock(&self.state).clone();
        let mut is_told = true;
        for (rule, alerts) in before.untold(now, again) {
            let known = before.rules.get(rule);
            let severity = lock(&self.rules).iter().find(|it| it.name == rule).map(|rule| rule.severity.clone());
            let origin = Origin {
                url: self.config.url.clone(),
                rule: rule.to_owned(),
                title: known.map(|known| known.title.clone()).unwrap_or_default(),
                severity: severity.unwrap_or_else(|| "warning".to_owned()),
            };
            let of: Vec<&Alert> = alerts.iter().map(|(_, alert)| *alert).collect();
            let body = match is_alertmanager {
                true => for_alertmanager(&origin, &of, now + END_ALERTMANAGER),
                false => webhook(&origin, &of),
            };
            match self.post(&url, &body).await {
                Ok(()) => {
                    let told: Vec<(String, Phase)> =
                        alerts.iter().map(|(key, alert)| ((*key).clone(), alert.phase)).collect();
                    lock(&self.state).told(rule, &told, now);
                    *lock(&self.webhook_error) = None;
                }
                Err(why) => {
                    tracing::warn!(%why, rule, "the webhook for alerts");
                    *lock(&self.webhook_error) = Some(why);
                    is_told = false;
                    break;
                }
            }
        }
        self.save_unless(&before);
        is_told
    }

    async fn post(&self, url: &str, body: &serde_json::Value) -> Result<(), String> {
        let request = self.client.post(url).header("content-type", "application/json").body(body.to_string());
        let answered =
            request.send().await.map_err(|error| metlog_schemas::error::with_causes(&error.without_url()))?;
        let status = answered.status();
        if status.is_success() {
            return Ok(());
        }
        Err(format!("it answers {status}").chars().take(ERROR_CHARACTERS_MAX).collect())
    }
}

/// The rule's SQL with its parameters.
fn filled(rule: &Rule, now: Micros) -> String {
    let range = Range { from: String::new(), to: String::new(), start: now - rule.window, end: now };
    let mut values = parameter::of_range(&range);
    values.extend(rule.parameters.iter().cloned());
    parameter::fill(&rule.sql, &values).sql
}

fn now() -> Micros {
    chrono::Utc::now().timestamp_micros()
}

async fn evaluate_again_and_again(alerts: Weak<Alerts>) {
    loop {
        let Some(alerts) = alerts.upgrade() else { return };
        alerts.evaluate_due(now()).await;
        drop(alerts);
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn tell_again_and_again(alerts: Weak<Alerts>) {
    let mut wait = BACKOFF.0;
    loop {
        let Some(alerts) = alerts.upgrade() else { return };
        wait = if alerts.tell(now()).await { BACKOFF.0 } else { (wait * 2).min(BACKOFF.1) };
        drop(alerts);
        tokio::time::sleep(wait).await;
    }
}

/// Nothing is known where the file is missing; one that cannot be read is kept beside it.
fn read_state(file: &Path) -> State {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return State::new(),
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "the state of alerts cannot be read");
            return State::new();
        }
    };
    serde_json::from_slice(&text).unwrap_or_else(|error| {
        let aside = file.with_extension("unreadable");
        tracing::error!(%error, file = %file.display(), aside = %aside.display(), "the state of alerts is damaged; it is set aside");
        let _ = std::fs::rename(file, aside);
        State::new()
    })
}

/// Either the old or the new state is there, whatever happens meanwhile.
fn write_state(file: &Path, state: &State) -> std::io::Result<()> {
    let text = serde_json::to_vec(state)?;
    let beside = file.with_extension("new");
    let mut new = std::fs::File::create(&beside)?;
    new.write_all(&text)?;
    new.sync_all()?;
    std::fs::rename(beside, file)
}
