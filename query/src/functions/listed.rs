//! Every function of DataFusion's registry: allowed, or refused with the reason.
//!
//! Refused is what makes much out of little without bound, what reads anything but its arguments, and what tells of
//! DataFusion instead of the data.
use Growth::{Fixed, Pairs, Text};

/// What a call can make of what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Growth {
    /// Values of a fixed size, or one of its arguments as it is: nothing to guard.
    Fixed,
    /// No more than a small multiple of all that it is given.
    Text,
    /// Up to every pair of items of its arguments.
    Pairs,
}

/// What became of a function when somebody looked at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed(Growth),
    /// Why, as the end of a sentence: "`repeat` is not available: …".
    Refused(&'static str),
}

/// A function by its name; its aliases go with it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
}

const fn yes(name: &'static str, growth: Growth) -> Listed {
    Listed { name, verdict: Verdict::Allowed(growth) }
}

const fn no(name: &'static str, why: &'static str) -> Listed {
    Listed { name, verdict: Verdict::Refused(why) }
}

const ANY_LENGTH: &str = "it makes a value of any length out of a number";
const OF_FILES: &str = "it tells of the stored files; filter on `dt`, `hour` and `timestamp` instead";
const OF_ARROW: &str = "it tells how a value lies in memory; `arrow_typeof` names its type";
const NO_UNIONS: &str = "no column is a union";
const NO_LAMBDAS: &str = "it is given a function, and SQL here has none; unnest(list) makes rows of items";
const CAST: &str = "CAST(value AS type) and TRY_CAST(value AS type) do it";

/// One value for each row.
pub(crate) const SCALAR: &[Listed] = &[
    // core
    no("arrow_field", OF_ARROW),
    no("arrow_metadata", OF_ARROW),
    no("cast_to_type", CAST),
    no("file_row_index", OF_FILES),
    no("input_file_name", OF_FILES),
    no("try_cast_to_type", CAST),
    no("union_extract", NO_UNIONS),
    no("union_tag", NO_UNIONS),
    no("version", "it tells DataFusion's version; `metlog --version` tells ours"),
    no("with_metadata", OF_ARROW),
    yes("arrow_cast", Fixed),
    yes("arrow_try_cast", Fixed),
    yes("arrow_typeof", Fixed),
    yes("coalesce", Fixed),
    yes("get_field", Fixed),
    yes("greatest", Text),
    yes("least", Text),
    yes("named_struct", Text),
    yes("nullif", Text),
    yes("nvl", Fixed),
    yes("nvl2", Fixed),
    yes("overlay", Text),
    yes("struct", Text),
    // time
    yes("current_date", Fixed),
    yes("current_time", Fixed),
    yes("date_bin", Fixed),
    yes("date_part", Fixed),
    yes("date_trunc", Fixed),
    yes("from_unixtime", Fixed),
    yes("make_date", Fixed),
    yes("make_time", Fixed),
    yes("now", Fixed),
    yes("to_char", Text),
    yes("to_date", Fixed),
    yes("to_local_time", Fixed),
    yes("to_time", Fixed),
    yes("to_timestamp", Fixed),
    yes("to_timestamp_micros", Fixed),
    yes("to_timestamp_millis", Fixed),
    yes("to_timestamp_nanos", Fixed),
    yes("to_timestamp_seconds", Fixed),
    yes("to_unixtime", Fixed),
    // numbers
    yes("abs", Fixed),
    yes("acos", Fixed),
    yes("acosh", Fixed),
    yes("asin", Fixed),
    yes("asinh", Fixed),
    yes("atan", Fixed),
    yes("atan2", Fixed),
    yes("atanh", Fixed),
    yes("cbrt", Fixed),
    yes("ceil", Fixed),
    yes("cos", Fixed),
    yes("cosh", Fixed),
    yes("cot", Fixed),
    yes("degrees", Fixed),
    yes("exp", Fixed),
    yes("factorial", Fixed),
    yes("floor", Fixed),
    yes("gcd", Fixed),
    yes("isnan", Fixed),
    yes("iszero", Fixed),
    yes("lcm", Fixed),
    yes("ln", Fixed),
    yes("log", Fixed),
    yes("log10", Fixed),
    yes("log2", Fixed),
    yes("nanvl", Fixed),
    yes("pi", Fixed),
    yes("power", Fixed),
    yes("radians", Fixed),
    yes("random", Fixed),
    yes("round", Fixed),
    yes("signum", Fixed),
    yes("sin", Fixed),
    yes("sinh", Fixed),
    yes("sqrt", Fixed),
    yes("tan", Fixed),
    yes("tanh", Fixed),
    yes("trunc", Fixed),
    // text
    no("lpad", ANY_LENGTH),
    no("repeat", ANY_LENGTH),
    no("rpad", ANY_LENGTH),
    yes("ascii", Fixed),
    yes("bit_length", Fixed),
    yes("btrim", Text),
    yes("character_length", Fixed),
    yes("chr", Fixed),
    yes("concat", Text),
    yes("concat_ws", Text),
    yes("contains", Fixed),
    yes("decode", Text),
    yes("encode", Text),
    yes("ends_with", Fixed),
    yes("find_in_set", Fixed),
    yes("initcap", Text),
    yes("left", Text),
    yes("levenshtein", Pairs),
    yes("lower", Text),
    yes("ltrim", Text),
    yes("octet_length", Fixed),
    yes("regexp_count", Fixed),
    yes("regexp_instr", Fixed),
    yes("regexp_like", Fixed),
    yes("regexp_match", Text),
    yes("regexp_replace", Text),
    yes("replace", Text),
    yes("reverse", Text),
    yes("right", Text),
    yes("rtrim", Text),
    yes("split_part", Text),
    yes("starts_with", Fixed),
    yes("strpos", Fixed),
    yes("substr", Text),
    yes("substr_index", Text),
    yes("to_hex", Fixed),
    yes("translate", Text),
    yes("upper", Text),
    yes("uuid", Fixed),
    // lists and maps
    no("array_repeat", ANY_LENGTH),
    no("array_resize", ANY_LENGTH),
    no("generate_series", "it makes a list of any length out of numbers; the table function of this name makes rows"),
    no("range", "it makes a list of any length out of numbers; the table function of this name makes rows"),
    yes("array_add", Text),
    yes("array_any_value", Text),
    yes("array_append", Text),
    yes("array_avg", Fixed),
    yes("array_compact", Text),
    yes("array_concat", Text),
    yes("array_dims", Text),
    yes("array_distance", Fixed),
    yes("array_distinct", Text),
    yes("array_element", Text),
    yes("array_except", Text),
    yes("array_has", Fixed),
    yes("array_has_all", Pairs),
    yes("array_has_any", Pairs),
    yes("array_intersect", Text),
    yes("array_length", Fixed),
    yes("array_max", Text),
    yes("array_min", Text),
    yes("array_ndims", Fixed),
    yes("array_normalize", Text),
    yes("array_pop_back", Text),
    yes("array_pop_front", Text),
    yes("array_position", Fixed),
    yes("array_positions", Text),
    yes("array_prepend", Text),
    yes("array_product", Fixed),
    yes("array_remove", Text),
    yes("array_remove_all", Text),
    yes("array_remove_n", Text),
    yes("array_replace", Pairs),
    yes("array_replace_all", Pairs),
    yes("array_replace_n", Pairs),
    yes("array_reverse", Text),
    yes("array_scale", Text),
    yes("array_slice", Text),
    yes("array_sort", Text),
    yes("array_subtract", Text),
    yes("array_sum", Fixed),
    yes("array_to_string", Text),
    yes("array_union", Text),
    yes("arrays_zip", Text),
    yes("cardinality", Fixed),
    yes("cosine_distance", Fixed),
    yes("empty", Fixed),
    yes("flatten", Text),
    yes("inner_product", Fixed),
    yes("make_array", Text),
    yes("map", Text),
    yes("map_entries", Text),
    yes("map_extract", Text),
    yes("map_keys", Text),
    yes("map_values", Text),
    yes("string_to_array", Text),
];

/// Functions that are given a function.
pub(crate) const HIGHER_ORDER: &[Listed] = &[
    no("array_any_match", NO_LAMBDAS),
    no("array_filter", NO_LAMBDAS),
    no("array_first", NO_LAMBDAS),
    no("array_transform", NO_LAMBDAS),
];

/// One value for each group.
pub(crate) const AGGREGATE: &[Listed] = &[
    yes("any_value", Fixed),
    yes("approx_distinct", Fixed),
    yes("approx_median", Fixed),
    yes("approx_percentile_cont", Fixed),
    yes("approx_percentile_cont_with_weight", Fixed),
    yes("array_agg", Fixed),
    yes("avg", Fixed),
    yes("bit_and", Fixed),
    yes("bit_or", Fixed),
    yes("bit_xor", Fixed),
    yes("bool_and", Fixed),
    yes("bool_or", Fixed),
    yes("corr", Fixed),
    yes("count", Fixed),
    yes("covar_pop", Fixed),
    yes("covar_samp", Fixed),
    yes("first_value", Fixed),
    yes("grouping", Fixed),
    yes("last_value", Fixed),
    yes("max", Fixed),
    yes("median", Fixed),
    yes("min", Fixed),
    yes("nth_value", Fixed),
    yes("percentile_cont", Fixed),
    yes("regr_avgx", Fixed),
    yes("regr_avgy", Fixed),
    yes("regr_count", Fixed),
    yes("regr_intercept", Fixed),
    yes("regr_r2", Fixed),
    yes("regr_slope", Fixed),
    yes("regr_sxx", Fixed),
    yes("regr_sxy", Fixed),
    yes("regr_syy", Fixed),
    yes("stddev", Fixed),
    yes("stddev_pop", Fixed),
    yes("string_agg", Fixed),
    yes("sum", Fixed),
    yes("var", Fixed),
    yes("var_pop", Fixed),
];

/// One value for each row, by the rows around it.
pub(crate) const WINDOW: &[Listed] = &[
    yes("cume_dist", Fixed),
    yes("dense_rank", Fixed),
    yes("first_value", Fixed),
    yes("lag", Fixed),
    yes("last_value", Fixed),
    yes("lead", Fixed),
    yes("nth_value", Fixed),
    yes("ntile", Fixed),
    yes("percent_rank", Fixed),
    yes("rank", Fixed),
    yes("row_number", Fixed),
];

/// Rows, made as they are read.
pub(crate) const TABLE: &[Listed] = &[yes("generate_series", Fixed), yes("range", Fixed)];

/// Why a function of DataFusion's is not available.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    let lists = [SCALAR, HIGHER_ORDER, AGGREGATE, WINDOW, TABLE].into_iter().flatten();
    lists.filter(|listed| listed.name == name).find_map(|listed| match listed.verdict {
        Verdict::Refused(why) => Some(why),
        Verdict::Allowed(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::SessionStateDefaults;
    use std::collections::BTreeSet;

    #[track_caller]
    fn check(kind: &str, list: &[Listed], registry: impl Iterator<Item = String>) {
        let listed: BTreeSet<String> = list.iter().map(|listed| listed.name.to_owned()).collect();
        assert_eq!(listed.len(), list.len(), "{kind}: a name stands twice");
        let registry: BTreeSet<String> = registry.collect();
        let unseen: Vec<_> = registry.difference(&listed).collect();
        assert!(unseen.is_empty(), "{kind}: DataFusion has functions that nobody allowed or refused: {unseen:?}");
        let gone: Vec<_> = listed.difference(&registry).collect();
        assert!(gone.is_empty(), "{kind}: DataFusion has no functions of these names: {gone:?}");
    }

    #[test]
    fn every_function_of_the_registry_is_allowed_or_refused() {
        let name = |name: &str| name.to_owned();
        let scalar = SessionStateDefaults::default_scalar_functions();
        check("scalar", SCALAR, scalar.iter().map(|function| name(function.name())));
        let higher_order = SessionStateDefaults::default_higher_order_functions();
        check("higher order", HIGHER_ORDER, higher_order.iter().map(|function| name(function.name())));
        let aggregate = SessionStateDefaults::default_aggregate_functions();
        check("aggregate", AGGREGATE, aggregate.iter().map(|function| name(function.name())));
        let window = SessionStateDefaults::default_window_functions();
        check("window", WINDOW, window.iter().map(|function| name(function.name())));
        let table = SessionStateDefaults::default_table_functions();
        check("table", TABLE, table.iter().map(|function| name(function.name())));
    }
}
