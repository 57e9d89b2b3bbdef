//! The table `messages`: one row a message. Its rows are built in `rows.rs`.
use super::{Column, Definition, Lay, Owner, list_type, map_type, timestamp_type};
use arrow::datatypes::DataType::{Int32, Int64, Utf8};

pub use crate::rows::MessageRows as Rows;

/// See [`super::Table::definition`].
pub(super) fn definition() -> Definition {
    Definition::new(
        "One row per message.",
        &["timestamp"],
        vec![
            Column::new(
                "timestamp",
                timestamp_type(),
                &[Lay::Time],
                "when it happened, by the sender's clock; the time of receipt if the sender gave none",
            ),
            Column::new("received_at", timestamp_type(), &[Lay::Time], "when the listener received it"),
            Column::new(
                "type",
                Utf8,
                &[Lay::Label],
                "what kind of message it is; `event` and `service_check` for those of DogStatsD",
            ),
            Column::new("logger", Utf8, &[Lay::Label], "the program that sent it; may be empty"),
            Column::new(
                "severity",
                Int32,
                &[Lay::Number],
                "0 (emergency) to 7 (debug); 6 if the sender gave none",
            ),
            Column::new("hostname", Utf8, &[Lay::Label], "host of the sender; may be empty"),
            Column::new("pid", Int64, &[Lay::Number], "process of the sender; 0 if it gave none"),
            Column::new(
                "tokens",
                list_type(),
                &[Lay::Word],
                "strings that classify it; may be none: `array_has(tokens, 'login')`",
            ),
            Column::new("payload", Utf8, &[Lay::Text], "its text; may be empty"),
            Column::new(
                "fields",
                map_type(),
                &[Lay::Word, Lay::Word],
                "named values, nested ones under dotted keys: `fields['headers.path']`",
            ),
            Column::new(
                "env_version",
                Utf8,
                &[Lay::Word],
                "version of the envelope: `1` for wire v1, `0.8` for Metlog JSON, unless the sender gave another",
            ),
        ],
    )
    .owned_by(Owner::Column("logger"))
}
