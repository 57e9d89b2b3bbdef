//! The types of columns, as JDBC and ODBC know them.
use super::broken;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType};
use std::sync::OnceLock;
use tonic::Status;

/// Name, kind, digits or bytes, what stands around a literal, and the base of its digits.
type Described = (&'static str, XdbcDataType, Option<i32>, Option<&'static str>, Option<i32>);

const TYPES: [Described; 7] = [
    ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), None, None),
    ("INT", XdbcDataType::XdbcInteger, Some(32), None, Some(2)),
    ("BIGINT", XdbcDataType::XdbcBigint, Some(64), None, Some(2)),
    ("DOUBLE", XdbcDataType::XdbcDouble, Some(53), None, Some(2)),
    ("VARCHAR", XdbcDataType::XdbcVarchar, None, Some("'"), None),
    ("VARBINARY", XdbcDataType::XdbcVarbinary, None, None, None),
    ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(27), Some("'"), None),
];

/// All of them.
pub(super) fn data() -> Result<&'static XdbcTypeInfoData, Status> {
    static DATA: OnceLock<XdbcTypeInfoData> = OnceLock::new();
    if let Some(data) = DATA.get() {
        return Ok(data);
    }
    let mut builder = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, quote, radix) in TYPES {
        builder.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: kind,
            column_size: size,
            literal_prefix: quote.map(str::to_owned),
            literal_suffix: quote.map(str::to_owned),
            create_params: None,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: kind == XdbcDataType::XdbcVarchar,
            searchable: Searchable::Full,
            unsigned_attribute: radix.map(|_| false),
            fixed_prec_scale: false,
            auto_increment: Some(false),
            local_type_name: Some(name.to_owned()),
            minimum_scale: None,
            maximum_scale: None,
            sql_data_type: kind,
            datetime_subcode: None,
            num_prec_radix: radix,
            interval_precision: None,
        });
    }
    let data = builder.build().map_err(broken)?;
    Ok(DATA.get_or_init(|| data))
}
