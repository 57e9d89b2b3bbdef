//! The demo of `metlog up --demo`: a small shop that reports what happens in it through the client library, as any
//! application would.
mod mesh;
mod order;

use metlog::{Client, Config, Destination, Severity};
use metlog_schemas::wire::v1::SigningKey;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Queries to begin with.
pub const QUERIES: [&str; 3] = [
    "select type, logger, count(*) as n from messages group by type, logger order by n desc",
    "select fields['path'] as path, approx_percentile_cont(cast(fields['ms'] as double), 0.95) as p95_ms from messages where type = 'page' group by path order by p95_ms desc",
    "select timestamp, name, count, min, max from metrics where name like 'shop.%' order by timestamp desc, name limit 10",
];

/// Events a second, on average.
const RATE: f64 = 50.0;
/// No wait between events is longer, so that a stop is not waited for.
const WAIT_MAX: Duration = Duration::from_millis(250);
const PATHS: [(&str, f64); 4] = [("/", 18.0), ("/search", 55.0), ("/product", 30.0), ("/cart", 42.0)];
const BROWSERS: [&str; 4] = ["firefox", "chrome", "safari", "curl"];
const ERRORS: [(&str, &str); 3] = [
    ("shop.payments", "payment gateway timed out after 5000 ms"),
    ("shop.search", "index is 312 s behind"),
    ("shop.accounts", "too many attempts from one address"),
];

/// A running demo; it ends when it is dropped.
#[derive(Debug)]
pub struct Demo {
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Demo {
    /// Starts it. `addresses` are what the listener is bound to; `key` is one that it takes.
    ///
    /// # Errors
    /// In words for a human, where there is nowhere to send to.
    pub fn start(addresses: &[(String, String)], key: Option<&SigningKey>) -> Result<Demo, String> {
        let client = Client::new(client_config(addresses, key)?).map_err(|error| format!("--demo: {error}"))?;
        let client = Arc::new(client);
        let mut demo = Demo { end: Arc::default(), threads: Vec::new() };
        let spawn = |name: &str, run: fn(&Client, &AtomicBool)| {
            let (client, end) = (Arc::clone(&client), Arc::clone(&demo.end));
            let thread = std::thread::Builder::new().name(name.into()).spawn(move || run(&client, &end));
            thread.map_err(|error| format!("--demo: {error}"))
        };
        let events = |client: &Client, end: &AtomicBool| {
            Shop { random: StdRng::from_rng(&mut rand::rng()), sessions: 40 }.run(client, end);
        };
        demo.threads = vec![spawn("demo", events)?, spawn("demo-orders", order::run)?];
        if let Some((_, address)) = addresses.iter().find(|(bound, _)| bound == "metlog") {
            let (address, key, end) = (address.clone(), key.cloned(), Arc::clone(&demo.end));
            let thread = std::thread::Builder::new().name("demo-mesh".into());
            let thread = thread.spawn(move || mesh::run(&address, key.as_ref(), &end));
            demo.threads.push(thread.map_err(|error| format!("--demo: {error}"))?);
        }
        Ok(demo)
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn client_config(addresses: &[(String, String)], key: Option<&SigningKey>) -> Result<Config, String> {
    let find = |name: &str| addresses.iter().find(|(bound, _)| bound == name).map(|(_, address)| reachable(address));
    let metlog: Destination = find("metlog").ok_or("--demo: no listener.metlog to send to")?.as_str().into();
    let config = Config::default().destinations([metlog]).logger("shop.web").default_type("page");
    let config = match find("statsd") {
        Some(statsd) => config.statsd_destination(statsd.as_str()),
        None => config.statsd(false),
    };
    Ok(match key {
        Some(key) => config.key(key.id.clone(), key.secret.clone()),
        None => config,
    })
}

/// An address that is bound, as one that can be sent to.
pub(crate) fn reachable(bound: &str) -> String {
    match bound.rsplit_once(':') {
        _ if bound.starts_with('/') => format!("unix:{bound}"),
        Some(("0.0.0.0", port)) => format!("127.0.0.1:{port}"),
        Some(("[::]", port)) => format!("[::1]:{port}"),
        _ => bound.to_owned(),
    }
}

struct Shop {
    random: StdRng,
    sessions: i64,
}

impl Shop {
    fn run(&mut self, client: &Client, end: &AtomicBool) {
        while !end.load(Ordering::Relaxed) {
            match self.random.random_range(0..100) {
                0..80 => self.page(client),
                80..92 => self.login(client),
                92..98 => self.checkout(client),
                _ => self.error(client),
            }
            self.sessions = (self.sessions + self.random.random_range(-1..=1)).clamp(1, 200);
            client.gauge("shop.sessions", self.sessions);
            std::thread::sleep(self.wait());
        }
    }

    /// Events of independent people: exponential, so that some come close together.
    fn wait(&mut self) -> Duration {
        let share: f64 = self.random.random_range(f64::EPSILON..1.0);
        Duration::from_secs_f64(-share.ln() / RATE).min(WAIT_MAX)
    }

    /// Milliseconds as servers take them: log-normal, with a long tail.
    fn milliseconds(&mut self, median: f64) -> f64 {
        let normal: f64 = (0..12).map(|_| self.random.random::<f64>()).sum::<f64>() - 6.0;
        median * (0.6 * normal).exp()
    }

    /// Few people come often: the square makes low numbers frequent.
    fn user(&mut self) -> u64 {
        (self.random.random::<f64>().powi(2) * 500.0) as u64
    }

    fn page(&mut self, client: &Client) {
        let (path, median) = PATHS[self.random.random_range(0..PATHS.len())];
        let (user, ms) = (self.user(), self.milliseconds(median));
        let status = if self.random.random_bool(0.03) { 404 } else { 200 };
        let (payload, ms_text) = (format!("GET {path} {status}"), format!("{ms:.1}"));
        let browser = BROWSERS[self.random.random_range(0..BROWSERS.len())];
        client
            .message(&payload)
            .of_type("page")
            .tokens(&[browser, if status == 200 { "ok" } else { "missing" }])
            .field("path", path)
            .field("user", user)
            .field("status", status)
            .field("ms", ms_text.as_str())
            .send();
        client.incr("shop.pages");
        client.timing("shop.page", Duration::from_secs_f64(ms / 1e3));
        client.set("shop.visitors", user);
    }

    fn login(&mut self, client: &Client) {
        let (user, is_refused) = (self.user(), self.random.random_bool(0.08));
        let (outcome, severity) = if is_refused { ("refused", Severity::WARNING) } else { ("ok", Severity::default()) };
        client
            .message(if is_refused { "wrong password" } else { "signed in" })
            .of_type("login")
            .logger("shop.accounts")
            .severity(severity)
            .tokens(&["browserid", "login", outcome])
            .field("user", user)
            .send();
        client.incr(if is_refused { "shop.logins.refused" } else { "shop.logins.ok" });
    }

    fn checkout(&mut self, client: &Client) {
        let items: u64 = self.random.random_range(1..6);
        let cents: u64 = (0..items).map(|_| self.random.random_range(199..7_999)).sum();
        let (user, ms) = (self.user(), self.milliseconds(180.0));
        let payload = format!("{items} items for {}.{:02}", cents / 100, cents % 100);
        client
            .message(&payload)
            .of_type("checkout")
            .logger("shop.payments")
            .tokens(&["checkout", "card"])
            .field("user", user)
            .field("items", items)
            .field("cents", cents)
            .send();
        client.count("shop.revenue_cents", cents as i64);
        client.timing("shop.checkout", Duration::from_secs_f64(ms / 1e3));
    }

    fn error(&mut self, client: &Client) {
        let (logger, payload) = ERRORS[self.random.random_range(0..ERRORS.len())];
        let user = self.user();
        client.message(payload).of_type("error").logger(logger).severity(Severity::ERROR).field("user", user).send();
        client.incr("shop.errors");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_tells_of_all_that_happens_in_it() {
        let (destination, captured) = Destination::capture();
        let client = Client::new(Config::default().destination(destination).statsd(false)).unwrap();
        let mut shop = Shop { random: StdRng::seed_from_u64(7), sessions: 1 };
        for _ in 0..3 {
            shop.page(&client);
            shop.login(&client);
            shop.checkout(&client);
            shop.error(&client);
        }
        assert!(client.flush());
        let types: Vec<String> = captured.messages().into_iter().map(|message| message.r#type).collect();
        assert_eq!(types, ["page", "login", "checkout", "error"].repeat(3));
    }

    #[test]
    fn times_scatter_around_their_median() {
        let mut shop = Shop { random: StdRng::seed_from_u64(7), sessions: 1 };
        let mut times: Vec<f64> = (0..2_001).map(|_| shop.milliseconds(40.0)).collect();
        times.sort_by(f64::total_cmp);
        assert!((35.0..45.0).contains(&times[1_000]), "{}", times[1_000]);
        assert!(times[1_980] > 100.0, "{}", times[1_980]);
        assert!((0..1_000).all(|_| shop.wait() <= WAIT_MAX && shop.user() < 500));
    }

    #[test]
    fn bound_addresses_become_ones_to_send_to() {
        for (bound, reached) in [
            ("0.0.0.0:5565", "127.0.0.1:5565"),
            ("[::]:5565", "[::1]:5565"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("/run/m.sock", "unix:/run/m.sock"),
        ] {
            assert_eq!(reachable(bound), reached);
        }
        assert!(client_config(&[("statsd".into(), "127.0.0.1:1".into())], None).is_err());
    }
}
