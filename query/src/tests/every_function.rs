//! Every function that is allowed, called with whatever fits and does not.
use super::*;
use crate::Kind;
use datafusion::execution::session_state::SessionStateBuilder;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

const ARGUMENTS: [&str; 24] = [
    "null",
    "0",
    "-1",
    "3",
    "9223372036854775807",
    "2000000000",
    "1.5",
    "1e308",
    "''",
    "'a'",
    "'%Y-%m'",
    "'日本'",
    "'2026-03-04T05:06:07Z'",
    "'{\"a\":[1,2]}'",
    "true",
    "[1, 2, null]",
    "['a', 'b']",
    "[[1], []]",
    "interval '1 hour'",
    "interval '-3 months'",
    "timestamp '2026-03-04T05:06:07'",
    "date '9999-12-31'",
    "map {'a': 1}",
    "{a: 1}",
];

/// What the engine does not have, and calls a defect of its own: arithmetic of nested lists, an order of maps, a row 0.
const NOTICED_LATE: [&str; 3] = ["[[", "map {", "nth_value"];

/// The same numbers every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

fn names() -> BTreeSet<String> {
    let state = crate::functions::allowed(SessionStateBuilder::new_with_default_features()).build();
    let names = state.scalar_functions().keys().chain(state.aggregate_functions().keys());
    names.filter(|name| *name != "struct").cloned().collect()
}

/// Scenario: each function with one to three arguments, as constants and beside rows.
/// Guarantees: a result, or an error about the query; no panic, and no internals of the engine.
#[test]
fn no_arguments_get_through_to_the_engine() {
    let calls: usize = std::env::var("METLOG_CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(4);
    let mut numbers = Numbers(7);
    let mut queries = Vec::new();
    for name in names() {
        for _ in 0..calls {
            let count = numbers.below(4);
            let arguments: Vec<&str> = (0..count).map(|_| ARGUMENTS[numbers.below(ARGUMENTS.len())]).collect();
            let from = if numbers.below(2) == 0 { "" } else { " from range(3)" };
            queries.push(format!("select {name}({}) as v{from}", arguments.join(", ")));
        }
    }
    let wrong = on_a_workers_stack(async move {
        let engine = engine(&Arc::new(InMemory::new()), None);
        let mut wrong = Vec::new();
        for sql in queries {
            let rows = async { engine.query(&sql).await?.collect().await };
            match AssertUnwindSafe(rows).catch_unwind().await {
                Err(_) => wrong.push(format!("{sql}: a panic")),
                Ok(Err(error)) if error.kind == Kind::Internal => {
                    if !NOTICED_LATE.iter().any(|late| sql.contains(late)) {
                        wrong.push(format!("{sql}: {error}"));
                    }
                }
                Ok(Err(error)) if words::shows_the_engine(&error) => wrong.push(format!("{sql}: {error}")),
                Ok(_) => (),
            }
        }
        wrong
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}
