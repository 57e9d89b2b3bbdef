//! Orders of the demo's shop, as the services that take part see them: spans that lie in each other, one order at a time.
//! Their times are real: the services are pauses of this thread.
use metlog::{Client, Kind};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// From one order to the next, in ms.
const PAUSES: std::ops::Range<u64> = 300..1_500;
/// No wait is longer, so that a stop is not waited for.
const WAIT_MAX: Duration = Duration::from_millis(100);

/// Places orders until `end`.
pub(super) fn run(client: &Client, end: &AtomicBool) {
    let mut random = StdRng::from_rng(&mut rand::rng());
    while !end.load(Ordering::Relaxed) {
        place(client, &mut random, 1.0);
        let mut left = Duration::from_millis(random.random_range(PAUSES));
        while !left.is_zero() && !end.load(Ordering::Relaxed) {
            let wait = left.min(WAIT_MAX);
            std::thread::sleep(wait);
            left -= wait;
        }
    }
}

/// One order; `pace` is 1 for times as services take them, and 0 for none.
fn place(client: &Client, random: &mut StdRng, pace: f64) {
    let items: u64 = random.random_range(1..6);
    let request = client.span("POST /checkout");
    request.kind(Kind::Server).attribute("http.route", "/checkout").attribute("items", items);
    work(random, 4.0, pace);
    for _ in 0..items.min(3) {
        let query = client.span("select stock");
        query.kind(Kind::Client).service("shop.stock").attribute("db.system", "postgresql");
        work(random, 6.0, pace);
    }
    let is_refused = {
        let call = client.span("POST /authorise");
        call.kind(Kind::Client).attribute("peer.service", "shop.payments");
        let served = client.span("POST /authorise");
        served.kind(Kind::Server).service("shop.payments");
        work(random, 45.0, pace);
        let is_refused = random.random_bool(0.06);
        if is_refused {
            served.event("gateway timed out").error("no answer of the payment gateway");
        }
        is_refused
    };
    let (payload, status) = if is_refused { ("order refused", 502) } else { ("order placed", 200) };
    request.attribute("http.response.status_code", status);
    if is_refused {
        request.error("payment failed");
    }
    // It carries the ids of the request's span.
    client.message(payload).of_type("order").logger("shop.web").field("items", items).send();
}

/// Takes a time around this median, in ms.
fn work(random: &mut StdRng, median: f64, pace: f64) {
    let share: f64 = random.random_range(0.3..1.7);
    std::thread::sleep(Duration::from_secs_f64(median * share * pace / 1e3));
}

#[cfg(test)]
mod tests {
    use super::*;
    use metlog::{Config, Destination};

    #[test]
    fn an_order_is_one_trace_and_its_message_carries_the_ids() {
        let (destination, captured) = Destination::capture();
        let client = Client::new(Config::default().destination(destination).statsd(false).logger("shop.web")).unwrap();
        place(&client, &mut StdRng::seed_from_u64(7), 0.0);
        assert!(client.flush());
        let spans = captured.spans();
        assert!(spans.len() >= 4, "{spans:?}");
        assert!(spans.iter().all(|span| span.trace_id == spans[0].trace_id));
        assert_eq!(spans.iter().filter(|span| span.parent_span_id == "0000000000000000").count(), 1);
        let message = captured.messages().remove(0);
        assert!(message.fields.contains(&("trace_id".to_owned(), spans[0].trace_id.clone())), "{message:?}");
    }
}
