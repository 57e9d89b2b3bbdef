//! The section `[web]`: what is the owner's own in the page.
use super::document::Section;
use super::values;
use std::path::{Path, PathBuf};

/// What is the owner's own in the page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebConfig {
    /// The folder of the owner's reports.
    pub reports: Option<PathBuf>,
}

/// Reads the section. Relative paths begin at `folder`.
pub fn read(root: &mut Section<'_>, folder: &Path) -> WebConfig {
    let mut section = root.section("web");
    let reports = section.read("reports", values::path).map(|path| folder.join(path));
    section.finish();
    WebConfig { reports }
}
