//! All reports: those of metlog, and those of the owner's folder, which is read each time.
use super::file::{Problem, Report, read};
use std::path::Path;

/// Files of the owner's folder that are looked at.
const FILES_MAX: usize = 500;

/// Longest file.
const FILE_BYTES_MAX: u64 = 256 * 1024;

macro_rules! shipped {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../../../reports/", $name, ".toml")))),*] };
}

/// In the order in which they are listed.
const SHIPPED: [(&str, &str); 10] = shipped![
    "unique-users",
    "request-time",
    "error-rate",
    "slowest-names",
    "type-and-severity",
    "top-tokens",
    "volume-by-logger",
    "counters-changed",
    "loss-by-sender",
    "mesh-verdicts",
];

/// Reports, and files that are none.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub(super) reports: Vec<Report>,
    /// Files and what is wrong with them.
    pub(super) broken: Vec<(String, Vec<Problem>)>,
}

impl Shelf {
    /// All there are now. A file of the owner takes the place of one of metlog that has the same name.
    pub(super) async fn read(folder: Option<&Path>) -> Shelf {
        let folder = folder.map(Path::to_owned);
        let read = tokio::task::spawn_blocking(move || Shelf::of(folder.as_deref()));
        read.await.unwrap_or_default()
    }

    fn of(folder: Option<&Path>) -> Shelf {
        let mut shelf = Shelf::default();
        if let Some(folder) = folder {
            shelf.add_folder(folder);
        }
        for (name, text) in SHIPPED {
            let is_replaced = shelf.reports.iter().any(|report| report.name == name)
                || shelf.broken.iter().any(|(file, _)| name_of(file) == name);
            if is_replaced {
                continue;
            }
            match read(name, &format!("{name}.toml"), false, text) {
                Ok(report) => shelf.reports.push(report),
                Err(problems) => shelf.broken.push((format!("{name}.toml"), problems)),
            }
        }
        shelf
    }

    fn add_folder(&mut self, folder: &Path) {
        let shown = folder.display().to_string();
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                return self.broken.push((shown, vec![Problem::of_file(format!("the folder cannot be read: {error}"))]));
            }
        };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        if files.len() > FILES_MAX {
            self.broken.push((shown, vec![Problem::of_file(format!("has more than {FILES_MAX} files: the others are not read"))]));
        }
        for path in files.into_iter().take(FILES_MAX) {
            let file = path.display().to_string();
            let name = name_of(&file);
            let read = text_of(&path).map_err(|why| vec![Problem::of_file(why)]).and_then(|text| read(&name, &file, true, &text));
            match read {
                Ok(report) => self.reports.push(report),
                Err(problems) => self.broken.push((file, problems)),
            }
        }
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let metadata = path.metadata().map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(format!("is no file of at most {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))
}

/// The name of the report in a file.
pub(super) fn name_of(file: &str) -> String {
    Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_report_is_one() {
        let shelf = Shelf::of(None);
        assert_eq!(shelf.broken, []);
        assert_eq!(shelf.reports.len(), SHIPPED.len());
        assert!(shelf.reports.iter().all(|report| !report.answers.is_empty() && !report.is_own));
    }

    #[test]
    fn the_owners_folder_is_read_each_time_and_its_mistakes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("mine.toml", "title = \"Mine\"\nsql = \"select 1\"\n");
        write("notes.txt", "no report");
        let shelf = Shelf::of(Some(folder.path()));
        assert_eq!((shelf.reports[0].title.as_str(), shelf.reports[0].is_own, shelf.broken.len()), ("Mine", true, 0));
        write("mine.toml", "title = \"Mine\"\n\nsqll = \"select 1\"\n");
        write("unique-users.toml", "title = \"Ours\"\nsql = \"select 2\"\n");
        let shelf = Shelf::of(Some(folder.path()));
        let (file, problems) = &shelf.broken[0];
        assert!(file.ends_with("mine.toml"));
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems[0], "line 1, sql: is required");
        assert!(problems[1].starts_with("line 3, sqll: unknown key"), "{problems:?}");
        assert_eq!(shelf.reports.iter().filter(|report| report.name == "unique-users").map(|report| report.title.as_str()).collect::<Vec<_>>(), ["Ours"]);
        let shelf = Shelf::of(Some(&folder.path().join("nowhere")));
        assert_eq!((shelf.broken.len(), shelf.reports.len()), (1, SHIPPED.len()), "the others are still there");
    }
}
