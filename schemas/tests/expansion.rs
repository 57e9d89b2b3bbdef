//! What one message of Metlog JSON may become: never much more than it was, and nothing of it is lost.
#![allow(clippy::unwrap_used)]
use metlog_schemas::metlog_json::{Decoder, EXPANSION_BYTES, FIELDS_MAX, REST};
use metlog_schemas::rows::Rows;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

type Fields = Vec<(String, String)>;

fn decode(text: &str) -> Fields {
    let mut rows = Rows::default();
    let row = Decoder::default().decode(text.as_bytes(), &mut rows).unwrap();
    let fields = row.to_message(0).fields;
    row.commit(0);
    assert_eq!(rows.finish().unwrap().num_rows(), 1);
    fields
}

/// Decodes a message of these members, and checks the bounds that the module's documentation promises.
fn decode_bounded(members: &[(String, Json)]) -> Fields {
    let members: Vec<String> = members.iter().map(|(key, value)| format!("{}:{value}", json!(key))).collect();
    let text = format!(r#"{{"type":"t","fields":{{{}}}}}"#, members.join(","));
    let fields = decode(&text);
    let bytes: usize = fields.iter().map(|(key, value)| key.len() + value.len()).sum();
    assert!(bytes <= 4 * text.len() + EXPANSION_BYTES, "{bytes} of {}", text.len());
    assert!(fields.len() <= FIELDS_MAX + 1, "{}", fields.len());
    fields
}

/// The fields of a value, in the plainest way.
fn flat(value: &Json, path: String, fields: &mut Fields) {
    match value {
        Json::Object(members) if !members.is_empty() => {
            members.iter().for_each(|(key, value)| flat(value, format!("{path}.{key}"), fields));
        }
        Json::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(n, item)| flat(item, format!("{path}[{n}]"), fields));
        }
        Json::String(text) => fields.push((path, text.clone())),
        other => fields.push((path, other.to_string())),
    }
}

/// Each member must be there flat, or as its text; beyond so many fields, together.
fn check_nothing_is_lost(members: &[(String, Json)], mut found: &[(String, String)]) {
    let mut rest = serde_json::Map::new();
    for (key, value) in members {
        let mut expected = Vec::new();
        flat(value, key.clone(), &mut expected);
        if found.starts_with(&expected) {
            found = &found[expected.len()..];
        } else if found.first().is_some_and(|(found, text)| found == key && text == &value.to_string()) {
            found = &found[1..];
        } else {
            rest.insert(key.clone(), value.clone());
        }
    }
    match rest.is_empty() {
        true => assert_eq!(found, []),
        false => assert_eq!(found, [(REST.to_owned(), Json::Object(rest).to_string())]),
    }
}

fn check(members: &[(&str, Json)]) -> Fields {
    let members: Vec<_> = members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let fields = decode_bounded(&members);
    check_nothing_is_lost(&members, &fields);
    fields
}

/// Scenario: the datagram of 64 KB that became 2.3 MB of rows.
#[test]
fn a_long_key_over_many_items_stays_small() {
    let bomb = json!(vec![0; 32_000]);
    let key = "k".repeat(128);
    let fields = check(&[("before", json!(1)), (&key, bomb.clone()), ("after", json!({"a": [1, 2]}))]);
    let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["before", &key, "after.a[0]", "after.a[1]"], "only what is too large is kept as text");
    check(&[(&key[..100], json!({"a": {"b": bomb}}))]);
    check(&[(&key[..100], json!(vec![json!({"a": 1}); 5_000]))]);
    assert_eq!(check(&[("list", json!(vec![7; 500]))]).len(), 500, "what is small enough is flat");
}

#[test]
fn many_small_bombs_share_one_budget() {
    let members: Vec<_> = (0..100).map(|n| (format!("{n:0100}"), json!(vec![0; 300]))).collect();
    let fields = decode_bounded(&members);
    check_nothing_is_lost(&members, &fields);
    assert!(fields.len() > 600, "some are flat");
}

#[test]
fn fields_beyond_their_number_are_kept_together() {
    let members: Vec<_> = (0..FIELDS_MAX + 2_000).map(|n| (format!("k\"{n}"), json!(n))).collect();
    let fields = decode_bounded(&members);
    check_nothing_is_lost(&members, &fields);
    assert_eq!(fields.len(), FIELDS_MAX + 1);
    // Other keys of the message are members too.
    let text = format!(r#"{{"type":"t",{}"x":1}}"#, r#""a": [1] ,"#.repeat(FIELDS_MAX + 1));
    let fields = decode(&text);
    assert_eq!(fields.len(), FIELDS_MAX + 1);
    assert_eq!(fields[FIELDS_MAX], (REST.to_owned(), r#"{"a":[1],"x":1}"#.to_owned()));
}

#[test]
fn fields_that_are_one_list_are_kept_as_its_text() {
    let list = json!(vec![0; 20_000]);
    assert_eq!(decode(&format!(r#"{{"type":"t","fields":{list}}}"#)), [("fields".to_owned(), list.to_string())]);
    assert_eq!(decode(r#"{"type":"t","fields":[1,{"a":2}]}"#).len(), 2);
    assert_eq!(decode(r#"{"type":"t","fields":[]}"#), []);
}

fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        any::<i16>().prop_map(Json::from),
        "[a-z\"\\\\]{0,9}".prop_map(Json::from),
        (0..3_000usize).prop_map(|items| json!(vec![1; items])),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::vec(("[a-z\"]{1,4}", inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_nested_is_bounded_and_kept(members in prop::collection::vec((1..90usize, value()), 0..8)) {
        let member = |(at, (length, value)): (usize, (usize, Json))| (format!("{at}{}", "k".repeat(length)), value);
        let members: Vec<_> = members.into_iter().enumerate().map(member).collect();
        check_nothing_is_lost(&members, &decode_bounded(&members));
    }
}
