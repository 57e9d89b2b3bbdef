//! Keys and what they do: arrows and those of vi.
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// Rows that a page has.
const PAGE_ROWS: isize = 10;
/// More rows than any table has.
const ALL_ROWS: isize = isize::MAX / 2;

/// What a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Quit,
    Help,
    Pause,
    /// So many tables further.
    Next(usize),
    /// Sorts by the column so many further.
    Sort(isize),
    Reverse,
    Move(isize),
    /// Begins to type what rows must contain.
    Type,
    Letter(char),
    Back,
    Done,
    Clear,
}

/// Keys and what they do, for people.
pub(super) const HELP: [(&str, &str); 10] = [
    ("Tab, Shift-Tab", "next table: senders, types, names"),
    ("↑ ↓, j k", "one row"),
    ("PgUp PgDn, Ctrl-b Ctrl-f", "ten rows"),
    ("Home End, g G", "first or last row"),
    ("s, → and ←", "sort by the next or previous column"),
    ("r", "reverse the order"),
    ("/", "show only rows that contain a text; Esc clears it"),
    ("p, space", "pause and go on"),
    ("?, h", "this help"),
    ("q, Ctrl-c", "quit"),
];

pub(super) fn action(key: KeyEvent, is_typing: bool, shows_help: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    let has_control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c') if has_control => Some(Action::Quit),
        _ if is_typing => typed(key.code, has_control),
        KeyCode::Esc | KeyCode::Char('q' | '?' | 'h') | KeyCode::Enter if shows_help => Some(Action::Help),
        KeyCode::Char('q') => Some(Action::Quit),
        KeyCode::Char('?' | 'h') | KeyCode::F(1) => Some(Action::Help),
        KeyCode::Char('p' | ' ') => Some(Action::Pause),
        KeyCode::Tab => Some(Action::Next(1)),
        KeyCode::BackTab => Some(Action::Next(super::grid::Pane::ALL.len() - 1)),
        KeyCode::Char('s') | KeyCode::Right => Some(Action::Sort(1)),
        KeyCode::Char('S') | KeyCode::Left => Some(Action::Sort(-1)),
        KeyCode::Char('r') => Some(Action::Reverse),
        KeyCode::Char('j') | KeyCode::Down => Some(Action::Move(1)),
        KeyCode::Char('k') | KeyCode::Up => Some(Action::Move(-1)),
        KeyCode::Char('f') if has_control => Some(Action::Move(PAGE_ROWS)),
        KeyCode::Char('b') if has_control => Some(Action::Move(-PAGE_ROWS)),
        KeyCode::PageDown => Some(Action::Move(PAGE_ROWS)),
        KeyCode::PageUp => Some(Action::Move(-PAGE_ROWS)),
        KeyCode::Char('g') | KeyCode::Home => Some(Action::Move(-ALL_ROWS)),
        KeyCode::Char('G') | KeyCode::End => Some(Action::Move(ALL_ROWS)),
        KeyCode::Char('/') => Some(Action::Type),
        KeyCode::Esc => Some(Action::Clear),
        _ => None,
    }
}

fn typed(code: KeyCode, has_control: bool) -> Option<Action> {
    match code {
        KeyCode::Enter => Some(Action::Done),
        KeyCode::Esc => Some(Action::Clear),
        KeyCode::Backspace => Some(Action::Back),
        KeyCode::Char('u') if has_control => Some(Action::Clear),
        KeyCode::Char(letter) if !has_control => Some(Action::Letter(letter)),
        _ => None,
    }
}
