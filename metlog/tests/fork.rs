//! A real fork: the child of a process whose other threads are in the middle of a call.
#![allow(clippy::unwrap_used)]
use metlog::{Client, Config, Outcome};
use metlog_wire::v1::Datagram;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FORKS: usize = 30;

/// What a datagram of the child says.
#[derive(Debug, PartialEq)]
struct Seen {
    sender: u64,
    sequence: u64,
    dropped: u64,
    pid: u32,
    hostname: String,
    payloads: Vec<String>,
}

/// The next datagram that is no heartbeat.
fn received(socket: &UdpSocket) -> Seen {
    let mut bytes = [0; 2_048];
    let length = loop {
        let length = socket.recv(&mut bytes).expect("the child's datagram within the time limit");
        if Datagram::decode(&bytes[..length]).unwrap().heartbeat.is_none() {
            break length;
        }
    };
    let datagram = Datagram::decode(&bytes[..length]).unwrap();
    let header = datagram.header;
    let payloads = datagram.messages().map(|message| message.unwrap().payload.to_owned()).collect();
    let (sender, sequence, dropped, pid) = (header.sender, header.sequence, header.dropped, header.pid);
    Seen { sender, sequence, dropped, pid, hostname: header.hostname.into(), payloads }
}

/// Runs `child` in a forked process and gives its pid and exit code.
fn forked(child: impl FnOnce() -> bool) -> (u32, i32) {
    // SAFETY: between `fork` and `_exit` the child only calls the library under test, whose promise to work
    // there is what this file proves, and the allocator, which glibc makes safe in a forked child.
    #[allow(unsafe_code)]
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork failed");
    if pid == 0 {
        let code = i32::from(!child());
        // SAFETY: ends the process at once, without the test harness's own ends.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(code)
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut status = 0;
    // SAFETY: `status` is a live integer, and `pid` a child of ours that nobody else waits for.
    #[allow(unsafe_code)]
    while unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) } == 0 {
        if Instant::now() > deadline {
            // SAFETY: as above; the child hangs, and the test fails below.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(libc::WIFEXITED(status), "the child hung or died: {status:#x}");
    (pid.cast_unsigned(), libc::WEXITSTATUS(status))
}

/// Scenario: threads of the parent put messages in without a pause, so that one of them is likely to hold the
/// queue's lock at the moment of the fork; the child sends, flushes, and forks again.
/// Guarantees: neither child hangs; each has a pid, an identity and sequence numbers of its own, the host's
/// name, and nothing of what its parent had in the queue.
#[test]
fn a_child_sends_as_itself() {
    let listener = UdpSocket::bind("127.0.0.1:0").unwrap();
    listener.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // The parent's datagrams go nowhere, so that all that arrives is a child's.
    let parents = UdpSocket::bind("127.0.0.1:0").unwrap();
    let busy = Client::new(Config::default().destination(parents.local_addr().unwrap()).statsd(false)).unwrap();
    let config = Config::default().destination(listener.local_addr().unwrap()).hostname("web1").statsd(false);
    let quiet = Client::new(config).unwrap();
    let done = AtomicBool::new(false);
    let mut senders = Vec::new();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    busy.send(["parent"], "busy");
                }
            });
        }
        for _ in 0..FORKS {
            let (pid, code) = forked(|| {
                let first = busy.send(["child"], "on the busy client") == Outcome::Queued && busy.flush();
                let second = quiet.send(["child"], "child") == Outcome::Queued && quiet.flush();
                let fresh = quiet.stats().queued == 1;
                let send = || quiet.send(["grandchild"], "grandchild") == Outcome::Queued && quiet.flush();
                first && second && fresh && forked(send).1 == 0
            });
            assert_eq!(code, 0, "the child's answers");
            for (payload, own_pid) in [("child", Some(pid)), ("grandchild", None)] {
                let seen = received(&listener);
                assert_eq!((seen.sequence, seen.dropped, seen.payloads.as_slice()), (0, 0, &[payload.to_owned()][..]));
                assert_eq!(seen.hostname, "web1");
                assert!(own_pid.is_none_or(|pid| pid == seen.pid) && seen.pid != std::process::id());
                senders.push(seen.sender);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(quiet.send(["parent"], "after"), Outcome::Queued);
    drop(quiet);
    let parent = received(&listener);
    assert_eq!((parent.pid, parent.sequence, parent.payloads.len()), (std::process::id(), 0, 1));
    senders.push(parent.sender);
    senders.sort_unstable();
    senders.dedup();
    assert_eq!(senders.len(), 2 * FORKS + 1, "each process has an identity of its own");
}
