//! Trains over UDP: one set of sockets for all peers, each with a source port of its own.
use super::outcome::Single;
use super::packet::{self, Head, Kind};
use super::socket::{Event, Stamped, wall_nanos};
use super::train::Train;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long a report is waited for, and how often it is asked for.
const REPORT_WAIT: Duration = Duration::from_millis(250);
const REPORT_TRIES: usize = 3;
/// Probes of a socket whose stamp is still to come.
const UNSTAMPED_MAX: usize = 4_096;

/// What a train is asked to be.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Where to.
    pub to: SocketAddr,
    /// Which of the sockets.
    pub socket: usize,
    /// Probes, 1 to [`packet::TRAIN_MAX`].
    pub count: u8,
    /// Payload of each.
    pub payload_bytes: usize,
    /// How long the last reply is waited for.
    pub timeout: Duration,
    /// How late it is already.
    pub late: Duration,
}

#[derive(Debug)]
struct Running {
    train: Train,
    to: IpAddr,
    news: Arc<Notify>,
}

/// Stamps that a socket's kernel side still owes: see `respond::udp`.
#[derive(Debug, Default)]
struct Unstamped {
    first: u32,
    of: VecDeque<Option<(u64, u8)>>,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<u64, Running>,
    unstamped: Vec<Unstamped>,
    next: u64,
    bytes: Vec<u8>,
}

/// The prober's sockets, and the trains under way.
#[derive(Debug)]
pub struct Prober {
    sockets: Vec<Stamped>,
    state: Mutex<State>,
    identity: u64,
}

impl Prober {
    /// So many sockets, on ports from `first_port` on, or free ones if that is 0.
    ///
    /// # Errors
    /// If one cannot be bound.
    pub fn bind(is_ipv4: bool, first_port: u16, ports: u16) -> io::Result<Arc<Prober>> {
        let ip = if is_ipv4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let port = |nth: u16| if first_port == 0 { 0 } else { first_port.saturating_add(nth) };
        let sockets =
            (0..ports).map(|nth| Stamped::bind(SocketAddr::new(ip, port(nth)))).collect::<io::Result<Vec<_>>>()?;
        let unstamped = sockets.iter().map(|_| Unstamped::default()).collect();
        let state = Mutex::new(State { unstamped, ..State::default() });
        Ok(Arc::new(Prober { sockets, state, identity: rand::random() }))
    }

    /// The source port of a socket.
    pub fn port(&self, socket: usize) -> u16 {
        self.sockets.get(socket).map_or(0, Stamped::port)
    }

    /// Listens on one of the sockets for ever.
    pub async fn listen(self: Arc<Self>, socket: usize) {
        let Some(stamped) = self.sockets.get(socket) else { return };
        loop {
            if let Err(error) = stamped.events(|event| self.take(socket, event)).await {
                tracing::error!("mesh: a prober's socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, socket: usize, event: Event<'_>) {
        let mut state = self.state();
        let state = &mut *state;
        match event {
            Event::Sent(number, stamp) => {
                let of = state.unstamped.get_mut(socket).and_then(|unstamped| unstamped.take(number));
                if let Some((train, number)) = of
                    && let Some(running) = state.running.get_mut(&train)
                {
                    running.train.left(number, stamp);
                }
            }
            Event::Received(bytes, from, stamp) => {
                let Some(head) = packet::read_head(bytes).filter(|head| head.prober == self.identity) else { return };
                if !matches!(head.kind, Kind::Reply | Kind::Report) {
                    return;
                }
                let Some(heard) = packet::read_heard(head, bytes) else { return };
                // Only who was probed may say what became of it.
                let running =
                    state.running.get_mut(&head.train).filter(|running| running.to == from.ip().to_canonical());
                let Some(running) = running else { return };
                if running.train.heard(head, &heard, stamp.unwrap_or_else(wall_nanos), Instant::now()) {
                    running.news.notify_one();
                }
            }
        }
    }

    /// Sends a train, waits for what it comes to, and says so: a [`Single`] for each probe.
    pub async fn round(&self, order: Order) -> Vec<Single> {
        let Some(socket) = self.sockets.get(order.socket) else { return Vec::new() };
        let news = Arc::new(Notify::new());
        let head = self.send(socket, &order, &news);
        let started = Instant::now();
        let _ = tokio::time::timeout(order.timeout, news.notified()).await;
        // Woken late, this host must not count as lost what lies in its sockets.
        let late = order.late.max(started.elapsed().saturating_sub(order.timeout));
        tokio::task::yield_now().await;
        for _ in 0..REPORT_TRIES {
            self.query(socket, order.socket, head, order.to);
            let _ = tokio::time::timeout(REPORT_WAIT, news.notified()).await;
            if self.state().running.get(&head.train).is_none_or(|running| running.train.has_report()) {
                break;
            }
        }
        let running = self.state().running.remove(&head.train);
        running.map(|running| running.train.singles(socket.port(), late)).unwrap_or_default()
    }

    fn send(&self, socket: &Stamped, order: &Order, news: &Arc<Notify>) -> Head {
        let mut state = self.state();
        let state = &mut *state;
        let count = order.count.clamp(1, packet::TRAIN_MAX);
        let mut head = Head { kind: Kind::Probe, count, number: 0, prober: self.identity, train: state.next };
        state.next += 1;
        let mut train = Train::new(count);
        for number in 0..count {
            head.number = number;
            packet::write_probe(head, order.payload_bytes, &mut state.bytes);
            let (at, since) = (wall_nanos(), Instant::now());
            let is_taken = socket.send(&state.bytes, order.to).is_ok();
            train.sent(at, since, is_taken);
            let unstamped = state.unstamped.get_mut(order.socket);
            unstamped.into_iter().for_each(|unstamped| unstamped.expect(is_taken, Some((head.train, number))));
        }
        let running = Running { train, to: order.to.ip().to_canonical(), news: news.clone() };
        state.running.insert(head.train, running);
        head
    }

    fn query(&self, socket: &Stamped, at: usize, head: Head, to: SocketAddr) {
        let mut state = self.state();
        let state = &mut *state;
        packet::write_query(head, &mut state.bytes);
        let is_taken = socket.send(&state.bytes, to).is_ok();
        state.unstamped.get_mut(at).into_iter().for_each(|unstamped| unstamped.expect(is_taken, None));
    }
}

impl Unstamped {
    fn expect(&mut self, is_taken: bool, of: Option<(u64, u8)>) {
        if !is_taken {
            *self = Unstamped::default();
            return;
        }
        self.of.push_back(of);
        if self.of.len() > UNSTAMPED_MAX {
            self.of.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn take(&mut self, number: u32) -> Option<(u64, u8)> {
        let at = number.wrapping_sub(self.first) as usize;
        if at >= self.of.len() {
            return None;
        }
        // The kernel stamps in the order of sending: what was before has no stamp any more.
        self.of.drain(..at);
        self.first = number.wrapping_add(1);
        self.of.pop_front().flatten()
    }
}
