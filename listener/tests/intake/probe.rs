//! The start-up check of sinks: it is reported, and holds up neither intake nor the other sinks.
use super::*;

/// A store that is well and a place beside it whose check ends as it is told, or never.
#[derive(Clone)]
struct Checked {
    store: Store,
    found: Option<Result<(), SinkError>>,
}

impl Sink for Checked {
    fn name(&self) -> &'static str {
        "checked"
    }
    fn role(&self) -> Role {
        Role::Copy
    }
    fn write<'a>(&'a mut self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, SinkError>> {
        self.store.write(batch)
    }
    fn probe(&mut self) -> BoxFuture<'_, Result<(), SinkError>> {
        match self.found.clone() {
            Some(found) => Box::pin(std::future::ready(found)),
            None => Box::pin(std::future::pending()),
        }
    }
}

async fn check(found: Option<Result<(), SinkError>>, problems: &[&str], is_delivered: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (store, copies) = (Store::default(), Store::default());
    let checked = Checked { store: copies.clone(), found };
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(store.clone()), Box::new(checked)];
    let listener =
        Listener::start(config(&folder.path().join("data")), sinks, &tokio::runtime::Handle::current()).unwrap();
    until("the check is told", || listener.health().problems == problems).await;
    send(&address(&listener, "metlog"), (0..50).map(json));
    until("it is stored", || listener.ledger().stored == 50).await;
    if is_delivered {
        until("it is copied", || copies.payloads().len() == 50).await;
    }
    let health = listener.health();
    assert!(health.ok && health.problems == problems, "{health:?}");
    let hurry = async {
        if is_delivered {
            std::future::pending::<()>().await;
        }
    };
    assert_eq!(listener.stop(hurry).await.held, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_check_of_a_sink_finds_is_a_problem_of_health() {
    check(Some(Ok(())), &[], true).await;
    let refused = Err(SinkError::retry("objects cannot be listed: 403"));
    let problem = "checked: start-up check failed: objects cannot be listed: 403";
    // What cannot be listed can be written all the same.
    check(Some(refused), &[problem], true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_never_ends_holds_up_nobody_else() {
    check(None, &[], false).await;
}
