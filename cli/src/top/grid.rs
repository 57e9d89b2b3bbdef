//! The three tables: who sends, what kinds of messages come, and which metric names are the largest. Rows are cells that
//! know how to be sorted and found.
use std::cmp::Ordering;

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    pub title: &'static str,
    /// Columns of the terminal; none for text that shares what is left.
    pub width: Option<u16>,
    pub is_number: bool,
}

const fn text(title: &'static str) -> Head {
    Head { title, width: None, is_number: false }
}

const fn word(title: &'static str, width: u16) -> Head {
    Head { title, width: Some(width), is_number: false }
}

const fn number(title: &'static str, width: u16) -> Head {
    Head { title, width: Some(width), is_number: true }
}

const SENDERS: &[Head] = &[
    text("host"),
    text("logger"),
    number("pid", 8),
    number("datagrams", 11),
    number("per s", 8),
    number("lost", 7),
    number("late", 6),
    number("dropped", 8),
    number("seen", 6),
];
const TYPES: &[Head] = &[text("type"), text("logger"), number("last min", 10), number("per s", 9), number("errors", 8)];
const NAMES: &[Head] =
    &[text("metric name"), word("kind", 8), number("series", 8), number("last 10 min", 12), number("per s", 9)];

/// Which table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    Senders,
    Types,
    Names,
}

impl Pane {
    pub const ALL: [Pane; 3] = [Pane::Senders, Pane::Types, Pane::Names];

    pub fn title(self) -> &'static str {
        match self {
            Pane::Senders => "Senders",
            Pane::Types => "Types",
            Pane::Names => "Names",
        }
    }

    pub fn heads(self) -> &'static [Head] {
        match self {
            Pane::Senders => SENDERS,
            Pane::Types => TYPES,
            Pane::Names => NAMES,
        }
    }

    /// The column that a table is sorted by at first.
    pub fn sorted_by(self) -> usize {
        match self {
            Pane::Senders => 5,
            Pane::Types => 2,
            Pane::Names => 3,
        }
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Text(String),
    Number(f64),
    /// With all its digits: the number of a process.
    Whole(i64),
    /// Seconds ago.
    Ago(f64),
    Unknown,
}

impl Cell {
    /// As it is shown.
    pub fn shown(&self) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => short(*number),
            Cell::Whole(number) => number.to_string(),
            Cell::Ago(seconds) => span(*seconds),
            Cell::Unknown => "-".to_owned(),
        }
    }

    fn compare(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::Text(one), Cell::Text(two)) => one.cmp(two),
            (Cell::Whole(one), Cell::Whole(two)) => one.cmp(two),
            (Cell::Number(one) | Cell::Ago(one), Cell::Number(two) | Cell::Ago(two)) => one.total_cmp(two),
            (Cell::Unknown, Cell::Unknown) => Ordering::Equal,
            (Cell::Unknown, _) => Ordering::Less,
            (_, Cell::Unknown) => Ordering::Greater,
            // A column has cells of one kind.
            _ => Ordering::Equal,
        }
    }
}

/// A row.
pub type Row = Vec<Cell>;

/// How a table is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    pub column: usize,
    pub is_descending: bool,
}

impl Sort {
    pub fn of(pane: Pane) -> Sort {
        Sort::by(pane, pane.sorted_by())
    }

    /// Numbers with the largest first, text from A.
    pub fn by(pane: Pane, column: usize) -> Sort {
        Sort { column, is_descending: pane.heads()[column].is_number }
    }
}

/// The rows in which the text is found, in order. Rows that are equal stay as they were.
pub fn arranged(mut rows: Vec<Row>, sort: Sort, wanted: &str) -> Vec<Row> {
    let wanted = wanted.to_lowercase();
    let is_wanted = |cell: &Cell| matches!(cell, Cell::Text(text) if text.to_lowercase().contains(&wanted));
    rows.retain(|row| wanted.is_empty() || row.iter().any(is_wanted));
    rows.sort_by(|one, two| {
        let order = one[sort.column].compare(&two[sort.column]);
        if sort.is_descending { order.reverse() } else { order }
    });
    rows
}

/// A number in few characters: `999`, `12.3k`, `4.5M`.
pub fn short(number: f64) -> String {
    let size = number.abs();
    for (unit, sign) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")] {
        if size >= unit {
            let unit = if sign == "k" { 1e3 } else { unit };
            let (value, places) = (number / unit, usize::from((size / unit) < 100.0));
            return format!("{value:.places$}{sign}");
        }
    }
    match size {
        size if size == 0.0 || size >= 100.0 || number.fract() == 0.0 => format!("{number:.0}"),
        size if size >= 0.1 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// Seconds in few characters: `0s`, `12s`, `3m`, `5h`, `2d`.
pub fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    for (unit, sign) in [(86_400.0, "d"), (3_600.0, "h"), (60.0, "m")] {
        if seconds >= 2.0 * unit {
            return format!("{:.0}{sign}", (seconds / unit).floor());
        }
    }
    format!("{seconds:.0}s")
}
