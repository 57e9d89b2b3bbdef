//! Addresses and messages of `/submit`.
use super::*;
use metlog_schemas::rows::MessageRows;
use proptest::prelude::*;

#[test]
fn addresses_are_validated() {
    let some = |logger: &str, id: Option<&str>| Ok((logger.to_owned(), id.map(str::to_owned)));
    assert_eq!(address("/submit/sync"), some("sync", None));
    assert_eq!(address("/submit/sync/"), some("sync", None));
    assert_eq!(address("/submit/a%20b%2Fc/1-2_3.x"), some("a b/c", Some("1-2_3.x")));
    let (long, long_id) = ("x".repeat(256), format!("/submit/a/{}", "1".repeat(65)));
    for wrong in ["/submit/", "/submit/%ff", "/submit/%0a", "/submit/a/b/c", "/submit/a/b%20", &long_id] {
        assert!(address(wrong).is_err(), "{wrong}");
    }
    assert!(address(&format!("/submit/{long}")).is_err());
}

#[test]
fn ids_are_uuids() {
    let id = new_id();
    assert_eq!(id.len(), 36);
    assert_eq!((&id[14..15], id.matches('-').count()), ("4", 4));
    assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
    assert_ne!(id, new_id());
}

fn decoded(item: &[u8]) -> Option<(String, Option<String>)> {
    let mut rows = MessageRows::default();
    let row = metlog_json::Decoder::default().decode(item, &mut rows).ok()?;
    Some((row.to_message(0).logger, row.field_value("submit_id").map(str::to_owned)))
}

#[test]
fn the_logger_of_the_address_is_that_of_the_message() {
    let ending = ending("a\"b", Some("7"));
    for item in [
        r#"{"type":"t"}"#,
        r#"{"type":"t","logger":"other"} "#,
        "{\"type\":\"t\",\n \"logger\":null\n}\n",
        r#"{"logger":"x","type":"t","fields":{"logger":"y","n":{}}}"#,
        r#"{"type":"t","submit_id":"0","fields":{"a":1}}"#,
    ] {
        let (logger, id) = decoded(&with_ending(item.as_bytes().to_vec(), &ending)).unwrap();
        assert_eq!(logger, "a\"b", "{item}");
        assert!(id.is_some(), "{item}");
    }
    assert_eq!(with_ending(b" { } ".to_vec(), &ending), b" {\"logger\":\"a\\\"b\",\"submit_id\":\"7\"}");
}

proptest! {
    /// Whatever a message is: it is accepted with its ending where it was without, and then the logger is that one.
    #[test]
    fn nothing_escapes_its_logger(item in r#"\{("type":"t")?[{}\[\],:"\\a1 \n]{0,24}\}?"#) {
        let before = decoded(item.as_bytes());
        let after = decoded(&with_ending(item.clone().into_bytes(), &ending("wanted", None)));
        prop_assert_eq!(before.is_some(), after.is_some(), "{}", item);
        prop_assert!(after.is_none_or(|(logger, _)| logger == "wanted"));
    }
}
