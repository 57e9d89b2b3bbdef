//! What the screen shows and what keys do, on a terminal that is made up.
use super::grid::{Cell, Pane, short, span};
use super::model::{Event, Model};
use super::sample::{Sample, Sender, Sink};
use super::{once, screen};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

fn sample(at: f64, received: u64) -> Sample {
    let senders = (0..150_u32).map(|n| Sender {
        sender: format!("{n:016x}"),
        hostname: format!("web-{n:03}"),
        logger: "accounts".into(),
        pid: i64::from(n),
        datagrams: u64::from(n) * 10 + received / 100,
        lost: if n == 42 { 7 } else { 0 },
        last_seen: 1_000_000 * i64::from(n),
        ..Sender::default()
    });
    let mut sample = Sample { at, clock: "12:03:04Z".into(), senders: senders.collect(), ..Sample::default() };
    sample.health.ok = true;
    sample.ledger.received = received;
    sample.ledger.stored = received - 5;
    sample.ledger.held = 5;
    sample.sinks.journal.bytes = 10 << 20;
    sample.sinks.journal.budget_bytes = 1 << 30;
    sample.sinks.sinks = vec![
        Sink { sink: "parquet".into(), segments_waiting: 1, lag_seconds: 3.0, ..Sink::default() },
        Sink {
            sink: "graphite".into(),
            failing: Some("connection refused".into()),
            lag_seconds: 200.0,
            ..Sink::default()
        },
    ];
    sample
}

fn model() -> Model {
    let mut model = Model::new("127.0.0.1:5580", true);
    model.update(Event::Sample(Box::new(sample(0.0, 1_000))));
    model.update(Event::Sample(Box::new(sample(0.5, 1_600))));
    model
}

fn key(model: &mut Model, code: KeyCode) -> bool {
    model.update(Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn keys(model: &mut Model, text: &str) {
    text.chars().for_each(|letter| assert!(!key(model, KeyCode::Char(letter)), "{letter} ends it"));
}

fn lines(model: &mut Model, columns: u16, rows: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    terminal.draw(|frame| screen::draw(frame, model)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row| (0..columns).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    (0..rows).map(line).collect()
}

#[track_caller]
fn shows(lines: &[String], text: &str) {
    assert!(lines.iter().any(|line| line.contains(text)), "no `{text}` in\n{}", lines.join("\n"));
}

#[test]
fn all_is_on_a_small_terminal() {
    let mut model = model();
    let lines = lines(&mut model, 80, 24);
    assert!(lines[0].starts_with("metlog top  127.0.0.1:5580  accepting messages, nothing is wrong"), "{}", lines[0]);
    assert!(lines[0].ends_with("12:03:04Z"));
    // 600 messages in half a second.
    shows(&lines, "received                   1,600   1200/s");
    shows(&lines, "Received: 1,200/s");
    shows(&lines, "+ held                         5");
    shows(&lines, "journal   10 of 1024 MiB");
    shows(&lines, "parquet   ok, 3s behind");
    shows(&lines, "!graphite  failing, 3m behind");
    shows(&lines, "[Senders] Types  Names");
    shows(&lines, "by lost ↓");
    shows(&lines, "1-8 of 150");
    // What has losses comes first, and says so without a colour.
    assert!(lines[14].contains("web-042") && lines[14].contains("!7"), "{}", lines[14]);
    assert!(lines[23].starts_with("q quit  ? help"));
}

#[test]
fn rates_are_differences_of_the_last_seconds() {
    let mut model = model();
    for half in 2..20_u32 {
        model.update(Event::Sample(Box::new(sample(f64::from(half) * 0.5, 1_600 + u64::from(half) * 50))));
    }
    assert_eq!(model.rate(|ledger| ledger.received), Some(100.0));
    // The server starts again, and counts from the beginning.
    model.update(Event::Sample(Box::new(sample(20.0, 10))));
    assert_eq!(model.rate(|ledger| ledger.received), None);
    model.update(Event::Sample(Box::new(sample(20.5, 20))));
    assert_eq!(model.rate(|ledger| ledger.received), Some(20.0));
}

#[test]
fn tables_are_sorted_scrolled_and_filtered() {
    let mut model = model();
    let first = |model: &mut Model| lines(model, 100, 24)[14].clone();
    keys(&mut model, "G");
    shows(&lines(&mut model, 100, 24), "143-150 of 150");
    keys(&mut model, "g");
    shows(&lines(&mut model, 100, 24), "1-8 of 150");
    // From `lost` to `late`, `dropped`, `seen`, and round to `host`.
    keys(&mut model, "ssss");
    assert!(first(&mut model).contains("web-000"));
    keys(&mut model, "r");
    assert!(first(&mut model).contains("web-149"));
    key(&mut model, KeyCode::Left);
    shows(&lines(&mut model, 100, 24), "by seen ↓");
    keys(&mut model, "/WEB-14q");
    key(&mut model, KeyCode::Backspace);
    key(&mut model, KeyCode::Enter);
    shows(&lines(&mut model, 100, 24), "1-8 of 10");
    shows(&lines(&mut model, 100, 24), "with \"WEB-14\"");
    key(&mut model, KeyCode::Esc);
    shows(&lines(&mut model, 100, 24), "of 150");
    key(&mut model, KeyCode::Tab);
    shows(&lines(&mut model, 100, 24), "loading");
    let rows = vec![vec![
        Cell::Text("login".into()),
        Cell::Text("web".into()),
        Cell::Number(9e6),
        Cell::Number(1.5e5),
        Cell::Number(3.0),
    ]];
    model.update(Event::Rows(Pane::Types, Ok(rows)));
    shows(&lines(&mut model, 100, 24), "9.0M");
    assert!(key(&mut model, KeyCode::Char('q')));
}

#[test]
fn what_is_shown_outlives_sizes_and_pauses() {
    let mut model = model();
    keys(&mut model, "jjj");
    for (columns, rows) in [(80, 24), (200, 60), (60, 18), (10, 3), (1, 1), (80, 24)] {
        lines(&mut model, columns, rows);
    }
    shows(&lines(&mut model, 30, 10), "too small");
    assert_eq!(model.table(Pane::Senders).state.selected(), Some(2));
    keys(&mut model, "p");
    model.update(Event::Sample(Box::new(sample(1.0, 99_999))));
    let paused = lines(&mut model, 80, 24);
    shows(&paused, "PAUSED");
    shows(&paused, "1,600");
    keys(&mut model, "?");
    shows(&lines(&mut model, 80, 24), "sort by the next or previous column");
    assert!(!key(&mut model, KeyCode::Char('q')), "q closes the help first");
}

#[test]
fn what_goes_wrong_is_said() {
    let mut model = Model::new("h:1", true);
    shows(&lines(&mut model, 80, 24), "connecting");
    model.update(Event::Away("nothing answers at h:1".into()));
    shows(&lines(&mut model, 80, 24), "! no connection, trying again: nothing answers");
    model.update(Event::Sample(Box::new(sample(0.0, 10))));
    let mut bad = sample(0.5, 10);
    bad.health.problems = vec!["the disk is full".into()];
    bad.ledger.rejected = 3;
    model.update(Event::Sample(Box::new(bad.clone())));
    let shown = lines(&mut model, 80, 24);
    shows(&shown, "! the disk is full; rejected is growing");
    shows(&shown, "!+ rejected                     3      6/s");
    bad.health.ok = false;
    bad.at = 1.0;
    model.update(Event::Sample(Box::new(bad)));
    shows(&lines(&mut model, 80, 24), "NOT accepting messages: the disk is full");
}

/// Scenario: a sender calls itself what a terminal obeys.
/// Guarantees: no such character reaches the screen or the text.
#[test]
fn escape_sequences_in_names_are_harmless() {
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}\r\nx";
    let health = serde_json::from_value(json!({"ok": true, "problems": [evil]})).unwrap();
    let senders = serde_json::from_value(json!([{"sender": evil, "hostname": evil, "logger": evil}])).unwrap();
    let sinks = serde_json::from_value(json!({"sinks": [{"sink": evil, "failing": evil}]})).unwrap();
    let mut model = Model::new(evil, true);
    let sample = Sample { health, senders, sinks, ..sample(0.0, 10) };
    model.update(Event::Sample(Box::new(sample)));
    let shown = lines(&mut model, 200, 24);
    shows(&shown, "\\u{1b}[2J");
    model.update(Event::Rows(Pane::Types, Err("x".into())));
    for text in [shown.join(""), once::written(&model).replace('\n', "")] {
        assert!(!text.chars().any(|c| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
}

#[test]
fn without_colours_nothing_is_coloured() {
    let mut model = model();
    model.has_colour = false;
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| screen::draw(frame, &mut model)).unwrap();
    let cells = &terminal.backend().buffer().content;
    let plain = ratatui::style::Color::Reset;
    assert!(cells.iter().all(|cell| cell.fg == plain && cell.bg == plain));
}

#[test]
fn once_is_plain_text_with_every_row() {
    let text = once::written(&model());
    assert!(text.starts_with("127.0.0.1:5580  12:03:04Z  accepting messages\n"), "{text}");
    assert_eq!(text.lines().filter(|line| line.starts_with("web-")).count(), 150);
    assert!(text.contains("graphite                           0         3m  failing: connection refused"), "{text}");
}

#[test]
fn numbers_are_short() {
    let numbers = [0.0, 1.0, 0.25, 0.012, 99.55, 9_999.0, 12_345.0, 123_456.0, 1_234_567.0, -5e9];
    let shown = ["0", "1", "0.2", "0.01", "99.5", "9999", "12.3k", "123k", "1.2M", "-5.0G"];
    assert_eq!(numbers.map(short), shown);
    assert_eq!([0.0, 59.0, 119.0, 120.0, 7_200.0, 172_800.0].map(span), ["0s", "59s", "119s", "2m", "2h", "2d"]);
}
