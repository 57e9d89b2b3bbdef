//! Which objects a plan reads, and which folders it lists to know.
use super::*;
/// Three days of an object every six hours; the segment is the place in that row: 0 is 2026-03-03T00,
/// 4 is 2026-03-04T00, 11 is 2026-03-05T18.
const FIRST: Hour = Hour(HOUR.0 - 29);
const OBJECTS: u64 = 12;

async fn filled() -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    for segment in 0..OBJECTS {
        let hour = Hour(FIRST.0 + 6 * segment as i64);
        let rows = messages(hour, &["first", "second"]);
        put(&*store, &key(Table::Messages, hour, "a", segment), &rows).await;
    }
    store
}

/// The segments in the plan, in their order.
async fn planned(engine: &Engine, filter: &str) -> Vec<u64> {
    // A plain `explain` names only the first few files.
    let sql = format!("explain verbose select payload from messages where {filter}");
    let plans = ask(engine, &sql).await.unwrap();
    let plans = plans.as_array().unwrap();
    let plan = plans.iter().find(|row| row["plan_type"] == "physical_plan").unwrap();
    let plan = plan["plan"].as_str().unwrap();
    let named = plan.split(".parquet").filter_map(|text| text.rsplit_once("/a-")?.1.parse().ok());
    let mut segments: Vec<u64> = named.collect();
    segments.sort_unstable();
    segments
}

/// Scenario: filters as people write them, over the partition columns and over time.
/// Guarantees: objects that cannot have an answer are not in the plan, and the answer is that of all rows.
#[tokio::test]
async fn partitions_are_pruned() {
    let store = filled().await;
    let engine = engine(&store, None);
    let cases: [(&str, &[u64]); 16] = [
        ("true", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("payload = 'first'", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        ("dt = '2026-03-04'", &[4, 5, 6, 7]),
        ("dt <> '2026-03-04'", &[0, 1, 2, 3, 8, 9, 10, 11]),
        ("dt in ('2026-03-03', '2026-03-05')", &[0, 1, 2, 3, 8, 9, 10, 11]),
        ("dt > '2026-03-04' and payload = 'first'", &[8, 9, 10, 11]),
        ("dt like '2026-03-05%'", &[8, 9, 10, 11]),
        ("hour = 6", &[1, 5, 9]),
        (
            "hour in (0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 20, 21, 22, 23)",
            &[0, 2, 4, 6, 8, 10],
        ),
        ("dt = '2026-03-05' and hour >= 12", &[10, 11]),
        ("dt = '2026-03-05' or hour = 0", &[0, 4, 8, 9, 10, 11]),
        ("timestamp >= '2026-03-05T06:00:00Z'", &[9, 10, 11]),
        ("timestamp >= '2026-03-05T06:59:59.999999Z'", &[9, 10, 11]),
        ("timestamp between '2026-03-04T06:00:01Z' and '2026-03-04T12:00:00Z'", &[5, 6]),
        ("timestamp < timestamp '2026-03-03T00:00:01Z'", &[0]),
        ("dt = '2027-01-01'", &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(planned(&engine, filter).await, expected, "{filter}");
        let pruned = ask(&engine, &format!("select count(*) as n from messages where {filter}")).await;
        // In a form that nothing can be known of before the rows are read.
        let naive = format!("select count(*) filter (where {filter}) as n from messages");
        assert_eq!(pruned, ask(&engine, &naive).await, "{filter}");
    }
}

#[tokio::test]
async fn row_groups_and_pages_are_pruned_by_statistics() {
    let engine = engine(&filled().await, None);
    let plan = ask(&engine, "explain select payload from messages where logger = 'sync'").await.unwrap();
    let plan = plan[1]["plan"].as_str().unwrap();
    assert!(plan.contains("pruning_predicate=") && plan.contains("logger_min"), "{plan}");
    assert!(plan.contains("projection=[payload]") || plan.contains("projection=[logger, payload]"), "{plan}");
}

#[tokio::test]
async fn hot_rows_stand_beside_the_objects_that_are_left() {
    let engine = engine(&filled().await, Some(FakeHot::new(9, vec![messages(HOUR, &["x"])])));
    assert_eq!(planned(&engine, "dt = '2026-03-05'").await, [8]);
    let plan = ask(&engine, "explain select payload from messages").await.unwrap();
    let plan = plan[1]["plan"].as_str().unwrap();
    assert!(plan.contains("UnionExec") && plan.contains("StreamingTableExec"), "{plan}");
}

/// Guarantees: an hour that lies within a range of time as a whole is read without its time; what the range cuts, and what is
/// hot, is filtered. Nothing is filtered twice.
#[tokio::test]
async fn whole_hours_of_a_range_are_not_filtered() {
    let store = filled().await;
    let stored = engine(&store, None);
    let plan = async |engine: &Engine, filter: &str| {
        let plan = ask(engine, &format!("explain select payload from messages where {filter}")).await.unwrap();
        plan[1]["plan"].as_str().unwrap().to_owned()
    };
    let whole = "timestamp >= '2026-03-04T00:00:00Z' and timestamp < '2026-03-05T00:00:00Z'";
    let found = plan(&stored, whole).await;
    assert!(found.contains("projection=[payload]") && !found.contains("FilterExec"), "{found}");
    let cut = "timestamp >= '2026-03-04T00:00:01Z' and timestamp < '2026-03-05T00:00:00Z'";
    let found = plan(&stored, cut).await;
    assert_eq!((found.matches("FilterExec").count(), found.matches("DataSourceExec").count()), (1, 2), "{found}");
    assert!(found.contains("projection=[payload]"), "{found}");
    let with_hot = engine(&store, Some(FakeHot::new(99, vec![messages(HOUR, &["x", "y", "z"])])));
    for filter in [
        whole,
        cut,
        "timestamp between '2026-03-04T00:00:01Z' and '2026-03-04T06:00:00Z'",
        "timestamp > '2026-03-04T05:00:00Z'",
        "'2026-03-04T05:00:01Z' >= timestamp",
        "timestamp = '2026-03-04T05:00:01Z'",
        "timestamp >= '2026-03-05T00:00:00Z' and timestamp < '2026-03-04T00:00:00Z'",
        "not (timestamp < '2026-03-04T05:00:01Z') and payload <> 'x'",
        "timestamp <> '2026-03-04T05:00:01Z'",
        "(timestamp < '2026-03-03T06:00:00Z' or timestamp > '2026-03-05T00:00:00Z') and timestamp > '2026-03-03T00:00:00Z'",
    ] {
        for columns in ["count(*) as n", "count(payload) as n, max(timestamp) as t", "min(dt) as d, max(hour) as h"] {
            let found = ask(&with_hot, &format!("select {columns} from messages where {filter}")).await;
            let naive = ask(
                &with_hot,
                &format!("select {columns} from (select *, {filter} as is from messages order by payload) where is"),
            )
            .await;
            assert_eq!(found, naive, "{columns}: {filter}");
        }
        let some = format!("select count(*) as n from (select payload from messages where {filter} limit 2)");
        let all = ask(&with_hot, &format!("select least(count(*), 2) as n from messages where {filter}")).await;
        assert_eq!(ask(&with_hot, &some).await, all, "{filter}");
    }
}
