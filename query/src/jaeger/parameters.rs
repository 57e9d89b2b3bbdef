//! The parameters of a request, as Jaeger's v1 reads them.
use super::envelope::Refusal;
use super::texts;
use crate::filter::Filter;
use crate::trace::TraceId;
use crate::trace::adjust::Adjustments;
use crate::trace::find::{Order, Search};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use metlog_schemas::table::Table;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far back v1 searches where nobody says.
const LOOKBACK: Duration = Duration::from_secs(48 * 3_600);

/// How many traces v1 and v3 give where nobody says.
pub(super) const LIMIT: usize = 100;

/// Most traces of one result.
pub(super) const LIMIT_MAX: usize = 10_000;

/// The parameters of a request, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Parameters, Infallible> {
        Ok(Parameters::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Parameters {
    pub(crate) fn of(query: &str) -> Parameters {
        Parameters(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first value that is not empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Reads a value where there is one.
    pub(super) fn read<T>(&self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, Refusal> {
        let wrong = |error| Refusal::bad(format!("unable to parse param '{name}': {error}"));
        self.filled(name).map(read).transpose().map_err(wrong)
    }

    /// A moment in a unit of so many nanoseconds, in nanoseconds.
    pub(super) fn moment(&self, name: &str, unit: u64) -> Result<Option<u64>, Refusal> {
        let moment = self.read(name, texts::integer)?;
        Ok(moment.map(|moment| u64::try_from(moment).unwrap_or_default().saturating_mul(unit)))
    }

    /// A number of milliseconds, in nanoseconds.
    pub(super) fn millis(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.moment(name, 1_000_000)
    }

    /// Which adjustments are wanted.
    pub(super) fn adjustments(&self) -> Result<Adjustments, Refusal> {
        if self.read("raw", texts::truth)? == Some(true) {
            return Ok(Adjustments::NONE);
        }
        let chosen = self.read("adjust", |names| {
            Adjustments::parse(names).map_err(|name| {
                format!("unknown adjustment '{name}', there are ids, duplicates, skew, addresses, resources, links, all, none")
            })
        })?;
        Ok(chosen.unwrap_or(Adjustments::JAEGER))
    }

    fn positive(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let nanos = self.read(name, texts::duration)?;
        Ok(nanos.map(|nanos| u64::try_from(nanos).unwrap_or_default()).filter(|nanos| *nanos > 0))
    }
}

/// What `GET /api/traces` is asked.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Traces by their ids; search where there are none.
    pub(super) ids: Vec<TraceId>,
    pub(super) search: Search,
    pub(super) adjustments: Adjustments,
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

impl Wanted {
    pub(super) fn read(parameters: &Parameters, now: u64) -> Result<Wanted, Refusal> {
        let lookback = u64::try_from(LOOKBACK.as_nanos()).unwrap_or(u64::MAX);
        let from = parameters.moment("start", 1_000)?.unwrap_or(now.saturating_sub(lookback));
        let until = parameters.moment("end", 1_000)?.unwrap_or(now);
        let tags = tags(parameters)?;
        let limit = match parameters.filled("limit") {
            Some(text) => texts::integer(text).map_err(Refusal::bad)?,
            None => LIMIT as i64,
        };
        let (duration_min, duration_max) = (parameters.positive("minDuration")?, parameters.positive("maxDuration")?);
        let mut ids = Vec::new();
        for id in parameters.all("traceID") {
            ids.push(trace_id(id).map_err(|error| Refusal::bad(format!("cannot parse traceID param: {error}")))?);
        }
        let adjustments = parameters.adjustments()?;
        let filter = filter(parameters)?;
        let service = parameters.filled("service").map(str::to_owned);
        if ids.is_empty() && service.is_none() && parameters.get("filter").is_none() {
            return Err(Refusal::bad("parameter 'service' is required"));
        }
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0);
        let limit = limit.ok_or_else(|| Refusal::bad("invalid parameter: limit must be greater than 0"))?;
        if limit > LIMIT_MAX {
            return Err(Refusal::bad(format!("invalid parameter: limit must be at most {LIMIT_MAX}")));
        }
        if from > until {
            return Err(Refusal::bad("invalid parameter: start time must be before end time"));
        }
        if duration_min.zip(duration_max).is_some_and(|(min, max)| max < min) {
            return Err(Refusal::bad("'maxDuration' should be greater than 'minDuration'"));
        }
        let search = Search {
            service,
            operation: parameters.filled("operation").map(str::to_owned),
            tags,
            filter,
            more: Vec::new(),
            from,
            until,
            duration_min,
            duration_max,
            trace_min: parameters.positive("minTraceDuration")?,
            trace_max: parameters.positive("maxTraceDuration")?,
            order: order(parameters)?,
            limit,
            offset: parameters.moment("offset", 1)?.map_or(0, |offset| usize::try_from(offset).unwrap_or(usize::MAX)),
        };
        Ok(Wanted { ids, search, adjustments })
    }
}

/// A trace's id, or what is wrong with it.
pub(super) fn trace_id(text: &str) -> Result<TraceId, String> {
    TraceId::parse(text).ok_or_else(|| {
        format!("'{text}' is no trace ID: up to 32 hexadecimal digits or up to 24 characters of base64 are required")
    })
}

pub(super) fn order(parameters: &Parameters) -> Result<Order, Refusal> {
    let names = || Order::ALL.map(Order::name).join(", ");
    let read = |name: &str| Order::from_name(name).ok_or_else(|| format!("'{name}' is none of {}", names()));
    Ok(parameters.read("sort", read)?.unwrap_or_default())
}

pub(super) fn filter(parameters: &Parameters) -> Result<Option<Filter>, Refusal> {
    parameters.read("filter", |text| Filter::parse(Table::Spans, text).map_err(|error| error.to_string()))
}

/// Tags by their keys; of a key that comes twice the last counts.
fn tags(parameters: &Parameters) -> Result<Vec<(String, String)>, Refusal> {
    let mut tags = BTreeMap::new();
    for tag in parameters.all("tag") {
        let (key, value) = tag
            .split_once(':')
            .ok_or_else(|| Refusal::bad(format!("malformed 'tag' parameter, expecting key:value, received: {tag}")))?;
        tags.insert(key.to_owned(), value.to_owned());
    }
    for json in parameters.all("tags") {
        let of: BTreeMap<String, String> = serde_json::from_str(json)
            .map_err(|error| Refusal::bad(format!("malformed 'tags' parameter, cannot unmarshal JSON: {error}")))?;
        tags.extend(of);
    }
    Ok(tags.into_iter().collect())
}
