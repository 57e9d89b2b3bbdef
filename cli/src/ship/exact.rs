//! Shipping that skips nothing and sends nothing twice, over kills of the shipper and of the server.
//!
//! Datagrams leave in windows. A window is written down before it leaves, sent until the server's count of this sender says
//! that it has all of it, and then the positions move on. After a kill, a window that was written down is made again of the
//! same bytes, under the same numbers: what the server has of it is a duplicate, which it does not take again. It remembers
//! the last 1,024 numbers of a sender, and a window has far fewer. What was taken is known by its count alone, which grows by
//! one for each number.
use super::follow::{Follower, Turn};
use super::pack::{Origin, Packed, Packer};
use super::source::Line;
use super::state::{Part, Position, State, StateFile};
use super::template::Template;
use super::{Counts, Outgoing};
use crate::arguments::ReplayOptions;
use crate::arrival::{Arrival, Row};
use crate::commands::replay::{logger_of, now};
use crate::failure::Failure;
use crate::logs;
use crate::metlog_line::is_metlog_json;
use crate::outlet::Outlet;
use crate::pace::Pace;
use metlog_schemas::metlog_json::{Decoder, kind_of};
use metlog_schemas::rows::MessageRows;
use std::path::Path;
use std::time::{Duration, Instant};

/// Datagrams that are on their way at most: few enough for a receive buffer of 208 KiB, the default of Linux, and far
/// fewer than the 1,024 numbers that a listener remembers.
const WINDOW_DATAGRAMS: usize = 64;
/// How often files are looked at that have nothing new.
const POLL: Duration = Duration::from_millis(200);
/// What is on its way is lost when the server's count has not changed for so long.
const QUIET: Duration = Duration::from_millis(300);
/// Likewise, where a datagram that comes later does no harm.
const QUIET_NEW: Duration = Duration::from_millis(50);
/// Rounds in which nothing more was taken, after which it is no longer clear what the count means.
const ROUNDS_IDLE_MAX: u32 = 5;
/// By how many datagrams each round begins later.
const TURN: usize = 7;
/// Waits between attempts, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MOST: Duration = Duration::from_secs(5);
/// After so long it is said that the server does not take anything.
const SAY_AFTER: Duration = Duration::from_secs(5);
/// After so long without success a replay ends that does not follow.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// Ships the files.
///
/// # Errors
/// Where a file or the state cannot be read or written, or the server does not take anything for a minute; then the same
/// command goes on where this one was.
pub fn run(
    options: &ReplayOptions,
    state: &Path,
    outlet: Outlet,
    arrival: Arrival,
    origin: Origin,
) -> Result<Shipped, Failure> {
    let mut shipping = Shipping::start(options, state, outlet, arrival, origin)?;
    shipping.resume()?;
    while shipping.step()? {}
    let heartbeat = shipping.packer.heartbeat(now());
    shipping.send(&heartbeat);
    Ok(Shipped { counts: shipping.counts, datagrams: shipping.datagrams })
}

/// What was sent, and is known to have arrived.
#[derive(Debug, Clone, Copy)]
pub struct Shipped {
    /// Of the lines.
    pub counts: Counts,
    /// With those that have no number.
    pub datagrams: u64,
}

struct Shipping<'o> {
    options: &'o ReplayOptions,
    outlet: Outlet,
    arrival: Arrival,
    origin: Origin,
    packer: Packer,
    template: Template,
    file: StateFile,
    state: State,
    /// The state on the disk is older.
    is_dirty: bool,
    /// Each with its place in the state.
    followers: Vec<(usize, String, Follower)>,
    json: Decoder,
    pace: Pace,
    counts: Counts,
    datagrams: u64,
    started: Instant,
}

/// Datagrams that are sent together.
#[derive(Default)]
struct Window {
    packed: Vec<(usize, Packed)>,
    /// What has no number, and is sent once.
    raw: Vec<Vec<u8>>,
}

impl<'o> Shipping<'o> {
    fn start(
        options: &'o ReplayOptions,
        path: &Path,
        outlet: Outlet,
        arrival: Arrival,
        mut origin: Origin,
    ) -> Result<Shipping<'o>, Failure> {
        let refused = |error: std::io::Error| Failure::failed(format!("--state: {}: {error}", path.display()));
        let (file, state) = StateFile::open(path, origin.sender).map_err(refused)?;
        origin.sender = state.sender().map_err(refused)?;
        let mut followers = Vec::new();
        for named in &options.files {
            if named.as_os_str() == "-" {
                return Err(Failure::usage("stdin has no positions: --state is for files"));
            }
            let known = state.files.iter().position(|position| position.path == *named);
            let position = known.map(|at| &state.files[at]);
            let follower =
                Follower::resume(named, position, options.follow).map_err(|error| unreadable(named, &error))?;
            let logger = options.logger.clone().unwrap_or_else(|| logger_of(named));
            followers.push((known.unwrap_or(usize::MAX), logger, follower));
        }
        let packer = Packer::new(&origin, state.sequence);
        let (template, pace) = (Template::new(&options.template, &options.r#type), Pace::new(options.rate));
        let mut shipping = Shipping {
            options,
            outlet,
            arrival,
            origin,
            packer,
            template,
            file,
            state,
            is_dirty: false,
            followers,
            json: Decoder::default(),
            pace,
            counts: Counts::default(),
            datagrams: 0,
            started: Instant::now(),
        };
        shipping.place_new_files()?;
        Ok(shipping)
    }

    /// Files that the state does not know get their place in it.
    fn place_new_files(&mut self) -> Result<(), Failure> {
        for (at, (place, _, follower)) in self.followers.iter_mut().enumerate() {
            if *place == usize::MAX {
                let path = &self.options.files[at];
                let position = follower.position().map_err(|error| unreadable(path, &error))?;
                *place = self.state.files.len();
                self.state.files.push(position.unwrap_or_else(|| Position {
                    path: path.clone(),
                    device: 0,
                    inode: 0,
                    offset: 0,
                    head: Default::default(),
                    tail: Default::default(),
                }));
            }
        }
        Ok(())
    }

    /// Sends again what may have been sent before this process began.
    fn resume(&mut self) -> Result<(), Failure> {
        let parts = self.state.sent.clone();
        let mut window = Window::default();
        for part in &parts {
            let Some(at) = self.followers.iter().position(|(place, ..)| *place == part.file) else {
                let path =
                    self.state.files.get(part.file).map_or_else(String::new, |file| file.path.display().to_string());
                return Err(Failure::usage(format!("--state: {path} is half sent: name it too")));
            };
            self.packer.begin(part.start);
            let (mut line, mut out) = (Line::default(), Vec::new());
            while self.followers[at].2.offset() < part.end {
                let next = self.followers[at].2.next(&mut line, Some(part.end));
                let Some(end) = next.map_err(|error| unreadable(&self.options.files[at], &error))? else { break };
                match self.outgoing(at, &line) {
                    Some(outgoing) => {
                        let fits = self.packer.push_into_one(now(), &outgoing, end);
                        self.counts.too_large += u64::from(!fits);
                    }
                    None => window.raw.extend(self.raw(&line)),
                }
            }
            self.packer.pass(part.end);
            self.packer.close(&mut out);
            window.packed.extend(out.into_iter().map(|packed| (at, packed)));
        }
        if window.packed.is_empty() {
            return Ok(());
        }
        self.deliver(&window, false)?;
        self.confirm(&window)
    }

    /// One window, or a wait for one. False: there is nothing more.
    fn step(&mut self) -> Result<bool, Failure> {
        let bases = self.positions()?;
        let window = self.gather()?;
        if window.packed.is_empty() {
            self.save_if_dirty()?;
            return self.turn();
        }
        // What a file is known by is what was read of it, which was perhaps not there before.
        for (at, (base, now)) in bases.into_iter().zip(self.positions()?).enumerate() {
            if let (Some(base), Some(now)) = (base, now) {
                let place = self.followers[at].0;
                self.state.files[place] = Position { head: now.head, ..base };
            }
        }
        let part =
            |(at, packed): &(usize, Packed)| Part { file: self.followers[*at].0, start: packed.start, end: packed.end };
        self.state.sent = window.packed.iter().map(part).collect();
        self.save()?;
        let messages = self.counts.messages();
        self.deliver(&window, true)?;
        self.confirm(&window)?;
        self.pace.wait(messages, self.started.elapsed()).into_iter().for_each(std::thread::sleep);
        Ok(true)
    }

    fn positions(&self) -> Result<Vec<Option<Position>>, Failure> {
        let each = self.followers.iter().zip(&self.options.files);
        each.map(|((.., follower), path)| follower.position().map_err(|error| unreadable(path, &error))).collect()
    }

    /// Lines until a window is full or there are none.
    fn gather(&mut self) -> Result<Window, Failure> {
        let mut window = Window::default();
        let (mut line, mut out) = (Line::default(), Vec::new());
        for at in 0..self.followers.len() {
            let path = &self.options.files[at];
            if !self.followers[at].2.is_intact().map_err(|error| unreadable(path, &error))? {
                continue;
            }
            self.packer.begin(self.followers[at].2.offset());
            while window.packed.len() < WINDOW_DATAGRAMS {
                let next = self.followers[at].2.next(&mut line, None);
                let Some(end) = next.map_err(|error| unreadable(path, &error))? else { break };
                match self.outgoing(at, &line) {
                    Some(outgoing) => {
                        let fits = self.packer.push(now(), &outgoing, end, &mut out);
                        self.counts.too_large += u64::from(!fits);
                    }
                    None => {
                        window.raw.extend(self.raw(&line));
                        self.packer.pass(end);
                    }
                }
                window.packed.extend(out.drain(..).map(|packed| (at, packed)));
            }
            self.packer.close(&mut out);
            window.packed.extend(out.drain(..).map(|packed| (at, packed)));
        }
        Ok(window)
    }

    /// The message of a line; `None`: it goes as it is, without a number.
    fn outgoing(&mut self, at: usize, line: &Line) -> Option<Outgoing> {
        let text = line.bytes.trim_ascii_end();
        if line.is_cut() || !is_metlog_json(text) {
            let logger = self.followers[at].1.clone();
            return Some(self.template.message(&line.bytes, &logger, now(), &mut self.counts));
        }
        self.counts.json += 1;
        let mut rows = MessageRows::default();
        let row = self.json.decode(text, &mut rows).ok().filter(|row| kind_of(row).is_none());
        self.counts.statistics += u64::from(row.is_none());
        row.map(|row| Outgoing { message: row.to_message(now()), has_origin: true, is_json: true })
    }

    fn raw(&self, line: &Line) -> Option<Vec<u8>> {
        Some(line.bytes.trim_ascii_end().to_vec())
    }

    /// What is to be done where no file has a line.
    fn turn(&mut self) -> Result<bool, Failure> {
        let (mut waits, mut goes_on) = (false, false);
        for ((.., follower), path) in self.followers.iter_mut().zip(&self.options.files) {
            let failed = |error| unreadable(path, &error);
            match follower.turn().map_err(failed)? {
                Turn::Again => goes_on = true,
                Turn::Switch => {
                    follower.switch().map_err(failed)?;
                    goes_on = true;
                }
                Turn::Wait => waits = true,
                Turn::Done => (),
            }
        }
        if waits && !goes_on {
            std::thread::sleep(POLL);
        }
        Ok(waits || goes_on)
    }

    /// Sends a window until the server has taken each of its datagrams. `is_new`: nothing of it was sent before.
    ///
    /// A number is taken once, so a count that has grown by the window has all of it.
    fn deliver(&mut self, window: &Window, is_new: bool) -> Result<(), Failure> {
        let mut patience = Patience::new(self.options.follow);
        let (base, all) = (self.row(&mut patience)?, window.packed.len() as u64);
        let due = if is_new { base.datagrams } else { self.state.sequence } + all;
        for raw in &window.raw {
            self.send(raw);
        }
        let (mut has, mut idle) = (base.datagrams, 0);
        for round in 0.. {
            // A count that cannot come to this is one of a server that has not all of before, or that has forgotten us.
            if has + all < due || has > due || idle >= ROUNDS_IDLE_MAX {
                break;
            }
            // Each time in another order, since a network may lose by a pattern.
            let turn = round * TURN % window.packed.len();
            let (later, first) = window.packed.split_at(turn);
            first.iter().chain(later).for_each(|(_, packed)| self.send(&packed.bytes));
            let row = self.settle(&mut patience, QUIET_NEW, |row| row.datagrams >= due)?;
            if row.datagrams == due {
                return Ok(());
            }
            idle = if row.datagrams == has { idle + 1 } else { 0 };
            has = row.datagrams;
        }
        self.deliver_anew(window)
    }

    /// Sends a window of which the server may have any part: each datagram must come, be it as a duplicate.
    fn deliver_anew(&mut self, window: &Window) -> Result<(), Failure> {
        // What is still on its way must not be counted for what is sent now.
        std::thread::sleep(QUIET);
        let mut patience = Patience::new(self.options.follow);
        let (mut at, mut chunk) = (0, window.packed.len());
        while at < window.packed.len() {
            let part = &window.packed[at..(at + chunk).min(window.packed.len())];
            let base = self.row(&mut patience)?;
            let (had, all) = (base.datagrams + base.duplicates, part.len() as u64);
            part.iter().for_each(|(_, packed)| self.send(&packed.bytes));
            let row = self.settle(&mut patience, QUIET, |row| row.datagrams + row.duplicates >= had + all)?;
            match (row.datagrams + row.duplicates).saturating_sub(had) {
                0 => patience.again(&self.untaken())?,
                come if come < all => patience = Patience::new(self.options.follow),
                _ => {
                    patience = Patience::new(self.options.follow);
                    at += part.len();
                    continue;
                }
            }
            chunk = (chunk / 2).max(1);
        }
        Ok(())
    }

    /// A socket that refuses is no matter: the server's count tells what has arrived.
    fn send(&mut self, datagram: &[u8]) {
        if self.outlet.send(datagram).is_err()
            && let Ok(outlet) = Outlet::open(&self.options.to)
        {
            self.outlet = outlet;
            let _ = self.outlet.send(datagram);
        }
    }

    fn untaken(&self) -> String {
        let (address, to) = (self.arrival.address(), &self.options.to);
        format!("{address} does not take what is sent to {to}: does it listen there, and are its keys ours?")
    }

    /// The server's count, as soon as there is one.
    fn row(&self, patience: &mut Patience) -> Result<Row, Failure> {
        loop {
            match self.arrival.row(self.origin.sender) {
                Ok(row) => return Ok(row),
                Err(failure) => patience.again(&failure.to_string())?,
            }
        }
    }

    /// The server's count when it is as wished, or has not changed for a while.
    fn settle(
        &self,
        patience: &mut Patience,
        quiet: Duration,
        is_enough: impl Fn(&Row) -> bool,
    ) -> Result<Row, Failure> {
        let (mut last, mut changed) = (Row::default(), Instant::now());
        let mut wait = Duration::from_millis(1);
        loop {
            let row = self.row(patience)?;
            if is_enough(&row) || (row == last && changed.elapsed() > quiet) {
                return Ok(row);
            }
            if row != last {
                (last, changed) = (row, Instant::now());
            }
            std::thread::sleep(wait);
            wait = (wait * 2).min(Duration::from_millis(20));
        }
    }

    /// The server has the window: the positions move on.
    fn confirm(&mut self, window: &Window) -> Result<(), Failure> {
        self.state.sequence += window.packed.len() as u64;
        self.datagrams += (window.packed.len() + window.raw.len()) as u64;
        self.state.sent.clear();
        for (at, position) in self.positions()?.into_iter().enumerate() {
            let (place, _, follower) = &mut self.followers[at];
            follower.know(position.as_ref());
            if let Some(position) = position.filter(|_| window.packed.iter().any(|(of, _)| *of == at)) {
                self.state.files[*place] = position;
            }
        }
        self.is_dirty = true;
        Ok(())
    }

    fn save_if_dirty(&mut self) -> Result<(), Failure> {
        if self.is_dirty { self.save() } else { Ok(()) }
    }

    fn save(&mut self) -> Result<(), Failure> {
        self.is_dirty = false;
        self.file.save(&self.state).map_err(|error| Failure::failed(format!("--state: cannot be written: {error}")))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// How long one goes on without success.
struct Patience {
    follows: bool,
    began: Instant,
    wait: Duration,
    has_spoken: bool,
}

impl Patience {
    fn new(follows: bool) -> Patience {
        Patience { follows, began: Instant::now(), wait: AGAIN_FIRST, has_spoken: false }
    }

    fn again(&mut self, why: &str) -> Result<(), Failure> {
        let elapsed = self.began.elapsed();
        if !self.follows && elapsed > GIVE_UP_AFTER {
            let hint = "the state file says how far it came, and the same command goes on there";
            return Err(Failure::failed(format!("{why}; {hint}")));
        }
        if elapsed > SAY_AFTER && !self.has_spoken {
            self.has_spoken = true;
            logs::say(&format!("{why}; trying again"));
        }
        std::thread::sleep(self.wait);
        self.wait = (self.wait * 2).min(AGAIN_MOST);
        Ok(())
    }
}
