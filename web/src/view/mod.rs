//! The registry of views: one folder and one line each.
use crate::site::Site;
use axum::Router;

/// A view, as the frame knows it.
pub(crate) struct View {
    /// In the navigation.
    pub(crate) title: &'static str,
    /// Its address, and the beginning of those of its parts.
    pub(crate) path: &'static str,
    /// Everything that it answers.
    pub(crate) routes: fn() -> Router<Site>,
}

macro_rules! views {
    ($($name:ident $title:literal $path:literal)*) => {
        $(mod $name;)*
        /// All views, in the order of the navigation.
        pub(crate) const ALL: [View; [$($path),*].len()] =
            [$(View { title: $title, path: $path, routes: $name::routes }),*];
    };
}

// `/metrics` is Prometheus' address: no view has it.
views! {
    overview "Overview" "/"
    reports "Reports" "/reports"
    messages "Messages" "/messages"
    series "Metrics" "/series"
    traces "Traces" "/traces"
    mesh "Mesh" "/mesh"
    live "Live" "/live"
    explore "Explore" "/explore"
}
