//! Test: the files of others are those that the table of `cargo xtask vendor` says, and their packages those of the lock.
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn vendored_files_are_those_of_the_table() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(web.join(path)).unwrap();
    let table: toml::Table = read("vendor/table.toml").parse().unwrap();
    let lock: serde_json::Value = serde_json::from_str(&read("vendor/package-lock.json")).unwrap();
    for package in table["package"].as_array().unwrap() {
        let text = |key: &str| package[key].as_str().unwrap();
        let locked = &lock["packages"][format!("node_modules/{}", text("name"))];
        assert_eq!(
            (locked["version"].as_str(), locked["integrity"].as_str()),
            (Some(text("version")), Some(text("integrity")))
        );
        assert_eq!(text("licence"), "MIT", "{}: look at what its licence asks for", text("name"));
    }
    let mut named = BTreeSet::new();
    for file in table["file"].as_array().unwrap() {
        let name = file["name"].as_str().unwrap();
        let bytes = std::fs::read(web.join("assets/vendor").join(name)).unwrap();
        let hash: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(file["sha256"].as_str(), Some(hash.as_str()), "{name} is not what `cargo xtask vendor` has made");
        named.insert(name.to_owned());
    }
    let there = std::fs::read_dir(web.join("assets/vendor"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), named);
}
