//! The messages of `jaeger.api_v3.QueryService`, by their numbers in its protobuf.
use std::collections::HashMap;

macro_rules! messages {
    ($($(#[$attribute:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty),* $(,)? })*) => {
        $($(#[$attribute])* #[derive(Clone, PartialEq, prost::Message)]
        pub(super) struct $name { $($(#[$of])* pub(super) $field: $kind),* })*
    };
}

messages! {
    /// A moment, and as well a duration.
    Seconds {
        #[prost(int64, tag = "1")] seconds: i64,
        #[prost(int32, tag = "2")] nanos_of_second: i32,
    }
    GetTraceRequest {
        #[prost(string, tag = "1")] trace_id: String,
        #[prost(message, optional, tag = "2")] start_time: Option<Seconds>,
        #[prost(message, optional, tag = "3")] end_time: Option<Seconds>,
        #[prost(bool, tag = "4")] raw_traces: bool,
    }
    TraceQueryParameters {
        #[prost(string, tag = "1")] service_name: String,
        #[prost(string, tag = "2")] operation_name: String,
        #[prost(map = "string, string", tag = "3")] attributes: HashMap<String, String>,
        #[prost(message, optional, tag = "4")] start_time_min: Option<Seconds>,
        #[prost(message, optional, tag = "5")] start_time_max: Option<Seconds>,
        #[prost(message, optional, tag = "6")] duration_min: Option<Seconds>,
        #[prost(message, optional, tag = "7")] duration_max: Option<Seconds>,
        #[prost(int32, tag = "8")] search_depth: i32,
        #[prost(bool, tag = "9")] raw_traces: bool,
    }
    /// Also of `FindTraceSummaries`.
    FindTracesRequest {
        #[prost(message, optional, tag = "1")] query: Option<TraceQueryParameters>,
    }
    GetServicesRequest {}
    GetServicesResponse {
        #[prost(string, repeated, tag = "1")] services: Vec<String>,
    }
    GetOperationsRequest {
        #[prost(string, tag = "1")] service: String,
        #[prost(string, tag = "2")] span_kind: String,
    }
    Operation {
        #[prost(string, tag = "1")] name: String,
        #[prost(string, tag = "2")] span_kind: String,
    }
    GetOperationsResponse {
        #[prost(message, repeated, tag = "1")] operations: Vec<Operation>,
    }
    GetDependenciesRequest {
        #[prost(message, optional, tag = "1")] start_time: Option<Seconds>,
        #[prost(message, optional, tag = "2")] end_time: Option<Seconds>,
    }
    Dependency {
        #[prost(string, tag = "1")] parent: String,
        #[prost(string, tag = "2")] child: String,
        #[prost(uint64, tag = "3")] call_count: u64,
    }
    DependenciesResponse {
        #[prost(message, repeated, tag = "1")] dependencies: Vec<Dependency>,
    }
    ServiceSummary {
        #[prost(string, tag = "1")] name: String,
        #[prost(int32, tag = "2")] span_count: i32,
        #[prost(int32, tag = "3")] error_span_count: i32,
    }
    TraceSummary {
        #[prost(string, tag = "1")] trace_id: String,
        #[prost(string, tag = "2")] root_service_name: String,
        #[prost(string, tag = "3")] root_operation_name: String,
        #[prost(fixed64, tag = "4")] min_start_time_unix_nano: u64,
        #[prost(fixed64, tag = "5")] max_end_time_unix_nano: u64,
        #[prost(int32, tag = "6")] span_count: i32,
        #[prost(int32, tag = "7")] error_span_count: i32,
        #[prost(int32, tag = "8")] orphan_span_count: i32,
        #[prost(message, repeated, tag = "9")] services: Vec<ServiceSummary>,
    }
    FindTraceSummariesResponse {
        #[prost(message, repeated, tag = "1")] summaries: Vec<TraceSummary>,
    }
}

impl Seconds {
    /// As nanoseconds; what is negative is zero.
    pub(super) fn nanos(&self) -> u64 {
        let nanos = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos_of_second);
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }
}
