//! What this server can do, by code. Drivers read codes without asking whether they are there, so that each is: truths as booleans, sets as
//! 32-bit masks, lengths as 64-bit numbers of which 0 has no limit.
use super::broken;
use crate::Pool;
use arrow_flight::sql::SqlInfo;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use tonic::Status;

/// Version of Arrow's format: that of its columns.
const ARROW_FORMAT: &str = "1.5";

const TRUE: [SqlInfo; 17] = [
    SqlInfo::FlightSqlServerReadOnly,
    SqlInfo::FlightSqlServerSql,
    SqlInfo::FlightSqlServerCancel,
    SqlInfo::SqlAllTablesAreSelectable,
    SqlInfo::SqlSupportsColumnAliasing,
    SqlInfo::SqlNullPlusNullIsNull,
    SqlInfo::SqlSupportsTableCorrelationNames,
    SqlInfo::SqlSupportsExpressionsInOrderBy,
    SqlInfo::SqlSupportsOrderByUnrelated,
    SqlInfo::SqlSupportsLikeEscapeClause,
    SqlInfo::SqlSupportsNonNullableColumns,
    SqlInfo::SqlCatalogAtStart,
    SqlInfo::SqlCorrelatedSubqueriesSupported,
    SqlInfo::SqlDataDefinitionsInTransactionsIgnored,
    SqlInfo::SqlMaxRowSizeIncludesBlobs,
    SqlInfo::SqlSupportedConcurrenciesForResultSetForwardOnly,
    SqlInfo::SqlSupportedConcurrenciesForResultSetUnspecified,
];

const FALSE: [SqlInfo; 17] = [
    SqlInfo::FlightSqlServerSubstrait,
    SqlInfo::FlightSqlServerBulkIngestion,
    SqlInfo::FlightSqlServerIngestTransactionsSupported,
    SqlInfo::SqlDdlCatalog,
    SqlInfo::SqlDdlSchema,
    SqlInfo::SqlDdlTable,
    SqlInfo::SqlSupportsDifferentTableCorrelationNames,
    SqlInfo::SqlSupportsIntegrityEnhancementFacility,
    SqlInfo::SqlSelectForUpdateSupported,
    SqlInfo::SqlStoredProceduresSupported,
    SqlInfo::SqlTransactionsSupported,
    SqlInfo::SqlDataDefinitionCausesTransactionCommit,
    SqlInfo::SqlBatchUpdatesSupported,
    SqlInfo::SqlSavepointsSupported,
    SqlInfo::SqlNamedParametersSupported,
    SqlInfo::SqlLocatorsUpdateCopy,
    SqlInfo::SqlStoredFunctionsUsingCallSyntaxSupported,
];

/// Without a limit of their own.
const UNLIMITED: [SqlInfo; 18] = [
    SqlInfo::SqlMaxBinaryLiteralLength,
    SqlInfo::SqlMaxCharLiteralLength,
    SqlInfo::SqlMaxColumnNameLength,
    SqlInfo::SqlMaxColumnsInGroupBy,
    SqlInfo::SqlMaxColumnsInIndex,
    SqlInfo::SqlMaxColumnsInOrderBy,
    SqlInfo::SqlMaxColumnsInSelect,
    SqlInfo::SqlMaxColumnsInTable,
    SqlInfo::SqlMaxConnections,
    SqlInfo::SqlMaxCursorNameLength,
    SqlInfo::SqlMaxIndexLength,
    SqlInfo::SqlMaxProcedureNameLength,
    SqlInfo::SqlMaxCatalogNameLength,
    SqlInfo::SqlDbSchemaNameLength,
    SqlInfo::SqlMaxRowSize,
    SqlInfo::SqlMaxStatements,
    SqlInfo::SqlMaxTableNameLength,
    SqlInfo::SqlMaxTablesInSelect,
];

const TEXTS: [(SqlInfo, &str); 8] = [
    (SqlInfo::FlightSqlServerName, "metlog"),
    (SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION")),
    (SqlInfo::FlightSqlServerArrowVersion, ARROW_FORMAT),
    (SqlInfo::SqlIdentifierQuoteChar, "\""),
    (SqlInfo::SqlSearchStringEscape, "\\"),
    (SqlInfo::SqlSchemaTerm, "schema"),
    (SqlInfo::SqlProcedureTerm, "procedure"),
    (SqlInfo::SqlCatalogTerm, "catalog"),
];

/// Choices and masks, by the numbers of the protocol.
const NUMBERS: [(SqlInfo, i32); 18] = [
    // None.
    (SqlInfo::FlightSqlServerTransaction, 0),
    (SqlInfo::FlightSqlServerTransactionTimeout, 0),
    // Lower case; as it is written.
    (SqlInfo::SqlIdentifierCase, 3),
    (SqlInfo::SqlQuotedIdentifierCase, 0),
    // Nulls are high.
    (SqlInfo::SqlNullOrdering, 0),
    // By what is selected and by what is not.
    (SqlInfo::SqlSupportedGroupBy, 0b11),
    // Minimum, core.
    (SqlInfo::SqlSupportedGrammar, 0b11),
    // Entry.
    (SqlInfo::SqlAnsi92SupportedLevel, 0b1),
    (SqlInfo::SqlOuterJoinsSupportLevel, 0b110),
    (SqlInfo::SqlSchemasSupportedActions, 0),
    (SqlInfo::SqlCatalogsSupportedActions, 0),
    (SqlInfo::SqlSupportedPositionedCommands, 0),
    // In comparisons, EXISTS, IN, and quantified.
    (SqlInfo::SqlSupportedSubqueries, 0b1111),
    // UNION, UNION ALL.
    (SqlInfo::SqlSupportedUnions, 0b11),
    (SqlInfo::SqlSupportedTransactionsIsolationLevels, 0b1),
    // Forward only.
    (SqlInfo::SqlSupportedResultSetTypes, 0b10),
    (SqlInfo::SqlSupportedConcurrenciesForResultSetScrollSensitive, 0),
    (SqlInfo::SqlSupportedConcurrenciesForResultSetScrollInsensitive, 0),
];

/// Names that are no names of tables or columns unless they are quoted; those beyond SQL:2003.
const KEYWORDS: [&str; 6] = ["EXPLAIN", "ILIKE", "LIMIT", "OFFSET", "QUALIFY", "SHOW"];
const NUMERIC: [&str; 10] = ["abs", "ceil", "exp", "floor", "ln", "log10", "power", "round", "sqrt", "trunc"];
const STRINGS: [&str; 10] =
    ["concat", "left", "length", "lower", "ltrim", "replace", "right", "rtrim", "substr", "upper"];
const SYSTEM: [&str; 2] = ["coalesce", "nullif"];
const TIMES: [&str; 5] = ["date_bin", "date_part", "date_trunc", "now", "to_timestamp"];

/// All codes.
pub(super) fn data(pool: &Pool) -> Result<&'static SqlInfoData, Status> {
    static DATA: OnceLock<SqlInfoData> = OnceLock::new();
    if let Some(data) = DATA.get() {
        return Ok(data);
    }
    let timeout = i32::try_from(pool.config.query.time_max.as_millis()).unwrap_or(i32::MAX);
    let data = build(timeout).map_err(broken)?;
    Ok(DATA.get_or_init(|| data))
}

fn build(timeout_milliseconds: i32) -> arrow_flight::error::Result<SqlInfoData> {
    let mut builder = SqlInfoDataBuilder::new();
    TRUE.into_iter().for_each(|code| builder.append(code, true));
    FALSE.into_iter().for_each(|code| builder.append(code, false));
    UNLIMITED.into_iter().for_each(|code| builder.append(code, 0_i64));
    TEXTS.into_iter().for_each(|(code, text)| builder.append(code, text));
    NUMBERS.into_iter().for_each(|(code, number)| builder.append(code, number));
    builder.append(SqlInfo::FlightSqlServerSubstraitMinVersion, "");
    builder.append(SqlInfo::FlightSqlServerSubstraitMaxVersion, "");
    builder.append(SqlInfo::FlightSqlServerStatementTimeout, timeout_milliseconds);
    builder.append(SqlInfo::SqlExtraNameCharacters, "");
    builder.append(SqlInfo::SqlMaxStatementLength, crate::SQL_BYTES_MAX as i64);
    builder.append(SqlInfo::SqlMaxUsernameLength, 0_i64);
    // None. The JDBC driver reads this choice alone as 64 bits.
    builder.append(SqlInfo::SqlDefaultTransactionIsolation, 0_i64);
    builder.append(SqlInfo::SqlSupportsConvert, BTreeMap::<i32, Vec<i32>>::new());
    builder.append(SqlInfo::SqlKeywords, &KEYWORDS[..]);
    builder.append(SqlInfo::SqlNumericFunctions, &NUMERIC[..]);
    builder.append(SqlInfo::SqlStringFunctions, &STRINGS[..]);
    builder.append(SqlInfo::SqlSystemFunctions, &SYSTEM[..]);
    builder.append(SqlInfo::SqlDatetimeFunctions, &TIMES[..]);
    builder.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: no driver finds a code missing.
    #[test]
    fn every_code_of_the_protocol_is_there() {
        let data = build(30_000).unwrap();
        let known = (0..=11).chain(100..=101).chain(500..=576);
        for code in known {
            assert!(SqlInfo::try_from(code).is_ok(), "{code} is none");
            let batch = data.record_batch([code as u32]).unwrap();
            assert_eq!(batch.num_rows(), 1, "{:?} is missing", SqlInfo::try_from(code));
        }
        assert!(SqlInfo::try_from(577).is_err(), "a new code");
        assert_eq!(data.record_batch([]).unwrap().num_rows(), 91, "all of them where none is named");
    }
}
