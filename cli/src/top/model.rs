//! Everything that the screen shows, and how events change it.
use super::grid::{Cell, Pane, Row, Sort, arranged};
use super::keys::{self, Action};
use super::sample::{LINES, Ledger, Sample};
use metlog_query::format::harmless;
use ratatui::crossterm::event::KeyEvent;
use ratatui::widgets::TableState;
use std::collections::{HashMap, VecDeque};

/// Samples that rates are taken from: the last two seconds.
const SAMPLES_MAX: usize = 5;
/// Rates that the chart shows.
const HISTORY_MAX: usize = 240;
/// Longest text to look for.
const WANTED_CHARACTERS_MAX: usize = 100;

/// What happens.
#[derive(Debug)]
pub enum Event {
    Key(KeyEvent),
    /// The terminal has another size: what is drawn is drawn anew.
    Resized,
    Sample(Box<Sample>),
    /// Rows of a table that comes from SQL, or why there are none.
    Rows(Pane, Result<Vec<Row>, String>),
    /// The server does not answer.
    Away(String),
    /// The process is told to end.
    Told,
}

/// A table.
#[derive(Debug)]
pub struct Table {
    pub sort: Sort,
    pub state: TableState,
    /// Of those that come from SQL.
    rows: Result<Vec<Row>, String>,
}

/// The whole state.
#[derive(Debug)]
pub struct Model {
    pub server: String,
    pub has_colour: bool,
    samples: VecDeque<Sample>,
    /// Messages received per second, the newest last.
    pub history: VecDeque<u64>,
    /// Why the server does not answer, if it does not.
    pub away: Option<String>,
    pub pane: Pane,
    tables: [Table; 3],
    /// The text that rows must contain.
    pub wanted: String,
    pub is_typing: bool,
    pub is_paused: bool,
    pub shows_help: bool,
}

impl Model {
    pub fn new(server: &str, has_colour: bool) -> Model {
        let table =
            |pane| Table { sort: Sort::of(pane), state: TableState::default(), rows: Err("loading".to_owned()) };
        Model {
            server: harmless(server),
            has_colour,
            samples: VecDeque::new(),
            history: VecDeque::new(),
            away: None,
            pane: Pane::Senders,
            tables: Pane::ALL.map(table),
            wanted: String::new(),
            is_typing: false,
            is_paused: false,
            shows_help: false,
        }
    }

    /// Takes an event; true where it ends the program.
    pub fn update(&mut self, event: Event) -> bool {
        match event {
            Event::Told => return true,
            Event::Resized => (),
            Event::Key(key) => {
                if let Some(action) = keys::action(key, self.is_typing, self.shows_help) {
                    return self.act(action);
                }
            }
            Event::Away(why) => self.away = Some(why),
            Event::Sample(sample) => {
                self.away = None;
                if !self.is_paused {
                    self.push(*sample);
                }
            }
            Event::Rows(pane, rows) if !self.is_paused => self.table_mut(pane).rows = rows,
            Event::Rows(..) => (),
        }
        false
    }

    fn push(&mut self, sample: Sample) {
        let is_new_server = self.latest().is_some_and(|last| sample.ledger.received < last.ledger.received);
        if is_new_server {
            self.samples.clear();
        }
        self.samples.push_back(sample);
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
        if let Some(rate) = self.rate(|ledger| ledger.received) {
            self.history.push_back(rate.round() as u64);
            while self.history.len() > HISTORY_MAX {
                self.history.pop_front();
            }
        }
    }

    fn act(&mut self, action: Action) -> bool {
        let pane = self.pane;
        let columns = pane.heads().len();
        let last = self.rows(pane).map_or(0, |rows| rows.len().saturating_sub(1));
        match action {
            Action::Quit => return true,
            Action::Help => self.shows_help = !self.shows_help,
            Action::Pause => self.is_paused = !self.is_paused,
            Action::Next(step) => {
                let at = Pane::ALL.iter().position(|other| *other == pane).unwrap_or_default();
                self.pane = Pane::ALL[(at + step) % Pane::ALL.len()];
            }
            Action::Sort(step) => {
                let table = self.table_mut(pane);
                table.sort = Sort::by(pane, (table.sort.column + columns).saturating_add_signed(step) % columns);
            }
            Action::Reverse => {
                let sort = &mut self.table_mut(pane).sort;
                sort.is_descending = !sort.is_descending;
            }
            Action::Move(rows) => {
                let state = &mut self.table_mut(pane).state;
                // The first step down chooses the first row.
                let at = state.selected().unwrap_or_default().saturating_add_signed(rows);
                let selected = if state.selected().is_none() && rows == 1 { 0 } else { at };
                state.select(Some(selected.min(last)));
            }
            Action::Type => self.is_typing = true,
            Action::Letter(letter) if self.wanted.chars().count() < WANTED_CHARACTERS_MAX => self.wanted.push(letter),
            Action::Letter(_) => (),
            Action::Back => drop(self.wanted.pop()),
            Action::Done => self.is_typing = false,
            Action::Clear => {
                self.wanted.clear();
                self.is_typing = false;
            }
        }
        false
    }

    /// The newest sample.
    pub fn latest(&self) -> Option<&Sample> {
        self.samples.back()
    }

    /// Per second, from the difference of what was counted; none before there are two samples.
    pub fn rate(&self, count: impl Fn(&Ledger) -> u64) -> Option<f64> {
        let (first, last) = self.ends()?;
        per_second(count(&first.ledger), count(&last.ledger), last.at - first.at)
    }

    fn ends(&self) -> Option<(&Sample, &Sample)> {
        Some((self.samples.front()?, self.samples.back()?))
    }

    pub fn table(&self, pane: Pane) -> &Table {
        &self.tables[pane as usize]
    }

    pub fn table_mut(&mut self, pane: Pane) -> &mut Table {
        &mut self.tables[pane as usize]
    }

    /// The rows of a table as they are shown, or why there are none.
    ///
    /// # Errors
    /// In words.
    pub fn rows(&self, pane: Pane) -> Result<Vec<Row>, String> {
        let rows = match pane {
            Pane::Senders => self.senders(),
            _ => self.table(pane).rows.clone()?,
        };
        Ok(arranged(rows, self.table(pane).sort, &self.wanted))
    }

    fn senders(&self) -> Vec<Row> {
        let Some((first, last)) = self.ends() else { return Vec::new() };
        let before: HashMap<&str, u64> =
            first.senders.iter().map(|sender| (sender.sender.as_str(), sender.datagrams)).collect();
        let newest = last.senders.iter().map(|sender| sender.last_seen).max().unwrap_or_default();
        let row = |sender: &super::sample::Sender| {
            let before = before.get(sender.sender.as_str()).copied().unwrap_or_default();
            let rate = per_second(before, sender.datagrams, last.at - first.at);
            vec![
                Cell::Text(sender.hostname.clone()),
                Cell::Text(sender.logger.clone()),
                Cell::Whole(sender.pid),
                Cell::Number(sender.datagrams as f64),
                rate.map_or(Cell::Unknown, Cell::Number),
                Cell::Number(sender.lost as f64),
                Cell::Number(sender.late as f64),
                Cell::Number(sender.dropped as f64),
                Cell::Ago((newest - sender.last_seen) as f64 / 1e6),
            ]
        };
        last.senders.iter().map(row).collect()
    }

    /// What is wrong, in words; empty where nothing is.
    pub fn wrongs(&self) -> Vec<String> {
        let Some(sample) = self.latest() else { return Vec::new() };
        let growing = LINES.iter().filter(|line| line.is_loss && self.rate(line.count).is_some_and(|rate| rate > 0.0));
        let growing = growing.map(|line| format!("{} is growing", line.name.trim_start_matches("+ ")));
        sample.health.problems.iter().cloned().chain(growing).collect()
    }
}

fn per_second(before: u64, now: u64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| now.saturating_sub(before) as f64 / seconds)
}
