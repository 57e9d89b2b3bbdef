//! What Jaeger adjusts when a trace is read, in its order, each part to be switched off, each change told in a warning.
//!
//! Deliberate absences: events keep their order (Jaeger sorts them by name), and so do attributes.
mod addresses;
mod duplicates;
mod links;
mod resource;
mod shared;
mod skew;

#[cfg(test)]
pub(crate) use skew::go_duration;

use super::Trace;
use std::time::Duration;

/// Which adjustments are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adjustments {
    /// A server's span that shares its id with its client's gets one of its own.
    pub shared_ids: bool,
    /// Of spans that are the same in everything, one stays.
    pub duplicates: bool,
    /// Times of a host whose clock differs from its caller's are moved, by so much at most; with zero it is only told
    /// how far they would be. `None`: not even that.
    pub clock_skew: Option<Duration>,
    /// Addresses that came as numbers are written with dots.
    pub addresses: bool,
    /// What describes the SDK moves from spans to their resource.
    pub resources: bool,
    /// Links that lead nowhere go.
    pub links: bool,
}

impl Adjustments {
    /// None of them.
    pub const NONE: Adjustments = Adjustments {
        shared_ids: false,
        duplicates: false,
        clock_skew: None,
        addresses: false,
        resources: false,
        links: false,
    };

    /// Jaeger's own set; clocks are told of, and not adjusted.
    pub const JAEGER: Adjustments = Adjustments {
        shared_ids: true,
        duplicates: true,
        clock_skew: Some(Duration::ZERO),
        addresses: true,
        resources: true,
        links: true,
    };

    /// Those of a list of names: `ids,duplicates,skew,addresses,resources,links`, `all` or `none`. `skew` moves times by
    /// up to an hour.
    ///
    /// # Errors
    /// The name that is none.
    pub fn parse(names: &str) -> Result<Adjustments, String> {
        let mut chosen = Adjustments::NONE;
        for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "none" => chosen = Adjustments::NONE,
                "all" => chosen = Adjustments { clock_skew: Some(SKEW_MAX), ..Adjustments::JAEGER },
                "ids" => chosen.shared_ids = true,
                "duplicates" => chosen.duplicates = true,
                "skew" => chosen.clock_skew = Some(SKEW_MAX),
                "addresses" => chosen.addresses = true,
                "resources" => chosen.resources = true,
                "links" => chosen.links = true,
                other => return Err(other.to_owned()),
            }
        }
        Ok(chosen)
    }

    /// Adjusts a trace.
    pub fn apply(&self, trace: &mut Trace) {
        if self.shared_ids {
            shared::separate(trace);
        }
        if self.duplicates {
            duplicates::remove(trace);
        }
        if let Some(delta_max) = self.clock_skew {
            skew::adjust(trace, delta_max);
        }
        if self.addresses {
            addresses::write_with_dots(trace);
        }
        if self.resources {
            resource::move_attributes(trace);
        }
        if self.links {
            links::remove_empty(trace);
        }
    }
}

/// The farthest that clocks are adjusted where somebody asks for it without a bound.
pub const SKEW_MAX: Duration = Duration::from_secs(3_600);
