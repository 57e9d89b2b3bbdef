//! The pipe without a client around it.
use super::*;
use crate::config::Config;
use crate::destination::Destination;

fn push(pipe: &Pipe, payload: &str) -> Outcome {
    let draft = Draft { payload, r#type: "test", ..Draft::default() };
    pipe.push(Some(0), draft, std::iter::empty, std::iter::empty)
}

fn pipe(config: Config) -> Arc<Pipe> {
    Pipe::start(&config.settings().unwrap(), 0)
}

#[test]
fn everything_queued_is_sent_in_order_and_numbered() {
    let (destination, captured) = Destination::capture();
    let pipe = pipe(Config::default().destination(destination).statsd(false));
    for i in 0..1_000 {
        assert_eq!(push(&pipe, &i.to_string()), Outcome::Queued);
    }
    assert!(pipe.flush(Duration::from_secs(10)));
    let payloads: Vec<String> = captured.messages().into_iter().map(|message| message.payload).collect();
    assert!(payloads.iter().map(String::as_str).eq((0..1_000).map(|i| i.to_string()).collect::<Vec<_>>()));
    let datagrams = captured.datagrams();
    let sequences = datagrams.iter().map(|bytes| metlog_wire::v1::Datagram::decode(bytes).unwrap().header.sequence);
    assert!(sequences.eq(0..datagrams.len() as u64));
    assert_eq!(pipe.stats(), Stats { queued: 1_000, datagrams: datagrams.len() as u64, ..Stats::default() });
    assert!(pipe.close(Duration::from_secs(10)));
    assert_eq!(push(&pipe, "late"), Outcome::Off);
}

/// Scenario: nobody flushes and nobody closes.
/// Guarantees: the sender thread finds a single message by itself, also after it went to sleep.
#[test]
fn messages_leave_by_themselves() {
    let (destination, captured) = Destination::capture();
    let pipe = pipe(Config::default().destination(destination).statsd(false));
    for round in 1..=3 {
        assert_eq!(push(&pipe, "alone"), Outcome::Queued);
        wait_until(|| captured.messages().len() == round);
        wait_until(|| pipe.lock().control.asleep);
    }
    pipe.close(Duration::from_secs(10));
}

/// The promise to the user.
const LEAVES_WITHIN: Duration = Duration::from_millis(100);
/// For the kernel and this thread, which are no part of the promise.
const MARGIN: Duration = Duration::from_millis(10);

/// Scenario: a message comes right after the sender thread has looked, or while it sleeps; both make it wait longest.
/// Guarantees: it arrives within the promised time. The best of ten tries counts, so that a busy machine does not
/// fail the test, but a sender thread that looks too seldom does.
#[test]
fn a_message_leaves_within_the_promised_time() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let pipe = pipe(Config::default().destination(socket.local_addr().unwrap()).statsd(false));
    let mut buffer = [0; 2_048];
    for asleep in [false, true] {
        let tries = (0..10).map(|_| {
            wait_until(|| !asleep || pipe.lock().control.asleep);
            let begun = std::time::Instant::now();
            assert_eq!(push(&pipe, "soon"), Outcome::Queued);
            let mut length = socket.recv(&mut buffer).unwrap();
            while is_heartbeat(&buffer[..length]) {
                length = socket.recv(&mut buffer).unwrap();
            }
            begun.elapsed()
        });
        let best = tries.min().unwrap();
        assert!(best < LEAVES_WITHIN + MARGIN, "{best:?} at best, asleep: {asleep}");
    }
    pipe.close(Duration::from_secs(10));
}

#[test]
fn an_oversize_message_is_counted_and_reported() {
    let (destination, captured) = Destination::capture();
    let pipe = pipe(Config::default().destination(destination).statsd(false));
    assert_eq!(push(&pipe, &"x".repeat(2_000)), Outcome::Oversize);
    assert_eq!(push(&pipe, "fits"), Outcome::Queued);
    assert!(pipe.flush(Duration::from_secs(10)));
    let header = |bytes: &[u8]| metlog_wire::v1::Datagram::decode(bytes).map(|datagram| datagram.header.dropped);
    assert_eq!(captured.datagrams().iter().map(|bytes| header(bytes)).collect::<Vec<_>>(), [Ok(1)]);
    assert_eq!(push(&pipe, &"x".repeat(2_000)), Outcome::Oversize);
    assert!(pipe.close(Duration::from_secs(10)));
    assert_eq!(captured.datagrams().last().map(|bytes| header(bytes)), Some(Ok(2)), "carried without a message");
    assert_eq!((pipe.stats().dropped, pipe.stats().oversize), (2, 2));
}

/// Scenario: the sender thread cannot come (here: it ended early), and callers go on.
/// Guarantees: an outcome, a count, no panic and no wait.
#[test]
fn without_a_sender_thread_messages_are_dropped() {
    let (state, sender) = drain::prepare(&Config::default().settings().unwrap(), Origin::of_this_process());
    let (wake, done, filtered) = Default::default();
    let pipe = Pipe { generation: 0, state: Mutex::new(state), wake, done, filtered };
    drop(sender);
    pipe.ended();
    assert_eq!(push(&pipe, "x"), Outcome::Dropped);
    assert_eq!(pipe.push_statsd(&["a:1|c"]), Outcome::Dropped);
    assert_eq!(pipe.stats().dropped, 2);
    assert!(!pipe.flush(Duration::from_secs(10)) && !pipe.close(Duration::from_secs(10)));
}

/// Scenario: the queue is full, since nobody takes anything out.
/// Guarantees: the memory is that of the configuration, and what does not fit is counted.
#[test]
fn a_full_queue_drops_and_counts() {
    let config = Config::default().queue_bytes(64 << 10).statsd(false);
    let (state, _sender) = drain::prepare(&config.settings().unwrap(), Origin::of_this_process());
    let (wake, done, filtered) = Default::default();
    let pipe = Pipe { generation: 0, state: Mutex::new(state), wake, done, filtered };
    let payload = "x".repeat(100);
    let queued = (0..1_000).filter(|_| push(&pipe, &payload) == Outcome::Queued).count();
    assert!((400..600).contains(&queued), "{queued} messages of some 110 bytes in 64 KiB");
    let stats = pipe.stats();
    assert_eq!((stats.queued, stats.dropped), (queued as u64, 1_000 - queued as u64));
    assert_eq!(pipe.lock().messages.as_ref().map(|lane| lane.full.len()), Some((64 << 10) / 1_432 - 2));
    assert!(pipe.lock().control.urgent, "the sender thread was called");
}

/// Scenario: a caller's `AsRef` panics while its message is being written.
/// Guarantees: the others' messages are whole.
#[test]
fn a_panicking_caller_harms_nobody() {
    let (destination, captured) = Destination::capture();
    let pipe = pipe(Config::default().destination(destination).statsd(false));
    push(&pipe, "before");
    let panicking =
        || ["whole", "half"].iter().map(|&token| if token == "half" { panic!("on purpose") } else { token });
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pipe.push(Some(0), Draft::default(), panicking, std::iter::empty);
    }));
    assert!(result.is_err());
    push(&pipe, "after");
    assert!(pipe.close(Duration::from_secs(10)));
    assert!(captured.messages().into_iter().map(|message| message.payload).eq(["before", "after"]));
}

#[test]
fn many_callers_share_one_pipe() {
    let (destination, captured) = Destination::capture();
    let pipe = pipe(Config::default().destination(destination.clone()).statsd_destination(destination));
    let queued: usize = std::thread::scope(|scope| {
        let caller = |_| {
            let pipe = &pipe;
            scope.spawn(move || {
                let both = |_: &usize| {
                    push(pipe, "message") == Outcome::Queued && pipe.push_statsd(&["name:1|c"]) == Outcome::Queued
                };
                (0..500).filter(both).count()
            })
        };
        let callers: Vec<_> = (0..4).map(caller).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(pipe.close(Duration::from_secs(10)));
    assert_eq!((queued, captured.messages().len(), captured.statsd_lines().len()), (2_000, 2_000, 2_000));
}

fn is_heartbeat(bytes: &[u8]) -> bool {
    metlog_wire::v1::Datagram::decode(bytes).unwrap().heartbeat.is_some()
}

fn wait_until(condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}
