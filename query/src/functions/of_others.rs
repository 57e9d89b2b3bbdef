//! Functions of other engines that people type from memory, and what to write here.

/// By name, in lower case; the second is the end of a sentence.
const OF_OTHERS: &[(&str, &str)] = &[
    ("any", "write any_value(x)"),
    ("approx_count_distinct", "write approx_distinct(x)"),
    ("approx_quantile", "write approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("array_size", "write array_length(list)"),
    ("arrayjoin", "write unnest(list)"),
    ("char", "write chr(code)"),
    ("charindex", "write strpos(text, part)"),
    ("collect_list", "write array_agg(x)"),
    ("collect_set", "write array_agg(DISTINCT x)"),
    ("count_distinct", "write count(DISTINCT x)"),
    ("count_if", "write count(*) FILTER (WHERE condition)"),
    ("countif", "write count(*) FILTER (WHERE condition)"),
    ("date_add", "write timestamp + INTERVAL '1 day'"),
    ("date_diff", "subtract the times: a - b is an interval"),
    ("date_sub", "write timestamp - INTERVAL '1 day'"),
    ("dateadd", "write timestamp + INTERVAL '1 day'"),
    ("datediff", "subtract the times: a - b is an interval"),
    ("day", "write date_part('day', timestamp)"),
    ("dayofweek", "write date_part('dow', timestamp)"),
    ("epoch", "write to_unixtime(timestamp)"),
    ("explode", "write unnest(list)"),
    ("first", "write first_value(x ORDER BY timestamp)"),
    ("format", "write concat(a, b), or to_char(timestamp, '%Y-%m-%d') for times"),
    ("generate_subscripts", "write unnest(list)"),
    ("get_json_object", "write json_get_str(payload, 'key')"),
    ("getdate", "write now()"),
    ("getenv", "the environment cannot be read"),
    ("glob", "files cannot be read; the tables are messages and metrics"),
    ("group_concat", "write string_agg(x, ',')"),
    ("hex", "write to_hex(number)"),
    ("hour", "write date_part('hour', timestamp), or the column `hour`"),
    ("if", "write CASE WHEN condition THEN a ELSE b END"),
    ("iif", "write CASE WHEN condition THEN a ELSE b END"),
    ("indexof", "write strpos(text, part)"),
    ("isnull", "write x IS NULL"),
    ("json_extract", "write json_get(payload, 'key'), or json_get_str(payload, 'key') for text"),
    ("json_extract_path", "write json_get(payload, 'a', 'b')"),
    ("json_extract_path_text", "write json_get_str(payload, 'a', 'b')"),
    ("json_extract_scalar", "write json_get_str(payload, 'key')"),
    ("json_extract_string", "write json_get_str(payload, 'key')"),
    ("json_array_length", "write json_length(payload)"),
    ("json_query", "write json_get(payload, 'key')"),
    ("json_value", "write json_get_str(payload, 'key')"),
    ("jsonextractstring", "write json_get_str(payload, 'key')"),
    ("last", "write last_value(x ORDER BY timestamp)"),
    ("latest", "write arg_max(x, timestamp)"),
    ("lcase", "write lower(text)"),
    ("len", "write length(text), or array_length(list)"),
    ("list", "write array_agg(x)"),
    ("listagg", "write string_agg(x, ',')"),
    ("load_file", "files cannot be read; the tables are messages and metrics"),
    ("locate", "write strpos(text, part)"),
    ("md5", "there are no hashes"),
    ("mid", "write substr(text, start, length)"),
    ("minute", "write date_part('minute', timestamp)"),
    ("month", "write date_part('month', timestamp)"),
    ("now64", "write now()"),
    ("parquet_metadata", "files cannot be read; the tables are messages and metrics"),
    ("percentile", "write percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("percentile_approx", "write approx_percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("percentile_disc", "write percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("pg_sleep", "a query cannot wait"),
    ("quantile", "write percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("quantiles", "write percentile_cont(0.99) WITHIN GROUP (ORDER BY x)"),
    ("read_csv", "files cannot be read; the tables are messages and metrics"),
    ("read_file", "files cannot be read; the tables are messages and metrics"),
    ("read_json", "files cannot be read; the tables are messages and metrics"),
    ("read_parquet", "files cannot be read; the tables are messages and metrics"),
    ("regexp_contains", "write regexp_like(text, pattern)"),
    ("regexp_matches", "write regexp_like(text, pattern), or regexp_match for the groups"),
    ("regexp_substr", "write regexp_extract(text, pattern)"),
    ("safe_cast", "write TRY_CAST(x AS type)"),
    ("second", "write date_part('second', timestamp)"),
    ("sha256", "there are no hashes"),
    ("size", "write array_length(list), or cardinality(map)"),
    ("sleep", "a query cannot wait"),
    ("split", "write string_to_array(text, ','), or split_part(text, ',', 1)"),
    ("str_split", "write string_to_array(text, ',')"),
    ("str_to_date", "write to_timestamp(text, '%Y-%m-%d')"),
    ("strftime", "write to_char(timestamp, '%Y-%m-%d %H:%M')"),
    ("string_split", "write string_to_array(text, ',')"),
    ("strptime", "write to_timestamp(text, '%Y-%m-%d %H:%M')"),
    ("sysdate", "write now()"),
    ("time_floor", "write time_bucket(INTERVAL '5 minutes', timestamp)"),
    ("time_slice", "write time_bucket(INTERVAL '5 minutes', timestamp)"),
    ("timestamp_trunc", "write date_trunc('hour', timestamp)"),
    ("timestampdiff", "subtract the times: a - b is an interval"),
    ("todate", "write to_date(text)"),
    ("top", "write ORDER BY x DESC LIMIT n"),
    ("tostartofhour", "write date_trunc('hour', timestamp)"),
    ("tostartofinterval", "write time_bucket(INTERVAL '5 minutes', timestamp)"),
    ("tostartofminute", "write date_trunc('minute', timestamp)"),
    ("tostring", "write CAST(x AS VARCHAR)"),
    ("to_varchar", "write to_char(timestamp, '%Y-%m-%d'), or CAST(x AS VARCHAR)"),
    ("typeof", "write arrow_typeof(x)"),
    ("ucase", "write upper(text)"),
    ("uniq", "write count(DISTINCT x), or approx_distinct(x)"),
    ("unix_timestamp", "write to_unixtime(timestamp)"),
    ("year", "write date_part('year', timestamp)"),
];

/// What to write instead.
pub(crate) fn instead(name: &str) -> Option<&'static str> {
    OF_OTHERS.iter().find(|(other, _)| *other == name).map(|(_, instead)| *instead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::execution::session_state::SessionStateBuilder;

    #[test]
    fn what_other_engines_have_is_not_here() {
        let state = crate::functions::allowed(SessionStateBuilder::new_with_default_features()).build();
        let mut wrong = Vec::new();
        for (name, instead) in OF_OTHERS {
            let is_here = state.scalar_functions().contains_key(*name)
                || state.aggregate_functions().contains_key(*name)
                || state.window_functions().contains_key(*name);
            if is_here {
                wrong.push(format!("`{name}` is a function here"));
            }
            // What is recommended is there.
            for (at, _) in instead.match_indices('(') {
                let word = instead[..at].rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
                let is_function =
                    !word.is_empty() && word.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || c == '_');
                let is_known = state.scalar_functions().contains_key(word)
                    || state.aggregate_functions().contains_key(word)
                    || word == "unnest";
                if is_function && !is_known {
                    wrong.push(format!("`{name}`: {instead}: there is no `{word}`"));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
