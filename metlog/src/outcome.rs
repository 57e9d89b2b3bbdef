//! What became of a call, and the counts of all calls.

/// What became of one message or value. A caller may ignore it: every loss is counted as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// In the queue; the sender thread takes it from there within 100 ms, unless a destination holds it up (20 ms where
    /// its socket is full, up to 1 s where its name must be looked up).
    Queued,
    /// A filter of the configuration keeps it back.
    Filtered,
    /// Its sample rate left it out this time.
    SampledOut,
    /// The queue was full, or it was no number that statsd can say. Counted as dropped.
    Dropped,
    /// Larger than a datagram may be. Counted as dropped.
    Oversize,
    /// Nothing is configured to leave: no [`init`](crate::init), `statsd = false` or a disabled timer.
    Off,
}

/// The counts of one client in this process. A forked child begins again at zero.
///
/// `queued` messages of this process were each sent in one of `datagrams`, or are still in the queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages that entered the queue.
    pub queued: u64,
    /// statsd values that entered the queue.
    pub statsd_queued: u64,
    /// Messages that the configuration's filters kept back.
    pub filtered: u64,
    /// Messages that never came into a datagram, and statsd values that never left; the number that travels in each
    /// header. (Messages of a datagram that could not be sent are not in it: their gap in the sequence tells.)
    pub dropped: u64,
    /// How many of `dropped` were too large for a datagram.
    pub oversize: u64,
    /// Datagrams of messages that left the queue; each goes to every destination.
    pub datagrams: u64,
    /// Datagrams of statsd lines that left the queue.
    pub statsd_datagrams: u64,
    /// Datagrams that a destination's socket refused, counted per destination.
    pub send_errors: u64,
}
