//! A chart of a result that looks like one: a time and numbers become lines, a name and a number become bars.
use crate::ask::Rows;
use crate::number::short;
use crate::part::bars::{Bar, bars};
use crate::part::chart::Shape;
use crate::part::pivot::{Missing, Pivot};
use crate::range::Range;
use crate::text::visible;
use arrow::datatypes::{DataType, Field};
use maud::Markup;

/// Bars of a suggested chart.
const BARS_MAX: usize = 20;

/// Values of a name that become lines; more are a mess.
const LINES_MAX: usize = 30;

/// The chart that a result looks like, if it looks like one.
pub fn suggest(rows: &Rows, range: &Range) -> Option<Markup> {
    if rows.len() < 2 {
        return None;
    }
    let fields = rows.schema.fields();
    let of = |is: fn(&DataType) -> bool| {
        fields.iter().filter(move |field| is(field.data_type())).map(|field| name(field)).collect::<Vec<_>>()
    };
    let times = of(|kind| matches!(kind, DataType::Timestamp(..)));
    let numbers = of(DataType::is_numeric);
    let texts = of(|kind| matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View));
    let all = fields.len();
    match (times.as_slice(), texts.as_slice(), numbers.as_slice()) {
        ([time], [], numbers) if !numbers.is_empty() && all == 1 + numbers.len() => {
            lines(rows, range, time, None, numbers)
        }
        ([time], [text], [number]) if all == 3 => lines(rows, range, time, Some(text), &[number]),
        ([], [text], numbers) if !numbers.is_empty() && all == 1 + numbers.len() => barred(rows, text, numbers[0]),
        _ => None,
    }
}

fn name(field: &Field) -> &str {
    field.name()
}

fn lines(rows: &Rows, range: &Range, time: &str, name: Option<&str>, numbers: &[&str]) -> Option<Markup> {
    let bucket_seconds = bucket_seconds(rows, time)?;
    let is_count =
        numbers.len() == 1 && rows.schema.field_with_name(numbers[0]).is_ok_and(|field| field.data_type().is_integer());
    let missing = if is_count && name.is_some() { Missing::Zero } else { Missing::Gap };
    let pivot = Pivot { time, name, values: numbers.to_vec(), bucket_seconds: 0, missing };
    let mut chart = pivot.chart(rows, range).ok()?;
    if chart.series.len() > LINES_MAX || chart.times.len() < 2 {
        return None;
    }
    let (first, last) = (chart.times.first()?, chart.times.last()?);
    chart.range = Some((*first, last + bucket_seconds * 1_000_000));
    chart.caption = format!("{} over time", numbers.join(", "));
    chart.shape = if missing == Missing::Zero { Shape::Stack } else { Shape::Line };
    Some(chart.show())
}

/// The smallest distance of two times that differ, at least a second.
fn bucket_seconds(rows: &Rows, time: &str) -> Option<i64> {
    let column = rows.column(time)?;
    let mut times: Vec<i64> = rows.iter().filter_map(|row| row[column].time()).collect();
    times.sort_unstable();
    times.dedup();
    times.windows(2).map(|pair| (pair[1] - pair[0]) / 1_000_000).min().map(|seconds| seconds.max(1))
}

fn barred(rows: &Rows, text: &str, number: &str) -> Option<Markup> {
    let (text_at, number_at) = (rows.column(text)?, rows.column(number)?);
    let found: Vec<Bar> = rows
        .iter()
        .take(BARS_MAX)
        .filter_map(|row| {
            let value = row[number_at].number().filter(|value| *value >= 0.0)?;
            Some(Bar { label: visible(&row[text_at].text()), value, shown: short(value) })
        })
        .collect();
    (found.len() > 1).then(|| bars([text, number], &found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
    use std::sync::Arc;

    fn suggested(columns: &[(&str, ArrayRef)]) -> String {
        let batch =
            RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, Arc::clone(column)))).unwrap();
        let rows = Rows { schema: batch.schema(), batches: vec![batch], partial: None };
        suggest(&rows, &Range::usual(0)).map(Markup::into_string).unwrap_or_default()
    }

    #[test]
    fn a_result_that_looks_like_a_chart_becomes_one() {
        let times: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![0, 60_000_000]));
        let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let counts: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let means: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.5]));
        assert!(suggested(&[("t", times.clone()), ("n", counts.clone())]).contains("data-chart"));
        assert!(
            suggested(&[("t", times.clone()), ("name", names.clone()), ("n", counts.clone())])
                .contains("&quot;stack&quot;:true")
        );
        assert!(suggested(&[("t", times.clone()), ("a", means.clone()), ("b", means.clone())]).contains("data-chart"));
        assert!(suggested(&[("name", names.clone()), ("n", counts.clone())]).contains("table class=\"bars\""));
        assert_eq!(suggested(&[("name", names.clone()), ("other", names.clone()), ("n", counts.clone())]), "");
        assert_eq!(suggested(&[("n", counts)]), "");
    }
}
