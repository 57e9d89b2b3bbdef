//! Who sends wire v1 datagrams, and what of theirs was lost: exact, from the sequence numbers.
//!
//! A gap counts as lost until the datagram comes late. The last `SEEN` numbers are remembered one by one, so
//! out-of-order and duplicate datagrams are distinguished; a number older than that is a duplicate, since storing a
//! message twice would be the greater harm.
use metlog_schemas::format::Verdict;
use metlog_schemas::time::SECOND;
use metlog_schemas::wire::v1::{Header, Heartbeat};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// Sequence numbers remembered for each sender.
const SEEN: u64 = 1_024;
pub(crate) const WORDS: usize = (SEEN / 64) as usize;
/// Datagrams a second that a sender is believed to send, and how many at once: a larger jump of its sequence numbers is
/// forged or broken, and must not count as so many lost.
const DATAGRAMS_PER_SECOND_MAX: u64 = 1_000_000;
const JUMP_MAX: u64 = 1 << 20;
/// From here on sequence numbers are implausible: no sender runs that long.
const SEQUENCE_END: u64 = 1 << 62;
/// Senders remembered at most; above it the one that was silent longest is forgotten.
const SENDERS_MAX: usize = 10_000;
/// Where there is no room for another, so many that were silent longest are forgotten.
const SENDERS_FORGOTTEN: usize = SENDERS_MAX / 16;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sender {
    pub id: u64,
    pub hostname: Arc<str>,
    pub logger: Arc<str>,
    pub pid: u32,
    /// Where it began, for us.
    pub first: u64,
    /// The next sequence number that is due.
    pub next: u64,
    pub seen: [u64; WORDS],
    pub datagrams: u64,
    pub lost: u64,
    pub late: u64,
    pub duplicates: u64,
    pub dropped: u64,
    pub first_seen: i64,
    pub last_seen: i64,
    /// Datagrams whose sequence number cannot be.
    pub implausible: u64,
}

/// One sender, as users see it. Counts are datagrams, but for `dropped`, which is messages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SenderRow {
    /// Its identity, in hex.
    pub sender: String,
    /// Its host.
    pub hostname: Arc<str>,
    /// Its logger.
    pub logger: Arc<str>,
    /// Its process.
    pub pid: u32,
    /// Datagrams taken.
    pub datagrams: u64,
    /// Datagrams that never came.
    pub lost: u64,
    /// Datagrams that arrived out of order.
    pub late: u64,
    /// Datagrams that came again.
    pub duplicates: u64,
    /// Messages it dropped before sending.
    pub dropped: u64,
    /// µs since 1970 UTC.
    pub first_seen: i64,
    /// µs since 1970 UTC.
    pub last_seen: i64,
    /// Datagrams that were rejected because their sequence number cannot be.
    pub implausible: u64,
}

/// All senders.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Senders {
    pub(crate) senders: HashMap<u64, Sender>,
    /// Of senders that were forgotten.
    pub(crate) forgotten_lost: u64,
    pub(crate) forgotten_dropped: u64,
    /// What cumulative series have come to. It has a section of its own in the state file.
    #[serde(skip)]
    pub(crate) totals: crate::grown::Totals,
}

impl Senders {
    /// Enters a datagram. `replay_window` (µs): where given, a datagram whose sender is not remembered and
    /// that was opened longer ago is [`Verdict::Stale`]. `must_be_plausible`: one that no sender can have reached is
    /// [`Verdict::Implausible`].
    pub fn enter(
        &mut self,
        header: &Header<'_>,
        received_at: i64,
        replay_window: Option<i64>,
        must_be_plausible: bool,
    ) -> Verdict {
        if !self.senders.contains_key(&header.sender) {
            if replay_window.is_some_and(|window| header.opened_at < received_at.saturating_sub(window)) {
                return Verdict::Stale;
            }
            if must_be_plausible && header.sequence >= SEQUENCE_END {
                return Verdict::Implausible;
            }
            self.make_room();
            self.senders.insert(header.sender, Sender::new(header, received_at));
        }
        let Some(sender) = self.senders.get_mut(&header.sender) else { return Verdict::New };
        if must_be_plausible && !sender.may_be_at(header.sequence, received_at) {
            sender.implausible += 1;
            return Verdict::Implausible;
        }
        sender.last_seen = received_at;
        let verdict = sender.enter(header.sequence);
        if verdict != Verdict::Duplicate {
            sender.datagrams += 1;
            sender.dropped = sender.dropped.max(header.dropped);
        }
        verdict
    }

    /// A sender says how many datagrams it has sent: what of them did not come by then counts as lost, until it comes
    /// late. It may say so as often as it likes. `replay_window` as for [`Senders::enter`].
    pub fn heartbeat(
        &mut self,
        header: &Header<'_>,
        heartbeat: &Heartbeat,
        received_at: i64,
        replay_window: Option<i64>,
    ) {
        let Heartbeat { sender: id, next, dropped } = *heartbeat;
        if !self.senders.contains_key(&id) {
            // One of which nothing ever came: its losses are seen from the first number on, where that is near.
            let stale = replay_window.is_some_and(|window| header.opened_at < received_at.saturating_sub(window));
            if stale || !(1..=SEEN).contains(&next) {
                return;
            }
            self.make_room();
            let new = Sender::new(&Header { sender: id, sequence: 0, dropped, ..*header }, received_at);
            self.senders.insert(id, new);
        }
        let Some(sender) = self.senders.get_mut(&id) else { return };
        if sender.may_be_at(next, received_at) {
            sender.last_seen = received_at;
            sender.dropped = sender.dropped.max(dropped.min(SEQUENCE_END));
            if next > sender.next {
                sender.skip_to(next);
            }
        }
    }

    fn make_room(&mut self) {
        if self.senders.len() < SENDERS_MAX {
            return;
        }
        // Many at once: who invents senders shall not make each of them a search among all.
        let mut silent: Vec<_> = self.senders.values().map(|sender| (sender.last_seen, sender.id)).collect();
        silent.select_nth_unstable(SENDERS_FORGOTTEN);
        for (_, id) in &silent[..SENDERS_FORGOTTEN] {
            if let Some(gone) = self.senders.remove(id) {
                self.forgotten_lost = self.forgotten_lost.saturating_add(gone.lost);
                self.forgotten_dropped = self.forgotten_dropped.saturating_add(gone.dropped);
            }
        }
    }

    /// How many are remembered.
    pub fn count(&self) -> usize {
        self.senders.len()
    }

    /// Datagrams lost, of all senders ever.
    pub fn lost(&self) -> u64 {
        self.senders.values().fold(self.forgotten_lost, |sum, sender| sum.saturating_add(sender.lost))
    }

    /// Messages dropped by clients, of all senders ever.
    pub fn dropped(&self) -> u64 {
        self.senders.values().fold(self.forgotten_dropped, |sum, sender| sum.saturating_add(sender.dropped))
    }

    /// Each sender, in order of its first datagram.
    pub fn rows(&self) -> Vec<SenderRow> {
        let mut rows: Vec<SenderRow> = self.senders.values().map(Sender::row).collect();
        rows.sort_by(|a, b| (a.first_seen, &a.sender).cmp(&(b.first_seen, &b.sender)));
        rows
    }
}

impl Sender {
    /// A sender begins at the first number that is seen of it, or at 0 where that is close: then what came
    /// before it is missing, and not from before the listener began.
    fn new(header: &Header<'_>, received_at: i64) -> Sender {
        let first = if header.sequence < SEEN { 0 } else { header.sequence };
        Sender {
            id: header.sender,
            hostname: header.hostname.into(),
            logger: header.logger.into(),
            pid: header.pid,
            first,
            next: first,
            seen: [0; WORDS],
            datagrams: 0,
            lost: 0,
            late: 0,
            duplicates: 0,
            dropped: 0,
            first_seen: received_at,
            last_seen: received_at,
            implausible: 0,
        }
    }

    /// True where so many datagrams may have been sent since the last one.
    fn may_be_at(&self, sequence: u64, received_at: i64) -> bool {
        let seconds = u64::try_from(received_at.saturating_sub(self.last_seen) / SECOND).unwrap_or(0) + 1;
        let most = self.next.saturating_add(JUMP_MAX).saturating_add(seconds.saturating_mul(DATAGRAMS_PER_SECOND_MAX));
        sequence < most.min(SEQUENCE_END)
    }

    /// The numbers up to `sequence`, which is not before the next one that is due, are lost.
    fn skip_to(&mut self, sequence: u64) {
        self.lost = self.lost.saturating_add(sequence - self.next);
        for passed in self.next.max(sequence.saturating_sub(SEEN))..sequence {
            self.seen[(passed % SEEN / 64) as usize] &= !(1 << (passed % 64));
        }
        self.next = sequence;
    }

    fn enter(&mut self, sequence: u64) -> Verdict {
        let bit = 1 << (sequence % 64);
        let word = (sequence % SEEN / 64) as usize;
        if sequence >= self.next {
            self.skip_to(sequence);
            self.seen[word] |= bit;
            self.next = sequence.saturating_add(1);
            return Verdict::New;
        }
        if self.next - sequence > SEEN || self.seen[word] & bit != 0 {
            self.duplicates += 1;
            return Verdict::Duplicate;
        }
        self.seen[word] |= bit;
        self.late += 1;
        // What was sent before we knew of the sender was never counted as lost.
        self.lost -= u64::from(sequence >= self.first && self.lost > 0);
        Verdict::Late
    }

    fn row(&self) -> SenderRow {
        SenderRow {
            sender: format!("{:016x}", self.id),
            hostname: self.hostname.clone(),
            logger: self.logger.clone(),
            pid: self.pid,
            datagrams: self.datagrams,
            lost: self.lost,
            late: self.late,
            duplicates: self.duplicates,
            dropped: self.dropped,
            first_seen: self.first_seen,
            last_seen: self.last_seen,
            implausible: self.implausible,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn header<'a>(sequence: u64) -> Header<'a> {
        Header {
            sender: 1,
            sequence,
            opened_at: 0,
            dropped: sequence,
            pid: 2,
            hostname: "h",
            logger: "l",
            key_id: None,
        }
    }

    fn beat(sender: u64, next: u64) -> Heartbeat {
        Heartbeat { sender, next, dropped: 0 }
    }

    proptest! {
        /// Any order with gaps and repeats, within the window: each number is new or late once, and lost is
        /// what is missing below the highest.
        #[test]
        fn loss_is_exact(sequences in prop::collection::vec(0u64..SEEN, 1..400)) {
            let mut senders = Senders::default();
            let mut came = BTreeSet::new();
            for sequence in &sequences {
                let verdict = senders.enter(&header(*sequence), 0, None, true);
                let highest = came.last().copied();
                let expected = if !came.insert(*sequence) { Verdict::Duplicate }
                    else if highest.is_some_and(|highest| *sequence < highest) { Verdict::Late }
                    else { Verdict::New };
                prop_assert_eq!(verdict, expected);
            }
            let highest = came.last().copied().unwrap_or_default();
            prop_assert_eq!(senders.lost(), highest + 1 - came.len() as u64);
            prop_assert_eq!(senders.rows()[0].duplicates as usize, sequences.len() - came.len());
            prop_assert_eq!(senders.dropped(), highest);
        }
    }

    #[test]
    fn far_jumps_and_far_repeats() {
        let mut senders = Senders::default();
        for (sequence, verdict, lost) in [
            (5_000, Verdict::New, 0),
            (5_000 + 3 * SEEN, Verdict::New, 3 * SEEN - 1),
            (5_001, Verdict::Duplicate, 3 * SEEN - 1),
            (4_999 + 3 * SEEN, Verdict::Late, 3 * SEEN - 2),
        ] {
            assert_eq!(senders.enter(&header(sequence), 0, None, true), verdict);
            assert_eq!(senders.lost(), lost);
        }
    }

    #[test]
    fn an_old_datagram_of_nobody_is_stale() {
        let mut senders = Senders::default();
        assert_eq!(senders.enter(&header(1), 100, Some(50), true), Verdict::Stale);
        assert_eq!(senders.enter(&header(1), 40, Some(50), true), Verdict::New);
    }

    #[test]
    fn the_silent_are_forgotten_but_not_their_losses() {
        let mut senders = Senders::default();
        for id in 0..=SENDERS_MAX as u64 {
            senders.enter(&Header { sender: id, ..header(2) }, id as i64, None, true);
        }
        assert_eq!(senders.rows().len(), SENDERS_MAX + 1 - SENDERS_FORGOTTEN);
        assert_eq!(senders.rows()[0].first_seen, SENDERS_FORGOTTEN as i64, "the longest silent go");
        assert_eq!(senders.lost(), 2 * (SENDERS_MAX as u64 + 1));
    }

    #[test]
    fn the_end_of_a_stream_shows_what_was_lost_last() {
        let mut senders = Senders::default();
        senders.enter(&header(0), 0, None, true);
        for _ in 0..3 {
            senders.heartbeat(&header(0), &beat(1, 5), 0, None);
            assert_eq!(senders.lost(), 4);
        }
        assert_eq!(senders.enter(&header(3), 0, None, true), Verdict::Late);
        assert_eq!(senders.enter(&header(5), 0, None, true), Verdict::New);
        senders.heartbeat(&header(0), &beat(1, 2), 0, None);
        assert_eq!(senders.lost(), 3);
        senders.heartbeat(&header(0), &beat(9, 7), 0, None);
        assert_eq!(senders.lost(), 10, "of one whose datagrams were all lost");
    }

    #[test]
    fn forged_numbers_stay_small() {
        let mut senders = Senders::default();
        senders.enter(&header(0), 0, None, true);
        for _ in 0..5 {
            assert_eq!(senders.enter(&header(u64::MAX), 0, None, true), Verdict::Implausible);
            assert_eq!(senders.enter(&header(1 << 61), 0, None, true), Verdict::Implausible);
            assert_eq!(senders.enter(&Header { sender: 2, ..header(u64::MAX) }, 0, None, true), Verdict::Implausible);
            senders.heartbeat(&header(0), &beat(1, u64::MAX), 0, None);
        }
        assert_eq!((senders.lost(), senders.rows()[0].implausible, senders.count()), (0, 10, 1));
        let hour = 3_600 * SECOND;
        assert_eq!(
            senders.enter(&header(1_000_000_000), hour, None, true),
            Verdict::New,
            "of an hour in which we were away"
        );
    }
}
