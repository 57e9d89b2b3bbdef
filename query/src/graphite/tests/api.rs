//! What is refused, and what stays text.
use super::*;

const HOSTILE: &str = "alias(constantLine(1),'<script>alert(1)</script>\u{202e}=cmd')";

async fn asked(parameters: &[(&str, &str)]) -> Result<Value, String> {
    Fixture::new(&[], Naming::default(), 0).render(parameters, 1_772_600_400).await
}

/// Grafana's "Save & test".
#[tokio::test]
async fn a_constant_line_is_drawn_without_data() {
    let parameters = [
        ("target", "constantLine(100)"),
        ("from", "1772600100"),
        ("until", "1772600400"),
        ("format", "json"),
        ("maxDataPoints", "100"),
    ];
    let found = asked(&parameters).await.unwrap();
    assert_eq!(found[0]["target"], "100.0");
    assert_eq!(
        found[0]["datapoints"],
        serde_json::json!([[100.0, 1772600100], [100.0, 1772600250], [100.0, 1772600400]])
    );
}

#[tokio::test]
async fn mistakes_are_named() {
    for (parameters, why) in [
        (&[("target", "noSuch(a.b)"), ("format", "json")][..], "unknown function `noSuch`; there are absolute, "),
        (&[("target", "scale(noSuch(a.b),2)"), ("format", "json")], "unknown function `noSuch`"),
        (&[("target", "scale(a.b"), ("format", "json")], "target `scale(a.b`: `)` is required at character 10"),
        (&[("target", "scale(a.b)"), ("format", "json")], "scale: `factor` is required"),
        (&[("target", "a.b"), ("format", "png")], "format `png` is not supported: there are json, csv and raw"),
        (&[("target", "a.b")], "format `png` is not supported"),
        (&[("target", "a.b"), ("format", "json"), ("from", "-5m")], "from: `-5m` is no time: invalid unit `m`"),
        (&[("target", "a.b"), ("format", "json"), ("from", "now")], "Invalid empty time range"),
        (&[("target", "aliasSub(a.b,'(?=x)','')"), ("format", "json")], "aliasSub: invalid regular expression"),
        (
            &[("target", "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"), ("format", "json")],
            "the braces stand for more than",
        ),
        (
            &[("target", "seriesByTag('env!=a')"), ("format", "json")],
            "seriesByTag: at least one condition must need a value",
        ),
    ] {
        let found = asked(parameters).await.unwrap_err();
        assert!(found.starts_with(why), "{found}");
    }
}

#[tokio::test]
async fn names_stay_text() {
    let mut parameters = vec![("target", HOSTILE), ("from", "1772600100"), ("until", "1772600400"), ("format", "json")];
    let found = asked(&parameters).await.unwrap();
    assert_eq!(found[0]["target"], "<script>alert(1)</script>\u{202e}=cmd");
    parameters[0].1 = "alias(constantLine(1),'=cmd(\"x\")')";
    parameters[3].1 = "csv";
    let asked = Asked::read(&Parameters::of(&parameters), 1_772_600_400).unwrap();
    let fixture = Fixture::new(&[], Naming::default(), 0);
    let evaluator = Evaluator::new(&fixture, &fixture.names, 0, Vec::new());
    let series = evaluator.targets(&asked.context, asked.targets()).await.unwrap();
    let (kind, text) = asked.write(series);
    assert_eq!(kind, "text/csv; charset=utf-8");
    assert!(text.starts_with("\"'=cmd(\"\"x\"\")\",2026-03-04 04:55:00,1.0\r\n"), "{text}");
}

/// Attack: windows that ask for points of ever other times, and of a very long one.
#[tokio::test]
async fn what_is_asked_for_again_is_bounded() {
    let mut target = "constantLine(1)".to_owned();
    for _ in 0..10 {
        target = format!("timeShift({target},'1d')");
    }
    let parameters = |target: &str| -> Vec<(String, String)> {
        [("target", target), ("format", "json"), ("from", "-1h")].map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec()
    };
    let all = parameters(&target);
    let all: Vec<(&str, &str)> = all.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let why = asked(&all).await.unwrap_err();
    assert!(why.contains("need points of other times"), "{why}");
    let long = parameters("movingAverage(constantLine(1),'20y')");
    let long: Vec<(&str, &str)> = long.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert!(asked(&long).await.unwrap_err().contains("longer than a year"));
}
