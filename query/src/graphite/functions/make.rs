//! Functions that make series of nothing.
use super::super::number::shortest;
use super::super::series::Series;
use super::{Args, Context, Spec, Type, needed, optional, spec};

pub(super) const ALL: &[Spec] = &[
    spec("constantLine", "Special", "A line at a number.", &[needed("value", Type::Float)], |c, a| {
        Ok(vec![line(c, a)])
    }),
    spec(
        "threshold",
        "Special",
        "A line at a number, with a name.",
        &[needed("value", Type::Float), optional("label", Type::Text, "null"), optional("color", Type::Text, "null")],
        |c, a| {
            let label = a.text(1).filter(|label| !label.is_empty()).map(str::to_owned);
            let line = line(c, a);
            Ok(vec![Series { name: label.unwrap_or_else(|| line.name.clone()), ..line }])
        },
    ),
];

fn line(context: &Context, args: &Args) -> Series {
    let value = args.number(0).unwrap_or_default();
    let step = ((context.until - context.from) as f64 / 2.0) as i64;
    let text = shortest(value);
    let series = Series::new(text.clone(), (context.from, context.until, step), vec![Some(value); 3]);
    Series { expression: format!("constantLine({text})"), x_files_factor: context.x_files_factor, ..series }
}
