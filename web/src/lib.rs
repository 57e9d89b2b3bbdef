//! The page: reports, charts, SQL and live views for people, served by the binary itself.
