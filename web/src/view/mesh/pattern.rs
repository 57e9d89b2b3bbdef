//! What a whole heat map looks like, in words: the patterns that Pingmesh's operators read, named when they are seen. Pure.
use super::matrix::{Cell, Grade, Matrix, Measure};

/// A share of cells that makes a row, a column or a map.
const MOST: f64 = 0.8;

/// Groups that a pattern needs.
const GROUPS_MIN: usize = 3;

/// The patterns of a map, each as a sentence. One that is all good says so.
pub(super) fn patterns(matrix: &Matrix, measure: Measure, level: &str) -> Vec<String> {
    let count = matrix.names.len();
    if count < GROUPS_MIN {
        return Vec::new();
    }
    let is_bad = |cell: Cell| matches!(cell, Cell::Value(value) if measure.grade(value) == Grade::Bad);
    let is_white = |cell: Cell| cell == Cell::NoData;
    let mut found = Vec::new();
    for (at, name) in matrix.names.iter().enumerate() {
        let others = (0..count).filter(|other| *other != at);
        let (mut row, mut column) = (Vec::new(), Vec::new());
        for other in others {
            row.push(matrix.cells[at][other]);
            column.push(matrix.cells[other][at]);
        }
        if share(&row, is_white) >= MOST && share(&column, is_bad) >= MOST {
            found.push(format!("White row and red column: {level} {name} is down."));
        } else if share(&row, is_white) >= MOST && !row.is_empty() {
            found.push(format!("White row: {level} {name} does not report."));
        } else if share(&row, is_bad) >= MOST && share(&column, is_bad) >= MOST {
            found.push(format!("Red cross: all that goes to and from {level} {name} is bad, so its own switches or links are to blame."));
        } else if share(&row, is_bad) >= MOST {
            found.push(format!("Red row: what goes out from {level} {name} is bad."));
        } else if share(&column, is_bad) >= MOST {
            found.push(format!("Red column: what goes to {level} {name} is bad."));
        }
    }
    let (mut own, mut other) = (Vec::new(), Vec::new());
    for (source, row) in matrix.cells.iter().enumerate() {
        for (target, cell) in row.iter().enumerate() {
            if source == target { own.push(*cell) } else { other.push(*cell) }
        }
    }
    let is_good = |cell: Cell| matches!(cell, Cell::Value(value) if measure.grade(value) == Grade::Good);
    if share(&other, is_bad) >= MOST {
        // Each of them is a red cross too: one sentence says more than one for each.
        found = match share(&own, is_good) >= MOST {
            true => vec![format!("Green diagonal, red elsewhere: within each {level} all is well, so the spine between them is to blame.")],
            false => vec!["Red everywhere.".to_owned()],
        };
    }
    let known: Vec<Cell> = matrix.cells.iter().flatten().copied().filter(|cell| matches!(cell, Cell::Value(_))).collect();
    if found.is_empty() && !known.is_empty() && known.iter().all(|cell| is_good(*cell)) {
        found.push("All green.".to_owned());
    }
    found
}

/// Which share of the cells that are probed is so; nothing of no cells.
fn share(cells: &[Cell], is_so: impl Fn(Cell) -> bool) -> f64 {
    let probed: Vec<&Cell> = cells.iter().filter(|cell| !matches!(cell, Cell::NotProbed | Cell::Leaving)).collect();
    if probed.is_empty() {
        return 0.0;
    }
    probed.iter().filter(|cell| is_so(***cell)).count() as f64 / probed.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(cell: impl Fn(usize, usize) -> Cell) -> Matrix {
        let names = (0..5).map(|n| format!("r{n}")).collect();
        Matrix { names, cells: (0..5).map(|row| (0..5).map(|column| cell(row, column)).collect()).collect() }
    }

    fn named(cell: impl Fn(usize, usize) -> f64) -> Vec<String> {
        let cell = |row, column| match cell(row, column) {
            value if value.is_nan() => Cell::NoData,
            value => Cell::Value(value),
        };
        patterns(&matrix(cell), Measure::Loss, "rack")
    }

    #[test]
    fn each_pattern_is_named_and_no_other() {
        let one = |found: Vec<String>| {
            assert_eq!(found.len(), 1, "{found:?}");
            found[0].split(':').next().unwrap_or_default().to_owned()
        };
        assert_eq!(one(named(|_, _| 0.0)), "All green.");
        let down = |row, column| if row == 2 { f64::NAN } else if column == 2 { 100.0 } else { 0.0 };
        assert_eq!(one(named(down)), "White row and red column");
        assert_eq!(one(named(|row, column| if row != column && (row == 2 || column == 2) { 20.0 } else { 0.0 })), "Red cross");
        assert_eq!(one(named(|row, column| if row == 2 && column != 2 { 20.0 } else { 0.0 })), "Red row");
        assert_eq!(one(named(|row, column| if column == 2 && row != 2 { 20.0 } else { 0.0 })), "Red column");
        assert_eq!(one(named(|row, column| if row == column { 0.0 } else { 2.0 })), "Green diagonal, red elsewhere");
        assert_eq!(one(named(|_, _| 2.0)), "Red everywhere.");
        assert!(named(|row, column| if (row, column) == (1, 2) { 20.0 } else { 0.0 }).is_empty(), "one bad pair is no pattern");
        let unknown = matrix(|row, column| if row == column { Cell::Value(0.0) } else { Cell::NotProbed });
        assert_eq!(patterns(&unknown, Measure::Loss, "zone"), ["All green."]);
    }
}
