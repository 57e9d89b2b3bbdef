//! What formats of spans share: how an operator is shown their content, and how rules of privacy reach it.
use super::{Decoded, Entry, Format, Redacted, Redactor, UNREADABLE};
use crate::rows::MessageRows;
use crate::span::SpanRows;
use serde_json::{Value, json};

/// Decodes a datagram by itself.
fn decoded<F: Format>(datagram: &[u8]) -> Decoded {
    let (mut scratch, mut out) = (super::Scratch::default(), Decoded::default());
    F::decode(datagram, Entry { index: 0, received_at: 0 }, &mut scratch, &mut out);
    out
}

/// Each row that a datagram becomes, and what of it is refused.
///
/// # Errors
/// If nothing of it can be read, the reason.
pub(super) fn describe<F: Format>(datagram: &[u8]) -> Result<Vec<Value>, String> {
    let mut out = decoded::<F>(datagram);
    let batches = [out.rows.of::<SpanRows>().finish(), out.rows.of::<MessageRows>().finish()];
    let mut values = Vec::new();
    for batch in batches {
        let mut writer = arrow::json::ArrayWriter::new(Vec::new());
        let batch = batch.map_err(|error| error.to_string())?;
        writer.write(&batch).and_then(|()| writer.finish()).map_err(|error| error.to_string())?;
        let rows: Option<Vec<Value>> = serde_json::from_slice(&writer.into_inner()).ok();
        values.extend(rows.unwrap_or_default());
    }
    if values.is_empty()
        && let Some((reason, _)) = out.counts.rejected.first()
    {
        return Err((*reason).to_owned());
    }
    values.extend(out.counts.rejected.iter().map(|(reason, count)| json!({"refused": reason, "count": count})));
    Ok(values)
}

/// Applies rules of privacy.
pub(super) fn redact<F: Format>(datagram: &[u8], _: &dyn Redactor) -> Redacted {
    Redacted { rejected: vec![(UNREADABLE, F::count(datagram))], ..Redacted::default() }
}
