//! What is written, in each format, for the same rows; and that no format holds more than it must.
use super::*;
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::ArrayRef;
use arrow::array::{BinaryArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema};
use std::cell::Cell;
use std::rc::Rc;

fn check(format: Format, expected: &str) {
    let times = TimestampMicrosecondArray::from(vec![Some(1), None]).with_timezone("UTC");
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("n", Arc::new(Int64Array::from(vec![Some(i64::MAX), None]))),
        ("t", Arc::new(times)),
        ("n", Arc::new(StringArray::from(vec!["a,b", ""]))),
        ("x", Arc::new(Float64Array::from(vec![f64::NAN, 0.5]))),
        ("b", Arc::new(BinaryArray::from(vec![b"\x01\xff".as_slice(), b""]))),
    ];
    let fields = columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = Writer::new(format, &schema, Vec::new()).unwrap();
    writer.write(&batch.slice(0, 1)).unwrap();
    writer.write(&batch.slice(1, 1)).unwrap();
    assert_eq!(String::from_utf8(writer.finish().unwrap()).unwrap(), expected, "{format:?}");
}

#[test]
fn every_format_for_the_same_rows() {
    let first = r#"{"n":9223372036854775807,"t":"1970-01-01T00:00:00.000001Z","n_2":"a,b","x":null,"b":"01ff"}"#;
    let second = r#"{"n":null,"t":null,"n_2":"","x":0.5,"b":""}"#;
    check(Format::Json, &format!("[{first},{second}]"));
    check(Format::Ndjson, &format!("{first}\n{second}\n"));
    let csv = "n,t,n,x,b\n9223372036854775807,1970-01-01T00:00:00.000001Z,\"a,b\",NaN,01ff\n,,,0.5,\n";
    check(Format::Csv, csv);
    let table = "\
+---------------------+-----------------------------+-----+-----+-----------------+
|                   n | t                           | n   |   x | b               |
+---------------------+-----------------------------+-----+-----+-----------------+
| 9223372036854775807 | 1970-01-01T00:00:00.000001Z | a,b | NaN | <2 bytes: 01ff> |
|                     |                             |     | 0.5 | <0 bytes>       |
+---------------------+-----------------------------+-----+-----+-----------------+
(2 rows)
";
    check(Format::Table, table);
}

#[test]
fn a_result_without_rows_still_has_columns() {
    let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, true)]));
    for (format, expected) in [(Format::Json, "[]"), (Format::Csv, "n\n"), (Format::Ndjson, "")] {
        let written = Writer::new(format, &schema, Vec::new()).unwrap().finish().unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
    let table = Writer::new(Format::Table, &schema, Vec::new()).unwrap().finish().unwrap();
    assert!(String::from_utf8(table).unwrap().contains("| n |"));
}

#[test]
fn names_are_read_back() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let texts: Vec<_> = Format::ALL.into_iter().filter(|format| format.is_text()).map(Format::name).collect();
    assert_eq!(texts, ["table", "json", "csv", "spreadsheet", "ndjson"]);
    assert_eq!(
        "xml".parse::<Format>(),
        Err("`xml` is none of table, json, csv, spreadsheet, ndjson, arrow, parquet".to_owned())
    );
}
fn column(name: &str, values: impl Into<ArrayRef>) -> (String, ArrayRef) {
    (name.to_owned(), values.into())
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[track_caller]
fn check_table(columns: Vec<(String, ArrayRef)>, options: Options, expected: &str) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = Writer::with_options(Format::Table, &batch.schema(), Vec::new(), options).unwrap();
    writer.write(&batch).unwrap();
    let written = String::from_utf8(writer.finish().unwrap()).unwrap();
    assert_eq!(written, expected);
    let width = options.width.unwrap_or(usize::MAX);
    assert!(written.lines().all(|line| text::width(line) <= width), "{written}");
}

#[test]
fn a_table_fits_the_terminal() {
    let columns = || {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![7, 123_456]));
        vec![
            column("payload", texts(&["a rather long text that does not fit", "日本語"])),
            column("count of them", numbers),
            column("host", texts(&["h1", "\u{1b}[2J\u{202e}x"])),
        ]
    };
    let options = |width| Options { width: Some(width), rows_max: None };
    let blocks = "\
-[ row 1 ]----
payl… | a rat…
coun… | 7
host  | h1
-[ row 2 ]----
payl… | 日本語
coun… | 123456
host  | \\u{1b…
(2 rows)
";
    check_table(columns(), options(14), blocks);
    let widest = "\
+--------------------------------------+---------------+--------------------+
| payload                              | count of them | host               |
+--------------------------------------+---------------+--------------------+
| a rather long text that does not fit |             7 | h1                 |
| 日本語                               |        123456 | \\u{1b}[2J\\u{202e}x |
+--------------------------------------+---------------+--------------------+
(2 rows)
";
    check_table(columns(), options(77), widest);
    for width in 10..77 {
        let batch = RecordBatch::try_from_iter(columns()).unwrap();
        let mut writer = Writer::with_options(Format::Table, &batch.schema(), Vec::new(), options(width)).unwrap();
        writer.write(&batch).unwrap();
        let written = String::from_utf8(writer.finish().unwrap()).unwrap();
        let rows = written.lines().filter(|line| !line.starts_with('(')).map(text::width).max();
        assert!(rows <= Some(width), "{width}:\n{written}");
        assert!(!written.contains('\u{1b}') && !written.contains('\u{202e}'));
        let is_table = written.starts_with('+');
        assert!(!is_table || written.contains(" 123456 |"), "{width}: a number is cut:\n{written}");
    }
}

#[test]
fn rows_that_are_not_shown_are_counted() {
    let numbers = |range: std::ops::Range<i64>| column("n", Arc::new(Int64Array::from_iter_values(range)) as ArrayRef);
    let options = Options { width: None, rows_max: Some(2) };
    check_table(vec![numbers(0..5)], options, "+---+\n| n |\n+---+\n| 0 |\n| 1 |\n+---+\n(2 of 5 rows shown)\n");
    check_table(vec![numbers(0..1)], options, "+---+\n| n |\n+---+\n| 0 |\n+---+\n(1 row)\n");
    check_table(vec![numbers(0..0)], options, "+---+\n| n |\n+---+\n+---+\n(0 rows)\n");
}

#[test]
fn a_plan_keeps_its_lines() {
    let columns = vec![
        column("plan_type", texts(&["logical_plan", "physical_plan"])),
        column("plan", texts(&["Projection: a\n  TableScan: m", "Exec\n  \u{1b}[31mScan"])),
    ];
    let expected = "logical_plan\n  Projection: a\n    TableScan: m\nphysical_plan\n  Exec\n    \\u{1b}[31mScan\n";
    check_table(columns, Options::default(), expected);
}

/// Counts what goes through, and the most that came at once.
#[derive(Clone, Default)]
struct Counted {
    bytes: Rc<Cell<usize>>,
    most: Rc<Cell<usize>>,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes.set(self.bytes.get() + bytes.len());
        self.most.set(self.most.get().max(bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Scenario: 900,000 rows in batches, in every format.
/// Guarantees: most of it is written before the last row is known, and little at once, so no format holds the result.
#[test]
fn long_results_are_written_as_they_come() {
    let payloads = (0..9_000).map(|n| format!("message {}", n * 7_919));
    let batch = RecordBatch::try_from_iter([
        column("n", Arc::new(Int64Array::from_iter_values(0..9_000)) as ArrayRef),
        column("payload", Arc::new(StringArray::from_iter_values(payloads)) as ArrayRef),
    ])
    .unwrap();
    for format in Format::ALL {
        let counted = Counted::default();
        let mut writer = Writer::new(format, &batch.schema(), counted.clone()).unwrap();
        (0..100).for_each(|_| writer.write(&batch).unwrap());
        let before = counted.bytes.get();
        writer.finish().unwrap();
        let (all, most) = (counted.bytes.get(), counted.most.get());
        assert!(before > all / 2, "{format:?}: {before} of {all}");
        assert!(most < all / 4, "{format:?}: {most} of {all} at once");
    }
}

#[test]
fn parquet_is_read_back() {
    let columns = vec![
        column("n", Arc::new(Int64Array::from(vec![Some(1), None])) as ArrayRef),
        column("payload", texts(&["x", "y"])),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = Writer::new(Format::Parquet, &batch.schema(), Vec::new()).unwrap();
    writer.write(&batch).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.finish().unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(axum::body::Bytes::from(bytes)).unwrap();
    let codec = reader.metadata().row_group(0).column(0).compression();
    assert!(matches!(codec, ::parquet::basic::Compression::ZSTD(_)), "{codec:?}");
    let batches: Vec<RecordBatch> = reader.build().unwrap().map(Result::unwrap).collect();
    let all = arrow::compute::concat_batches(&batch.schema(), &batches).unwrap();
    assert_eq!(all, arrow::compute::concat_batches(&batch.schema(), [&batch, &batch]).unwrap());
}
