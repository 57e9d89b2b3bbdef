//! The page over a listener that is made up: what everybody sees, what a reader of some loggers does not, and what an
//! empty installation shows. With SQL it is tested in a browser, `xtask/system/page`.
use crate::live::{Ledger, Live, LiveRows, Rejected, Sender, Sink, Status};
use crate::{Site, router};
use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use futures::stream::{self, BoxStream, StreamExt};
use metlog_query::Rights;
use std::sync::Arc;
use tower::ServiceExt;

/// A listener that is in this state.
struct Fake(Status);

impl Live for Fake {
    fn status(&self) -> Status {
        self.0.clone()
    }

    fn senders(&self) -> Vec<Sender> {
        let of = |logger: &str| Sender {
            logger: logger.to_owned(),
            hostname: format!("host-of-{logger}"),
            lost: 3,
            ..Sender::default()
        };
        vec![of("sync"), of("browserid")]
    }

    fn rejected(&self) -> Vec<Rejected> {
        vec![Rejected { reason: "not_json".to_owned(), text: "{secret of browserid".to_owned(), ..Rejected::default() }]
    }

    fn subscribe(&self) -> BoxStream<'static, LiveRows> {
        stream::empty().boxed()
    }
}

fn busy() -> Status {
    let ledger = Ledger {
        received: 1_234_567,
        stored: 1_234_000,
        held: 560,
        rejected: [("not_json".to_owned(), 7)].into(),
        ..Ledger::default()
    };
    let sinks = vec![Sink { name: "parquet".to_owned(), ..Sink::default() }];
    Status { ok: true, ledger, sinks, ..Status::default() }
}

/// The response to a request of somebody.
async fn get(status: Status, rights: Option<Rights>, path: &str) -> (StatusCode, String, String) {
    let live = Arc::new(Fake(status)) as Arc<dyn Live>;
    let site = Site::new(None, Some(live), None, "file:///warehouse".to_owned());
    let router = router(site);
    let router = match rights {
        Some(rights) => router.layer(Extension(rights)),
        None => router,
    };
    let response = router.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, policy, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn the_overview_says_where_every_message_is() {
    let (status, policy, page) = get(busy(), Some(Rights::everything()), "/").await;
    assert_eq!((status, policy.as_str()), (StatusCode::OK, crate::headers::PAGE_POLICY));
    for text in ["Good", "1,234,567", "1,234,560", "1,234,000", "560", "parquet", "host-of-browserid"] {
        assert!(page.contains(text), "{text}: {page}");
    }
    assert!(!page.contains("Nothing has arrived yet") && page.ends_with("</main></body></html>"));
    let (_, _, page) = get(busy(), Some(Rights::everything()), "/overview/rejected").await;
    assert!(page.contains("not_json") && page.contains("{secret"));
}

#[tokio::test]
async fn an_empty_installation_shows_commands_for_its_addresses() {
    let addresses = [("metlog", "127.0.0.1:5565"), ("statsd", "127.0.0.1:8125")];
    let addresses = addresses.map(|(name, address)| (name.to_owned(), address.to_owned())).into();
    let (_, _, page) = get(Status { ok: true, addresses, ..Status::default() }, Some(Rights::everything()), "/").await;
    for text in ["metlog send --to 127.0.0.1:5565", "&gt; /dev/udp/127.0.0.1/8125", "metlog::init", "metlog replay"] {
        assert!(page.contains(text), "{text}: {page}");
    }
}

/// Attack: a reader of one logger looks for what others sent.
#[tokio::test]
async fn a_reader_of_one_logger_sees_no_counts_of_others() {
    let sync = || Some(Rights::reader("jo", Some(vec!["sync".to_owned()])));
    let (_, _, page) = get(busy(), sync(), "/").await;
    assert!(page.contains("host-of-sync"));
    for text in ["browserid", "1,234,567", "1,234,000", "not_json", "parquet"] {
        assert!(!page.contains(text), "{text}: {page}");
    }
    let (_, _, page) = get(busy(), sync(), "/overview/rejected").await;
    assert!(!page.contains("secret") && !page.contains("not_json"), "{page}");
}

#[tokio::test]
async fn a_request_that_nobody_vouches_for_is_refused() {
    for path in [
        "/",
        "/reports",
        "/explore",
        "/explore/result?sql=select+1",
        "/explore/export?sql=select+1",
        "/overview/rejected",
    ] {
        let (status, _, body) = get(busy(), None, path).await;
        assert_eq!((status, body.contains("1,234")), (StatusCode::UNAUTHORIZED, false), "{path}");
    }
}

#[tokio::test]
async fn without_sql_what_needs_it_says_so() {
    let (status, _, page) = get(busy(), Some(Rights::everything()), "/explore?sql=select+1").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains("there is no SQL here"), "{page}");
    let (status, _, page) = get(busy(), Some(Rights::everything()), "/reports/nothing").await;
    assert!(status == StatusCode::NOT_FOUND && page.contains("There is no such report"));
}

#[tokio::test]
async fn assets_are_compressed_and_kept() {
    let router = || router(Site::new(None, None, None, String::new()));
    let address = crate::assets::address("page.js");
    let ask =
        |coding: &'static str| Request::get(&address).header("accept-encoding", coding).body(Body::empty()).unwrap();
    let packed = router().oneshot(ask("br, gzip;q=0.5")).await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    let plain = router().oneshot(ask("identity")).await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let missing =
        router().oneshot(Request::get("/assets/0/..%2fCargo.toml").body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}
