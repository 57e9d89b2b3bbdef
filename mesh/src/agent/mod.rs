//! The agent: it learns who is there, probes whom the plan says, responds to others, and sends what it finds to a listener.
mod config;
mod result;
mod schedule;

pub use config::{Config, Kind, Probing};

use crate::discovery::Discovery;
use crate::node::View;
use crate::plan::{AGENT_PACKETS_PER_SECOND_MAX, Floors, Plan, Walk};
use crate::probe::outcome::Single;
use crate::probe::socket::Stamped;
use crate::probe::udp::{Order, Prober};
use crate::probe::{grpc, http, icmp, tcp};
use crate::respond;
use metlog::{Client, Pair};
use schedule::{Round, Schedule};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant, SystemTime};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Discovery confirms a view this often at least, where nothing changes: shorter intervals do not make an agent blind sooner.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(10);
/// Rounds under way at a time; one that is due beyond them is left out and counted.
const ROUNDS_MAX: usize = 4_096;

/// An agent whose sockets are open.
#[derive(Debug)]
pub struct Agent {
    config: Config,
    responder: Stamped,
    listener: TcpListener,
    prober: Arc<Prober>,
    address: SocketAddr,
}

/// What an agent knows while it runs.
struct Running {
    config: Config,
    client: Client,
    prober: Arc<Prober>,
    view: Option<View>,
    /// When the view was the newest, by a clock that does not step.
    seen: Instant,
    schedule: Schedule,
    floors: Floors,
    rounds: JoinSet<()>,
    budget: Budget,
    is_blind: bool,
    left_out: u64,
}

/// Packets that may still be sent: those of a second, at most.
#[derive(Debug)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Budget {
    fn new(now: Instant) -> Budget {
        Budget { left: f64::from(AGENT_PACKETS_PER_SECOND_MAX), at: now }
    }

    /// Takes so many, or none.
    fn take(&mut self, packets: u32, now: Instant) -> bool {
        let most = f64::from(AGENT_PACKETS_PER_SECOND_MAX);
        self.left = (self.left + now.saturating_duration_since(self.at).as_secs_f64() * most).min(most);
        self.at = now;
        let is_enough = self.left >= f64::from(packets);
        if is_enough {
            self.left -= f64::from(packets);
        }
        is_enough
    }
}

impl Agent {
    /// Opens the sockets: UDP and TCP on one port. Needs a runtime.
    ///
    /// # Errors
    /// If an address cannot be listened on.
    pub async fn bind(config: Config) -> io::Result<Agent> {
        let listener = TcpListener::bind(config.listen).await?;
        let address = listener.local_addr()?;
        let responder = Stamped::bind(address)?;
        let prober = Prober::bind(address.is_ipv4(), config.probing.first_port, config.probing.ports.max(1))?;
        Ok(Agent { config, responder, listener, prober, address })
    }

    /// Where it responds.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs until `stop` is over, then says to the others that it goes, and waits for the rounds under way.
    pub async fn run(self, discovery: Box<dyn Discovery>, client: Client, stop: impl Future<Output = ()>) {
        // The loop below looks at many things: what discovery waits for must not begin again each time.
        let mut discovery = crate::discovery::Running::start(discovery);
        let Agent { config, responder, listener, prober, .. } = self;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { respond::udp::respond(&responder).await });
        tasks.spawn(async move { respond::tcp::respond(listener).await });
        for socket in 0..usize::from(config.probing.ports.max(1)) {
            tasks.spawn(prober.clone().listen(socket));
        }
        let mut running = Running::new(config, client, prober);
        tokio::pin!(stop);
        loop {
            let due = tokio::time::Instant::from_std(running.schedule.next(Instant::now()));
            tokio::select! {
                () = &mut stop => break,
                view = discovery.next() => running.see(view),
                () = tokio::time::sleep_until(due) => running.begin_due(),
            }
            while running.rounds.try_join_next().is_some() {}
        }
        discovery.leave().await;
        let all = async { while running.rounds.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(running.config.probing.timeout + Duration::from_secs(1), all).await;
        running.client.flush();
    }
}

impl Running {
    fn new(config: Config, client: Client, prober: Arc<Prober>) -> Running {
        let (schedule, floors) = (Schedule::new(&config.own.name), config.probing.kept(0));
        let now = Instant::now();
        Running {
            config,
            client,
            prober,
            view: None,
            seen: now,
            schedule,
            floors,
            rounds: JoinSet::new(),
            budget: Budget::new(now),
            is_blind: false,
            left_out: 0,
        }
    }

    fn see(&mut self, view: View) {
        self.seen = Instant::now();
        if std::mem::take(&mut self.is_blind) {
            tracing::info!("mesh: nodes are known again, probing goes on");
        }
        let places = view.places();
        let mut own = places.clone();
        // Where discovery does not know this node, it still has a place in its own plan.
        if !places.iter().any(|place| place.name == self.config.own.name) {
            own.push(crate::plan::Place { name: &self.config.own.name, zone: &self.config.own.zone });
        }
        let peers = Plan::default().peers(&self.config.own.name, &own);
        self.floors = self.config.probing.kept(peers.len());
        let before = self.schedule.peers();
        self.schedule.set(&peers, self.floors.interval, (Instant::now(), SystemTime::now()));
        if self.schedule.peers() != before {
            tracing::info!(
                "mesh: {} of {} nodes are probed every {:?}",
                peers.len(),
                view.nodes.len(),
                self.floors.interval
            );
        }
        self.view = Some(view);
    }

    /// Begins each round that is due, unless nobody knows any more who is there.
    fn begin_due(&mut self) {
        let now = Instant::now();
        let floors = Floors { interval: self.floors.interval.max(CONFIRMED_WITHIN), ..self.floors };
        let is_blind = floors.is_blind(now.saturating_duration_since(self.seen));
        if is_blind && !self.is_blind {
            tracing::warn!(
                "mesh: discovery has said nothing for {:?}: nobody is probed until it does",
                now - self.seen
            );
        }
        self.is_blind = is_blind;
        while let Some(round) = self.schedule.take((Instant::now(), SystemTime::now())) {
            if is_blind {
                continue;
            }
            let has_room =
                self.rounds.len() < ROUNDS_MAX && self.budget.take(self.floors.packets_per_pair, Instant::now());
            if has_room {
                self.begin(round);
            } else {
                self.left_out += 1;
                tracing::warn!(
                    "mesh: the round to {} is left out, {} so far: too many packets",
                    round.target,
                    self.left_out
                );
            }
        }
    }

    fn begin(&mut self, round: Round) {
        let Some(node) = self.view.as_ref().and_then(|view| view.node(&round.target)) else { return };
        let (node, config, client) = (node.clone(), self.config.clone(), self.client.clone());
        let (prober, floors) = (self.prober.clone(), self.floors);
        self.rounds.spawn(async move {
            let own = &config.own;
            let pair = Pair {
                source: &own.name,
                source_zone: &own.zone,
                source_rack: &own.rack,
                target: &node.name,
                target_zone: &node.zone,
                target_rack: &node.rack,
                kind: "",
            };
            let results = |payload_bytes: usize| result::Round {
                pair,
                interval_start: round.interval_start,
                interval: floors.interval,
                sequence: round.sequence,
                payload_bytes,
                share: config.probing.share,
            };
            let timeout = config.probing.timeout;
            let late = round.late;
            let each = config.probing.kinds.iter().map(|kind| {
                let prober = &prober;
                let (order, results, client) = (udp_order(&config, &round, node.address, &floors), &results, &client);
                async move {
                    let (singles, payload_bytes) = match kind {
                        Kind::Udp => (prober.round(order).await, order.payload_bytes),
                        Kind::Tcp => (vec![tcp::connect(order.to, timeout, late).await], 0),
                        Kind::Http => (vec![http::get(order.to, timeout, late).await], 0),
                        Kind::Grpc => (vec![grpc::ping(order.to, timeout, late).await], 0),
                        Kind::Icmp => (echo(&order).await, order.payload_bytes),
                    };
                    result::send(client, &results(payload_bytes), *kind, &singles);
                }
            });
            futures::future::join_all(each).await;
        });
    }
}

/// Nothing where this process may not send one, which is said once.
async fn echo(order: &Order) -> Vec<Single> {
    static SAID: Once = Once::new();
    match icmp::echo(order.to, order.payload_bytes, order.timeout, order.late).await {
        Ok(single) => vec![single],
        Err(error) => {
            SAID.call_once(|| tracing::warn!("mesh: no probes by ICMP: {error}"));
            Vec::new()
        }
    }
}

fn udp_order(config: &Config, round: &Round, to: SocketAddr, floors: &Floors) -> Order {
    // A walk over the sockets, whose ports are what the kernel gave them.
    let walk = Walk::new(&config.own.name, &round.target, 0, config.probing.ports.max(1));
    Order {
        to,
        socket: walk.port(round.sequence).into(),
        count: config.probing.count(),
        payload_bytes: floors.payload_bytes,
        timeout: config.probing.timeout,
        late: round.late,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_that_of_a_second() {
        let now = Instant::now();
        let mut budget = Budget::new(now);
        let taken = (0..10_000).filter(|_| budget.take(1, now)).count();
        assert_eq!(taken, AGENT_PACKETS_PER_SECOND_MAX as usize);
        let later = now + Duration::from_millis(500);
        let taken = (0..10_000).filter(|_| budget.take(1, later)).count();
        assert_eq!(taken, AGENT_PACKETS_PER_SECOND_MAX as usize / 2);
    }
}
