//! Replies to trains, and reports on them.
use crate::probe::packet::{self, Head, Heard, Kind};
use crate::probe::socket::{Event, Stamped, wall_nanos};
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Trains that are remembered for a report: the oldest is forgotten first.
const TRAINS_MAX: usize = 8_192;
/// Replies whose stamp is still to come.
const UNSTAMPED_MAX: usize = 4_096;

type Key = (IpAddr, u64, u64);

/// A train as far as it has come.
#[derive(Debug)]
struct Seen {
    received: u64,
    /// When each was received, and when its reply left.
    times: Vec<(u64, u64)>,
}

/// What a responder remembers.
#[derive(Debug, Default)]
pub struct Trains {
    seen: HashMap<Key, Seen>,
    order: VecDeque<Key>,
    /// The number of the first of `unstamped`, as the kernel counts what the socket sends.
    first: u32,
    unstamped: VecDeque<Option<(Key, u8)>>,
    bytes: Vec<u8>,
}

impl Trains {
    /// Takes what a socket says, and gives the response that it must send, if any.
    fn take(&mut self, event: Event<'_>) -> Option<(SocketAddr, &[u8])> {
        match event {
            Event::Sent(number, stamp) => {
                self.sent(number, stamp);
                None
            }
            Event::Received(bytes, from, stamp) => {
                let head = packet::read_head(bytes)?;
                let key = (from.ip(), head.prober, head.train);
                match head.kind {
                    Kind::Probe => self.probe(head, key, stamp, bytes.len()),
                    Kind::Query => self.query(head, key),
                    Kind::Reply | Kind::Report => return None,
                }
                Some((from, &self.bytes))
            }
        }
    }

    fn probe(&mut self, head: Head, key: Key, stamp: Option<u64>, payload_bytes: usize) {
        let seen = self.seen.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Seen { received: 0, times: vec![(0, 0); usize::from(head.count)] }
        });
        seen.received |= 1 << head.number;
        let now = wall_nanos();
        let came = stamp.unwrap_or(now);
        if let Some(times) = seen.times.get_mut(usize::from(head.number)) {
            *times = (came, 0);
        }
        let stay = Duration::from_nanos(now.saturating_sub(came));
        packet::write_reply(head, seen.received, Some(stay), payload_bytes, &mut self.bytes);
        self.expect(Some((key, head.number)));
        if self.order.len() > TRAINS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    fn query(&mut self, head: Head, key: Key) {
        let stay = |(came, left): &(u64, u64)| {
            left.checked_sub(*came).filter(|_| *came > 0 && *left > 0).map(Duration::from_nanos)
        };
        let heard = self.seen.get(&key).map_or(Heard { received: 0, stays: Vec::new() }, |seen| Heard {
            received: seen.received,
            stays: seen.times.iter().map(stay).collect(),
        });
        packet::write_report(head, &heard, &mut self.bytes);
        self.expect(None);
    }

    /// The next stamp will be that of this reply.
    fn expect(&mut self, reply: Option<(Key, u8)>) {
        self.unstamped.push_back(reply);
        if self.unstamped.len() > UNSTAMPED_MAX {
            self.unstamped.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    fn sent(&mut self, number: u32, stamp: u64) {
        let at = number.wrapping_sub(self.first) as usize;
        let Some(reply) = self.unstamped.get_mut(at) else { return };
        let reply = reply.take();
        while self.unstamped.front().is_some_and(Option::is_none) {
            self.unstamped.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        let times = reply.and_then(|(key, number)| self.seen.get_mut(&key)?.times.get_mut(usize::from(number)));
        if let Some((_, left)) = times {
            *left = stamp;
        }
    }

    /// What was sent could not be: the kernel counts from 0 again.
    fn forget_stamps(&mut self) {
        self.unstamped.clear();
        self.first = 0;
    }
}

/// Responds for ever.
pub async fn respond(socket: &Stamped) {
    let mut trains = Trains::default();
    loop {
        // Each response leaves at once: the next datagram waits in the kernel, which has stamped it.
        let heard = socket.events(|event| {
            let is_lost = trains.take(event).is_some_and(|(to, bytes)| socket.send(bytes, to).is_err());
            if is_lost {
                trains.forget_stamps();
            }
        });
        if let Err(error) = heard.await {
            tracing::error!("mesh: the responder's socket: {error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(kind: Kind, train: u64, number: u8) -> Head {
        Head { kind, count: 3, number, prober: 7, train }
    }

    fn asked(trains: &mut Trains, head: Head, at: u64) -> (Head, Heard) {
        let mut bytes = Vec::new();
        match head.kind {
            Kind::Probe => packet::write_probe(head, 64, &mut bytes),
            _ => packet::write_query(head, &mut bytes),
        }
        let from = ([127, 0, 0, 1], 9).into();
        let (_, response) = trains.take(Event::Received(&bytes, from, Some(at))).unwrap();
        let head = packet::read_head(response).unwrap();
        (head, packet::read_heard(head, response).unwrap())
    }

    /// Guarantees: a report says which probes came, and how long each stayed by the kernel's stamps.
    #[test]
    fn a_report_says_what_came_and_how_long_it_stayed() {
        let mut trains = Trains::default();
        asked(&mut trains, head(Kind::Probe, 1, 0), 1_000);
        let (reply, heard) = asked(&mut trains, head(Kind::Probe, 1, 2), 2_000);
        assert_eq!((reply.kind, reply.number, heard.received), (Kind::Reply, 2, 0b101));
        trains.take(Event::Sent(1, 2_700));
        let (_, heard) = asked(&mut trains, head(Kind::Query, 1, 0), 3_000);
        assert_eq!(heard, Heard { received: 0b101, stays: vec![None, None, Some(Duration::from_nanos(700))] });
        trains.take(Event::Sent(0, 1_050));
        let (_, heard) = asked(&mut trains, head(Kind::Query, 1, 0), 3_000);
        assert_eq!(heard.stays[0], Some(Duration::from_nanos(50)));
        let (_, heard) = asked(&mut trains, head(Kind::Query, 2, 0), 3_000);
        assert_eq!(heard.received, 0, "of a train that never came");
    }

    /// Guarantees: whatever strangers send, so many trains and no more are remembered.
    #[test]
    fn what_is_remembered_is_bounded() {
        let mut trains = Trains::default();
        for train in 0..TRAINS_MAX as u64 + 10 {
            asked(&mut trains, head(Kind::Probe, train, 0), 1);
        }
        assert_eq!((trains.seen.len(), trains.order.len()), (TRAINS_MAX, TRAINS_MAX));
        assert_eq!(trains.unstamped.len(), UNSTAMPED_MAX);
        let (_, heard) = asked(&mut trains, head(Kind::Query, 0, 0), 1);
        assert_eq!(heard.received, 0);
    }
}
