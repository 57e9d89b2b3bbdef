//! The messages of OTLP 1.x as far as its requests have them: names in JSON, numbers and types of their fields.

/// A message.
#[derive(Debug)]
pub struct Message {
    /// Its fields.
    pub fields: &'static [Field],
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// Its name in JSON: lowerCamelCase.
    pub name: &'static str,
    /// Its name in the `.proto` file, which JSON may have too.
    pub original: &'static str,
    /// Its number.
    pub number: u32,
    /// Its type.
    pub kind: Kind,
    /// True where there may be several.
    pub repeated: bool,
}

/// Type of a field.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `string`
    Text,
    /// `bytes`, in base64.
    Bytes,
    /// An id: `bytes`, and in OTLP's JSON hexadecimal.
    Id,
    /// `bool`
    Bool,
    /// `int64`
    Int64,
    /// `uint32` and `uint64`
    Unsigned,
    /// `sint32`
    Signed,
    /// `fixed64`
    Fixed64,
    /// `sfixed64`
    SignedFixed64,
    /// `fixed32`
    Fixed32,
    /// `double`
    Double,
    /// An enum: what is before each name, and the names by their numbers.
    Enum(&'static str, &'static [&'static str]),
    /// A message.
    Message(&'static Message),
}

const fn one(name: &'static str, original: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, original, number, kind, repeated: false }
}

const fn many(name: &'static str, original: &'static str, number: u32, message: &'static Message) -> Field {
    Field { name, original, number, kind: Kind::Message(message), repeated: true }
}

const fn attributes(number: u32) -> Field {
    many("attributes", "attributes", number, &KEY_VALUE)
}

const fn dropped_attributes(number: u32) -> Field {
    one("droppedAttributesCount", "dropped_attributes_count", number, Kind::Unsigned)
}

const fn schema_url(number: u32) -> Field {
    one("schemaUrl", "schema_url", number, Kind::Text)
}

const fn start(number: u32) -> Field {
    one("startTimeUnixNano", "start_time_unix_nano", number, Kind::Fixed64)
}

const fn time(number: u32) -> Field {
    one("timeUnixNano", "time_unix_nano", number, Kind::Fixed64)
}

const fn flags(number: u32, kind: Kind) -> Field {
    one("flags", "flags", number, kind)
}

const fn message(name: &'static str, original: &'static str, number: u32, message: &'static Message) -> Field {
    one(name, original, number, Kind::Message(message))
}

const fn double(name: &'static str, original: &'static str, number: u32) -> Field {
    one(name, original, number, Kind::Double)
}

/// A value of any type.
pub static ANY_VALUE: Message = Message {
    fields: &[
        one("stringValue", "string_value", 1, Kind::Text),
        one("boolValue", "bool_value", 2, Kind::Bool),
        one("intValue", "int_value", 3, Kind::Int64),
        double("doubleValue", "double_value", 4),
        message("arrayValue", "array_value", 5, &ARRAY_VALUE),
        message("kvlistValue", "kvlist_value", 6, &KEY_VALUE_LIST),
        one("bytesValue", "bytes_value", 7, Kind::Bytes),
    ],
};

static ARRAY_VALUE: Message = Message { fields: &[many("values", "values", 1, &ANY_VALUE)] };
static KEY_VALUE_LIST: Message = Message { fields: &[many("values", "values", 1, &KEY_VALUE)] };

pub(super) static KEY_VALUE: Message =
    Message { fields: &[one("key", "key", 1, Kind::Text), message("value", "value", 2, &ANY_VALUE)] };

static SCOPE: Message = Message {
    fields: &[
        one("name", "name", 1, Kind::Text),
        one("version", "version", 2, Kind::Text),
        attributes(3),
        dropped_attributes(4),
    ],
};

pub(super) static RESOURCE: Message = Message { fields: &[attributes(1), dropped_attributes(2)] };

/// `ExportTraceServiceRequest`
pub static TRACES_REQUEST: Message = Message { fields: &[many("resourceSpans", "resource_spans", 1, &RESOURCE_SPANS)] };

pub(super) static RESOURCE_SPANS: Message = Message {
    fields: &[
        message("resource", "resource", 1, &RESOURCE),
        many("scopeSpans", "scope_spans", 2, &SCOPE_SPANS),
        schema_url(3),
    ],
};

static SCOPE_SPANS: Message =
    Message { fields: &[message("scope", "scope", 1, &SCOPE), many("spans", "spans", 2, &SPAN), schema_url(3)] };

pub(super) static SPAN: Message = Message {
    fields: &[
        one("traceId", "trace_id", 1, Kind::Id),
        one("spanId", "span_id", 2, Kind::Id),
        one("traceState", "trace_state", 3, Kind::Text),
        one("parentSpanId", "parent_span_id", 4, Kind::Id),
        one("name", "name", 5, Kind::Text),
        one(
            "kind",
            "kind",
            6,
            Kind::Enum("SPAN_KIND_", &["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
        ),
        start(7),
        one("endTimeUnixNano", "end_time_unix_nano", 8, Kind::Fixed64),
        attributes(9),
        dropped_attributes(10),
        many("events", "events", 11, &EVENT),
        one("droppedEventsCount", "dropped_events_count", 12, Kind::Unsigned),
        many("links", "links", 13, &LINK),
        one("droppedLinksCount", "dropped_links_count", 14, Kind::Unsigned),
        message("status", "status", 15, &STATUS),
        flags(16, Kind::Fixed32),
    ],
};

pub(super) static EVENT: Message =
    Message { fields: &[time(1), one("name", "name", 2, Kind::Text), attributes(3), dropped_attributes(4)] };

static LINK: Message = Message {
    fields: &[
        one("traceId", "trace_id", 1, Kind::Id),
        one("spanId", "span_id", 2, Kind::Id),
        one("traceState", "trace_state", 3, Kind::Text),
        attributes(4),
        dropped_attributes(5),
        flags(6, Kind::Fixed32),
    ],
};

pub(super) static STATUS: Message = Message {
    fields: &[
        one("message", "message", 2, Kind::Text),
        one("code", "code", 3, Kind::Enum("STATUS_CODE_", &["UNSET", "OK", "ERROR"])),
    ],
};

/// `ExportLogsServiceRequest`
pub static LOGS_REQUEST: Message = Message { fields: &[many("resourceLogs", "resource_logs", 1, &RESOURCE_LOGS)] };

pub(super) static RESOURCE_LOGS: Message = Message {
    fields: &[
        message("resource", "resource", 1, &RESOURCE),
        many("scopeLogs", "scope_logs", 2, &SCOPE_LOGS),
        schema_url(3),
    ],
};

static SCOPE_LOGS: Message = Message {
    fields: &[message("scope", "scope", 1, &SCOPE), many("logRecords", "log_records", 2, &LOG_RECORD), schema_url(3)],
};

pub(super) static LOG_RECORD: Message = Message {
    fields: &[
        time(1),
        one("severityNumber", "severity_number", 2, Kind::Enum("SEVERITY_NUMBER_", SEVERITIES)),
        one("severityText", "severity_text", 3, Kind::Text),
        message("body", "body", 5, &ANY_VALUE),
        attributes(6),
        dropped_attributes(7),
        flags(8, Kind::Fixed32),
        one("traceId", "trace_id", 9, Kind::Id),
        one("spanId", "span_id", 10, Kind::Id),
        one("observedTimeUnixNano", "observed_time_unix_nano", 11, Kind::Fixed64),
        one("eventName", "event_name", 12, Kind::Text),
    ],
};

const SEVERITIES: &[&str] = &[
    "UNSPECIFIED",
    "TRACE",
    "TRACE2",
    "TRACE3",
    "TRACE4",
    "DEBUG",
    "DEBUG2",
    "DEBUG3",
    "DEBUG4",
    "INFO",
    "INFO2",
    "INFO3",
    "INFO4",
    "WARN",
    "WARN2",
    "WARN3",
    "WARN4",
    "ERROR",
    "ERROR2",
    "ERROR3",
    "ERROR4",
    "FATAL",
    "FATAL2",
    "FATAL3",
    "FATAL4",
];

/// `ExportMetricsServiceRequest`
pub static METRICS_REQUEST: Message =
    Message { fields: &[many("resourceMetrics", "resource_metrics", 1, &RESOURCE_METRICS)] };

pub(super) static RESOURCE_METRICS: Message = Message {
    fields: &[
        message("resource", "resource", 1, &RESOURCE),
        many("scopeMetrics", "scope_metrics", 2, &SCOPE_METRICS),
        schema_url(3),
    ],
};

static SCOPE_METRICS: Message =
    Message { fields: &[message("scope", "scope", 1, &SCOPE), many("metrics", "metrics", 2, &METRIC), schema_url(3)] };

pub(super) static METRIC: Message = Message {
    fields: &[
        one("name", "name", 1, Kind::Text),
        one("description", "description", 2, Kind::Text),
        one("unit", "unit", 3, Kind::Text),
        message("gauge", "gauge", 5, &GAUGE),
        message("sum", "sum", 7, &SUM),
        message("histogram", "histogram", 9, &HISTOGRAM),
        message("exponentialHistogram", "exponential_histogram", 10, &EXPONENTIAL_HISTOGRAM),
        message("summary", "summary", 11, &SUMMARY),
        many("metadata", "metadata", 12, &KEY_VALUE),
    ],
};

const TEMPORALITY: Field = one(
    "aggregationTemporality",
    "aggregation_temporality",
    2,
    Kind::Enum("AGGREGATION_TEMPORALITY_", &["UNSPECIFIED", "DELTA", "CUMULATIVE"]),
);

const fn data_points(message: &'static Message) -> Field {
    many("dataPoints", "data_points", 1, message)
}

static GAUGE: Message = Message { fields: &[data_points(&NUMBER_POINT)] };

static SUM: Message =
    Message { fields: &[data_points(&NUMBER_POINT), TEMPORALITY, one("isMonotonic", "is_monotonic", 3, Kind::Bool)] };

static HISTOGRAM: Message = Message { fields: &[data_points(&HISTOGRAM_POINT), TEMPORALITY] };
static EXPONENTIAL_HISTOGRAM: Message = Message { fields: &[data_points(&EXPONENTIAL_POINT), TEMPORALITY] };
static SUMMARY: Message = Message { fields: &[data_points(&SUMMARY_POINT)] };

static NUMBER_POINT: Message = Message {
    fields: &[
        start(2),
        time(3),
        double("asDouble", "as_double", 4),
        one("asInt", "as_int", 6, Kind::SignedFixed64),
        attributes(7),
        flags(8, Kind::Unsigned),
    ],
};

static HISTOGRAM_POINT: Message = Message {
    fields: &[
        start(2),
        time(3),
        one("count", "count", 4, Kind::Fixed64),
        double("sum", "sum", 5),
        Field { repeated: true, ..one("bucketCounts", "bucket_counts", 6, Kind::Fixed64) },
        Field { repeated: true, ..double("explicitBounds", "explicit_bounds", 7) },
        attributes(9),
        flags(10, Kind::Unsigned),
        double("min", "min", 11),
        double("max", "max", 12),
    ],
};

static EXPONENTIAL_POINT: Message = Message {
    fields: &[
        attributes(1),
        start(2),
        time(3),
        one("count", "count", 4, Kind::Fixed64),
        double("sum", "sum", 5),
        one("scale", "scale", 6, Kind::Signed),
        one("zeroCount", "zero_count", 7, Kind::Fixed64),
        message("positive", "positive", 8, &BUCKETS),
        message("negative", "negative", 9, &BUCKETS),
        flags(10, Kind::Unsigned),
        double("min", "min", 12),
        double("max", "max", 13),
        double("zeroThreshold", "zero_threshold", 14),
    ],
};

static BUCKETS: Message = Message {
    fields: &[
        one("offset", "offset", 1, Kind::Signed),
        Field { repeated: true, ..one("bucketCounts", "bucket_counts", 2, Kind::Unsigned) },
    ],
};

static SUMMARY_POINT: Message = Message {
    fields: &[
        start(2),
        time(3),
        one("count", "count", 4, Kind::Fixed64),
        double("sum", "sum", 5),
        many("quantileValues", "quantile_values", 6, &QUANTILE),
        attributes(7),
        flags(8, Kind::Unsigned),
    ],
};

static QUANTILE: Message = Message { fields: &[double("quantile", "quantile", 1), double("value", "value", 2)] };
