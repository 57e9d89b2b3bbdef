//! The screen, drawn from the model. It works from 60 columns and 18 rows on, and is made for 80 and 24.
//!
//! Nothing is said by a colour alone: losses have a `!`, what is chosen is in brackets.
use super::grid::{Pane, short, span};
use super::keys::HELP;
use super::model::Model;
use super::sample::{LINES, Sample, Sink};
use crate::plural::grouped;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Row, Sparkline, Table};

/// The smallest terminal.
const COLUMNS_MIN: u16 = 60;
const ROWS_MIN: u16 = 18;
/// The ledger's lines and its border.
const LEDGER_ROWS: u16 = LINES.len() as u16 + 2;
const LEDGER_COLUMNS: u16 = 44;
const CHART_ROWS: u16 = 5;

/// Styles, with colours or without.
#[derive(Debug, Clone, Copy)]
struct Look(bool);

impl Look {
    fn plain(self, colour: Color) -> Style {
        if self.0 { Style::new().fg(colour) } else { Style::new() }
    }

    fn good(self) -> Style {
        self.plain(Color::Green)
    }

    fn warning(self) -> Style {
        self.plain(Color::Yellow)
    }

    fn bad(self) -> Style {
        self.plain(Color::Red).add_modifier(Modifier::BOLD)
    }

    fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// Draws everything.
pub fn draw(frame: &mut Frame, model: &mut Model) {
    let area = frame.area();
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        let text =
            format!("This terminal is too small: {COLUMNS_MIN} columns and {ROWS_MIN} rows are needed. q quits.");
        frame.render_widget(Paragraph::new(text).wrap(ratatui::widgets::Wrap { trim: true }), area);
        return;
    }
    let rows = [Constraint::Length(1), Constraint::Length(LEDGER_ROWS), Constraint::Min(4), Constraint::Length(1)];
    let [head, middle, table, foot] = Layout::vertical(rows).areas(area);
    let columns = [Constraint::Max(LEDGER_COLUMNS), Constraint::Min(20)];
    let [ledger_area, right] = Layout::horizontal(columns).areas(middle);
    let [chart_area, sinks_area] = Layout::vertical([Constraint::Length(CHART_ROWS), Constraint::Min(3)]).areas(right);
    let look = Look(model.has_colour);
    frame.render_widget(header(model, look, head.width), head);
    ledger(frame, ledger_area, model, look);
    chart(frame, chart_area, model, look);
    sinks(frame, sinks_area, model, look);
    rows_of(frame, table, model, look);
    frame.render_widget(footer(model, look), foot);
    if model.shows_help {
        help(frame, area);
    }
}

fn header(model: &Model, look: Look, columns: u16) -> Line<'static> {
    let wrongs = model.wrongs();
    let (state, style) = match (&model.away, model.latest()) {
        (Some(why), _) => (format!("! no connection, trying again: {why}"), look.bad()),
        (None, None) => ("connecting …".to_owned(), look.quiet()),
        (None, Some(sample)) if !sample.health.ok => {
            (format!("! NOT accepting messages: {}", wrongs.join("; ")), look.bad())
        }
        (None, Some(_)) if !wrongs.is_empty() => (format!("! {}", wrongs.join("; ")), look.warning()),
        (None, Some(_)) => ("accepting messages, nothing is wrong".to_owned(), look.good()),
    };
    let paused = if model.is_paused { " PAUSED " } else { "" };
    let clock = model.latest().map(|sample| sample.clock.clone()).unwrap_or_default();
    let left = format!("metlog top  {}  ", model.server);
    let taken = left.chars().count() + paused.len() + clock.chars().count() + 1;
    let room = usize::from(columns).saturating_sub(taken);
    let mut state: String = state.chars().take(room).collect();
    state.extend(std::iter::repeat_n(' ', room.saturating_sub(state.chars().count())));
    Line::from(vec![
        Span::styled(left, look.strong()),
        Span::styled(state, style),
        Span::raw(" "),
        Span::styled(paused, Style::new().add_modifier(Modifier::REVERSED)),
        Span::styled(clock, look.quiet()),
    ])
}

fn ledger(frame: &mut Frame, area: Rect, model: &Model, look: Look) {
    let lines = LINES.iter().map(|line| {
        let count = model.latest().map(|sample| (line.count)(&sample.ledger));
        let rate = model.rate(line.count).filter(|_| line.has_rate);
        let is_loss = line.is_loss && count.is_some_and(|count| count > 0);
        let sign = if is_loss { "!" } else { " " };
        let count = count.map_or("-".to_owned(), grouped);
        let rate = rate.map_or(String::new(), |rate| format!("{}/s", short(rate)));
        let style = if is_loss { look.bad() } else { Style::new() };
        Line::styled(format!("{sign}{:<19}{count:>13} {rate:>8}", line.name), style)
    });
    let block = Block::bordered().title(" Ledger: messages ");
    frame.render_widget(Paragraph::new(lines.collect::<Vec<_>>()).block(block), area);
}

fn chart(frame: &mut Frame, area: Rect, model: &Model, look: Look) {
    let rate = model.rate(|ledger| ledger.received);
    let rate = rate.map_or("-".to_owned(), |rate| grouped(rate.round() as u64));
    let block = Block::bordered().title(format!(" Received: {rate}/s "));
    let columns = usize::from(block.inner(area).width);
    let history: Vec<u64> = model.history.iter().rev().take(columns).rev().copied().collect();
    let most = history.iter().max().copied().unwrap_or_default();
    let block = block.title_bottom(Line::from(format!(" at most {} ", short(most as f64))).right_aligned());
    frame.render_widget(Sparkline::default().block(block).data(history).style(look.good()), area);
}

fn sinks(frame: &mut Frame, area: Rect, model: &Model, look: Look) {
    let block = Block::bordered().title(" Sinks ");
    let inner = block.inner(area);
    let mut lines = model.latest().map_or_else(Vec::new, |sample| {
        let journal = std::iter::once(journal(sample, look));
        journal.chain(sample.sinks.sinks.iter().map(|row| sink(row, look))).collect()
    });
    let room = usize::from(inner.height);
    if lines.len() > room && room > 0 {
        let left = lines.len() - room + 1;
        lines.truncate(room - 1);
        lines.push(Line::styled(format!(" … and {left} more"), look.quiet()));
    }
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn journal(sample: &Sample, look: Look) -> Line<'static> {
    let journal = sample.sinks.journal;
    if journal.budget_bytes == 0 {
        return Line::styled(" journal   (this server does not say)", look.quiet());
    }
    let share = journal.bytes as f64 / journal.budget_bytes as f64;
    let (style, sign) = if share > 0.5 { (look.bad(), "!") } else { (Style::new(), " ") };
    let mib = |bytes: u64| short(bytes as f64 / f64::from(1 << 20));
    let text = format!("{sign}journal   {} of {} MiB", mib(journal.bytes), mib(journal.budget_bytes));
    Line::styled(text, style)
}

fn sink(sink: &Sink, look: Look) -> Line<'static> {
    match &sink.failing {
        Some(why) => {
            Line::styled(format!("!{:<9} failing, {} behind: {why}", sink.sink, span(sink.lag_seconds)), look.bad())
        }
        None if sink.segments_waiting > 0 => {
            Line::raw(format!(" {:<9} ok, {} behind", sink.sink, span(sink.lag_seconds)))
        }
        None => Line::raw(format!(" {:<9} ok", sink.sink)),
    }
}

fn rows_of(frame: &mut Frame, area: Rect, model: &mut Model, look: Look) {
    let pane = model.pane;
    let sort = model.table(pane).sort;
    let found = model.rows(pane);
    let tabs = Pane::ALL.map(|other| match other == pane {
        true => Span::styled(format!("[{}]", other.title()), look.strong()),
        false => Span::styled(format!(" {} ", other.title()), look.quiet()),
    });
    let heads = pane.heads();
    let arrow = if sort.is_descending { "↓" } else { "↑" };
    let mut block = Block::bordered()
        .title(Line::from(tabs.to_vec()))
        .title(Line::from(format!(" by {} {arrow} ", heads[sort.column].title)).right_aligned());
    if !model.wanted.is_empty() {
        block = block.title_bottom(Line::from(format!(" with \"{}\" ", metlog_query::format::harmless(&model.wanted))));
    }
    let rows = match found {
        Ok(rows) if !rows.is_empty() => rows,
        Ok(_) => {
            let none = if model.wanted.is_empty() { "nothing yet" } else { "nothing with this text; Esc clears it" };
            frame.render_widget(Paragraph::new(Line::styled(none, look.quiet())).block(block), area);
            return;
        }
        Err(why) => {
            let why = Paragraph::new(Line::styled(why, look.quiet())).wrap(ratatui::widgets::Wrap { trim: true });
            frame.render_widget(why.block(block), area);
            return;
        }
    };
    let state = &mut model.table_mut(pane).state;
    let last = rows.len() - 1;
    if let Some(selected) = state.selected() {
        state.select(Some(selected.min(last)));
    }
    let loss_columns = |title: &str| matches!(title, "lost" | "dropped" | "errors");
    let drawn = rows.iter().map(|row| {
        Row::new(row.iter().zip(heads).map(|(cell, head)| {
            let is_loss =
                loss_columns(head.title) && matches!(cell, super::grid::Cell::Number(number) if *number > 0.0);
            let text = if is_loss { format!("!{}", cell.shown()) } else { cell.shown() };
            let alignment = if head.is_number { Alignment::Right } else { Alignment::Left };
            Line::styled(text, if is_loss { look.bad() } else { Style::new() }).alignment(alignment)
        }))
    });
    let header = Row::new(heads.iter().enumerate().map(|(at, head)| {
        let title = if at == sort.column { format!("{}{arrow}", head.title) } else { head.title.to_owned() };
        Line::from(title).alignment(if head.is_number { Alignment::Right } else { Alignment::Left })
    }));
    let widths = heads.iter().map(|head| head.width.map_or(Constraint::Fill(1), Constraint::Length));
    let table = Table::new(drawn, widths)
        .header(header.style(look.strong()))
        .block(block)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    frame.render_stateful_widget(table, area, state);
    // Only now it is known which rows are seen.
    let first = state.offset().min(last);
    let until = (first + usize::from(area.height.saturating_sub(3))).min(rows.len());
    let place = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width - 2, height: 1 };
    let seen = Line::from(format!(" {}-{until} of {} ", first + 1, rows.len())).right_aligned();
    let columns = seen.width() as u16;
    frame.render_widget(seen, Rect { x: place.right().saturating_sub(columns), width: columns, ..place });
}

fn footer(model: &Model, look: Look) -> Line<'static> {
    if model.is_typing {
        return Line::from(vec![
            Span::styled(format!("/{}", metlog_query::format::harmless(&model.wanted)), look.strong()),
            Span::raw("▏"),
            Span::styled("  Enter: done  Esc: clear", look.quiet()),
        ]);
    }
    Line::styled("q quit  ? help  Tab table  s sort  r reverse  / filter  p pause  ↑↓ scroll", look.quiet())
}

fn help(frame: &mut Frame, area: Rect) {
    let lines: Vec<Line> = HELP.iter().map(|(keys, meaning)| Line::from(format!(" {keys:<26}{meaning}"))).collect();
    let (columns, rows) = (area.width.min(78), lines.len() as u16 + 2);
    let place = Rect {
        x: area.x + (area.width - columns) / 2,
        y: area.y + area.height.saturating_sub(rows) / 2,
        width: columns,
        height: rows.min(area.height),
    };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), place);
}
