//! What a query has read of the store, and what it could leave out: taken from the counters of its plan, also while it runs.
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::MetricValue;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was read so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// Stored objects that the plan reads: those of other hours than the query's are not among them.
    pub objects: u64,
    /// Of `objects`, those that were left out by the bounds in their footers.
    pub objects_pruned: u64,
    /// Row groups that were read.
    pub row_groups: u64,
    /// Row groups that were left out by bounds or Bloom filters.
    pub row_groups_pruned: u64,
    /// Rows that came out of objects.
    pub rows: u64,
    /// Bytes that were read of objects.
    pub bytes: u64,
}

/// That of a plan, now.
pub(crate) fn scanned(plan: &Arc<dyn ExecutionPlan>) -> Scanned {
    let mut sum = Scanned::default();
    add(plan, &mut sum);
    sum
}

fn add(plan: &Arc<dyn ExecutionPlan>, sum: &mut Scanned) {
    if let Some(source) = plan.downcast_ref::<DataSourceExec>()
        && let Some((config, _)) = source.downcast_to_file_source::<ParquetSource>()
    {
        sum.objects += config.file_groups.iter().map(|group| group.len() as u64).sum::<u64>();
        let metrics = source.metrics().unwrap_or_default();
        for metric in metrics.iter() {
            match metric.value() {
                MetricValue::OutputRows(rows) => sum.rows += rows.value() as u64,
                MetricValue::Count { name, count } if name == "bytes_scanned" => sum.bytes += count.value() as u64,
                MetricValue::PruningMetrics { name, pruning_metrics } => {
                    let (pruned, matched) = (pruning_metrics.pruned() as u64, pruning_metrics.matched() as u64);
                    match name.as_ref() {
                        "files_ranges_pruned_statistics" => sum.objects_pruned += pruned,
                        "row_groups_pruned_statistics" => {
                            sum.row_groups_pruned += pruned;
                            sum.row_groups += matched;
                        }
                        // What is left of those that the bounds have kept.
                        "row_groups_pruned_bloom_filter" => {
                            sum.row_groups_pruned += pruned;
                            sum.row_groups = sum.row_groups.saturating_sub(pruned);
                        }
                        _ => (),
                    }
                }
                _ => (),
            }
        }
    }
    for child in plan.children() {
        add(child, sum);
    }
}
