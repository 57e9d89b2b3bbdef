//! Equal to graphite-web, on the same series.
use super::super::{attime, find, tag_views};
use super::*;
use arrow::array::timezone::Tz;
use std::str::FromStr;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../vectors.json")).unwrap()
}

#[test]
fn times_as_graphite_web() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for each in vectors()["times"].as_array().unwrap() {
        let (text, zone, now) = (each[0].as_str().unwrap(), each[1].as_str().unwrap(), each[2].as_i64().unwrap());
        let found = attime::parse(text, Tz::from_str(zone).unwrap(), now).ok();
        count += 1;
        if found != each[3].as_i64() {
            wrong.push(format!("{text} in {zone} at {now}: {found:?}, not {}", each[3]));
        }
    }
    assert!(count > 1_000 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

pub(super) fn fixture(vectors: &Value) -> Fixture {
    let mut windows = Vec::new();
    for series in vectors["series"].as_array().unwrap() {
        let path = series["path"].as_str().unwrap().strip_prefix("stats.gauges.").unwrap();
        let mut parts = path.split(';');
        let name = parts.next().unwrap();
        let tags: Vec<(&str, &str)> = parts.map(|tag| tag.split_once('=').unwrap()).collect();
        let (start, step) = (series["start"].as_i64().unwrap(), series["step"].as_i64().unwrap());
        for (nth, value) in series["values"].as_array().unwrap().iter().enumerate() {
            let Some(value) = value.as_f64() else { continue };
            let made = window(start + nth as i64 * step, "h", vec![metric(name, &tags, MetricData::Gauge { value })]);
            windows.push(Window { length: step * 1_000_000, ..made });
        }
    }
    // graphite-web is asked about points that came, not about those that metlog repeats.
    Fixture::new(&windows, Naming::default(), 0)
}

/// Numbers may differ in their last digits: sums are taken in another order.
fn is_near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_near(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_near(a, b)))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-3)
        }
        _ => a == b,
    }
}

#[tokio::test]
async fn renders_as_graphite_web() {
    let vectors = vectors();
    let fixture = fixture(&vectors);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for each in vectors["renders"].as_array().unwrap() {
        let parameters: Vec<(&str, &str)> = each["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap()))
            .collect();
        let found = fixture.render(&parameters, 0).await;
        count += 1;
        let is_equal = match (&found, &each["result"]) {
            (Err(_), Value::Null) => true,
            (Ok(found), expected) => is_near(found, expected),
            _ => false,
        };
        if !is_equal {
            let found = found.map_or_else(|why| why, |found| found.to_string());
            let end = |text: &str| text.chars().take(700).collect::<String>();
            wrong.push(format!("{parameters:?}\n  ours {}\n  not  {}", end(&found), end(&each["result"].to_string())));
        }
    }
    assert!(count > 400 && wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// What only one of us says.
fn without_own(value: &Value) -> Value {
    match value {
        Value::Array(list) => {
            let kept = list.iter().filter(|item| item["text"] != "_tagged");
            kept.map(without_own).collect()
        }
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| {
                !["id", "context"].contains(&key.as_str()) || map.contains_key("text") && *key == "id"
            });
            kept.map(|(key, value)| (key.clone(), without_own(value))).collect()
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn finds_as_graphite_web() {
    let vectors = vectors();
    let fixture = fixture(&vectors);
    let now = vectors["now"].as_i64().unwrap();
    let tree = fixture.names.tree(&fixture, now - 3_600, now, now).await.unwrap();
    for each in vectors["finds"].as_array().unwrap() {
        let pairs = each["parameters"].as_array().unwrap().iter();
        let pairs: Vec<(&str, &str)> =
            pairs.map(|pair| (pair[0].as_str().unwrap(), pair[1].as_str().unwrap())).collect();
        let parameters = Parameters::of(&pairs);
        let found = match each["address"].as_str().unwrap() {
            "/metrics/find" => find::found(&tree, &parameters),
            "/metrics/expand" => find::expanded(&tree, &parameters),
            "/tags" => tag_views::listed(&tree, &parameters),
            "/tags/env" => tag_views::of_tag(&tree, "env", &parameters),
            "/tags/findSeries" => tag_views::series(&tree, &parameters),
            "/tags/autoComplete/tags" => tag_views::suggested_tags(&tree, &parameters),
            "/tags/autoComplete/values" => tag_views::suggested_values(&tree, &parameters),
            other => panic!("{other}"),
        };
        let found = found.unwrap_or_else(|Refusal(_, why)| panic!("{pairs:?}: {why}"));
        assert_eq!(without_own(&found), without_own(&each["result"]), "{} {pairs:?}", each["address"]);
    }
}
