//! Rows for people: a table that fits the terminal, written while rows come.
//!
//! The first rows decide how wide the columns are; after them nothing is held. Where the columns do not fit beside each
//! other, each row is written as a block with a line for each column.
use super::Options;
use super::text::{Cells, harmless, truncate, width};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use std::io::Write;

/// Rows that decide how wide the columns are.
const SAMPLE_ROWS_MAX: usize = 1_000;

/// Most text of such rows.
const SAMPLE_BYTES_MAX: usize = 4 << 20;

/// A column of text is not cut below this many columns of the terminal.
const TEXT_WIDTH_MIN: usize = 8;

/// The line above a block.
const BLOCK_RULE_WIDTH: usize = 40;

pub(super) struct Table<W: Write> {
    out: W,
    options: Options,
    columns: Vec<Column>,
    layout: Option<Layout>,
    /// Rows that wait for the layout.
    sample: Vec<Vec<String>>,
    sample_bytes: usize,
    rows: usize,
    shown: usize,
}

struct Column {
    name: String,
    /// Numbers stand on the right.
    is_number: bool,
    /// Cut numbers and times are wrong ones.
    is_whole: bool,
}

impl Column {
    fn new(field: &Field) -> Column {
        let data_type = field.data_type();
        let is_number = data_type.is_numeric();
        Column { name: harmless(field.name()), is_number, is_whole: is_number || data_type.is_temporal() }
    }
}

enum Layout {
    /// The width of each column.
    Columns(Vec<usize>),
    /// The width of the names.
    Blocks(usize),
}

impl<W: Write> Table<W> {
    pub(super) fn new(schema: &SchemaRef, out: W, options: Options) -> Table<W> {
        let columns = schema.fields().iter().map(|field| Column::new(field)).collect();
        Table { out, options, columns, layout: None, sample: Vec::new(), sample_bytes: 0, rows: 0, shown: 0 }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        let room = self.options.rows_max.map_or(usize::MAX, |rows_max| rows_max.saturating_sub(self.rows));
        self.rows += batch.num_rows();
        let format = FormatOptions::default();
        let columns = batch.columns().iter().map(|column| Cells::new(column, &format));
        let columns: Vec<Cells<'_>> = columns.collect::<Result<_, _>>()?;
        for row in 0..batch.num_rows().min(room) {
            let cells = columns.iter().map(|cells| cells.text(row)).collect::<Result<Vec<_>, _>>()?;
            self.row(cells)?;
        }
        Ok(())
    }

    fn row(&mut self, mut cells: Vec<String>) -> Result<(), ArrowError> {
        if self.layout.is_some() {
            return self.write_row(&cells);
        }
        if let Some(width) = self.options.width {
            cells.iter_mut().for_each(|cell| *cell = truncate(cell, width));
        }
        self.sample_bytes += cells.iter().map(String::len).sum::<usize>();
        self.sample.push(cells);
        match self.sample.len() >= SAMPLE_ROWS_MAX || self.sample_bytes >= SAMPLE_BYTES_MAX {
            true => self.begin(),
            false => Ok(()),
        }
    }

    /// Decides the layout and writes what waited for it.
    fn begin(&mut self) -> Result<(), ArrowError> {
        let layout = layout(&self.columns, &self.sample, self.options.width);
        if let Layout::Columns(widths) = &layout {
            let names = self.columns.iter().zip(widths).map(|(column, width)| {
                format!(" {} |", pad(&truncate(&column.name, *width), *width, column.is_number))
            });
            let names: String = names.collect();
            let rule = rule(widths);
            writeln!(self.out, "{rule}\n|{names}\n{rule}")?;
        }
        self.layout = Some(layout);
        for cells in std::mem::take(&mut self.sample) {
            self.write_row(&cells)?;
        }
        Ok(())
    }

    fn write_row(&mut self, cells: &[String]) -> Result<(), ArrowError> {
        self.shown += 1;
        let mut line = String::new();
        match &self.layout {
            Some(Layout::Columns(widths)) => {
                line.push('|');
                for ((column, cell), width) in self.columns.iter().zip(cells).zip(widths) {
                    let is_cut = self.options.width.is_some() && !column.is_whole;
                    let cut = if is_cut { truncate(cell, *width) } else { cell.clone() };
                    line.extend([" ", &pad(&cut, *width, column.is_number), " |"]);
                }
                writeln!(self.out, "{line}")?;
            }
            Some(Layout::Blocks(names)) => {
                let total = self.options.width.unwrap_or(usize::MAX);
                let title = truncate(&format!("-[ row {} ]", self.shown), total);
                let rest = total.min(BLOCK_RULE_WIDTH).saturating_sub(width(&title));
                writeln!(self.out, "{title}{}", "-".repeat(rest))?;
                for (column, cell) in self.columns.iter().zip(cells) {
                    let name = pad(&truncate(&column.name, *names), *names, false);
                    let room = if column.is_whole { usize::MAX } else { total.saturating_sub(names + 3) };
                    writeln!(self.out, "{name} | {}", truncate(cell, room))?;
                }
            }
            None => (),
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<W, ArrowError> {
        if self.layout.is_none() {
            self.begin()?;
        }
        if let Some(Layout::Columns(widths)) = &self.layout {
            writeln!(self.out, "{}", rule(widths))?;
        }
        let unit = if self.rows == 1 { "row" } else { "rows" };
        match self.shown == self.rows {
            true => writeln!(self.out, "({} {unit})", self.rows)?,
            false => writeln!(self.out, "({} of {} {unit} shown)", self.shown, self.rows)?,
        }
        Ok(self.out)
    }
}

fn rule(widths: &[usize]) -> String {
    widths.iter().fold("+".to_owned(), |rule, width| rule + &"-".repeat(width + 2) + "+")
}

fn pad(text: &str, columns: usize, is_right: bool) -> String {
    let blanks = " ".repeat(columns.saturating_sub(width(text)));
    if is_right { blanks + text } else { text.to_owned() + &blanks }
}

/// Columns as wide as they are, or cut to the terminal; blocks where even then they do not fit.
fn layout(columns: &[Column], sample: &[Vec<String>], total: Option<usize>) -> Layout {
    let widest = |at: usize| sample.iter().filter_map(|cells| cells.get(at)).map(|cell| width(cell)).max();
    // Of each column: how wide it is, and how narrow it may become.
    let bounds = columns.iter().enumerate().map(|(at, column)| {
        let values = widest(at).unwrap_or(0);
        let natural = values.max(width(&column.name)).max(1);
        (natural, if column.is_whole { values.clamp(1, natural) } else { natural.min(TEXT_WIDTH_MIN) })
    });
    let bounds: Vec<(usize, usize)> = bounds.collect();
    let frame = 1 + 3 * columns.len();
    let cut = |cap: usize| bounds.iter().map(|(natural, least)| (*natural).min(cap).max(*least)).collect::<Vec<_>>();
    let Some(total) = total else { return Layout::Columns(cut(usize::MAX)) };
    let fits = |widths: &[usize]| frame + widths.iter().sum::<usize>() <= total;
    // The highest cap that fits; the sum grows with the cap.
    let natural = bounds.iter().map(|(natural, _)| *natural).max().unwrap_or(0);
    let (mut low, mut high) = (0, natural);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(&cut(middle)) { low = middle } else { high = middle - 1 }
    }
    let widths = cut(low);
    match fits(&widths) {
        true => Layout::Columns(widths),
        false => {
            let names = columns.iter().map(|column| width(&column.name)).max().unwrap_or(0);
            // What must not be cut has room, where there is any.
            let whole = columns.iter().enumerate().filter(|(_, column)| column.is_whole);
            let whole = whole.filter_map(|(at, _)| widest(at)).max().unwrap_or(0);
            Layout::Blocks(names.min(total.saturating_sub(whole + 3)).min(total / 2).max(1))
        }
    }
}
