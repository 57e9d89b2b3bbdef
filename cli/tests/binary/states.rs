//! What stands in a view where there are no rows: empty or failed is said in each part's own place, and the page is whole.
use crate::rights::VIEWS;
use crate::running::Running;

/// Views that are pages, and their addresses.
fn pages() -> impl Iterator<Item = String> {
    let others = ["/export", "/explore/result", "/explore/schema"];
    let addresses = VIEWS
        .iter()
        .filter(|(of, ..)| of.starts_with("GET "))
        .map(|(.., request)| request.replace("{row}", "at=1&id=0"));
    addresses.filter(move |address| !others.iter().any(|other| address.contains(other)))
}

/// Parts of a page, each from its head to the next.
fn parts(page: &str) -> impl Iterator<Item = &str> {
    page.split("<section class=\"card").skip(1)
}

/// Guarantees: on an empty installation nothing fails, and no part is left at "Loading".
#[test]
fn every_view_of_an_empty_installation_says_that_there_is_nothing() {
    let running = Running::up("");
    let mut said = 0;
    for address in pages() {
        let (status, page) = running.get(&address);
        assert!(status == 200 || (status == 404 && address.contains("/traces/")), "{address}: {status}");
        let is_whole = page.ends_with("</main></body></html>") || !page.starts_with("<!doctype");
        assert!(is_whole, "{address} is cut off: {page}");
        // A message that is not there is the only thing that one cannot look at.
        if !address.starts_with("/messages/row") {
            assert!(!page.contains("class=\"fault\""), "{address}: {page}");
        }
        for part in parts(&page) {
            let after = part.split("Loading…</p>").nth(1);
            assert!(after.is_none_or(|after| !after.trim_start().starts_with("</section>")), "{address}: {part}");
        }
        said += page.matches("class=\"empty\"").count();
    }
    assert!(said >= 20, "{said}");
}

/// Guarantees: what fails is said where it would have been, once for each part, and the rest of the page is there.
#[test]
fn every_view_without_sql_says_so_in_each_part() {
    let running = Running::start(tempfile::tempdir().unwrap(), "", &["listen"]);
    let mut failed = 0;
    for address in pages() {
        let (status, page) = running.get(&address);
        assert!(status < 500, "{address}: {status}");
        let is_whole = page.ends_with("</main></body></html>") || !page.starts_with("<!doctype");
        assert!(is_whole, "{address} is cut off: {page}");
        for part in parts(&page).filter(|part| part.contains("Loading…")) {
            let faults = part.matches("class=\"fault\"").count();
            let is_said =
                part.contains("there is no SQL here") || part.contains("class=\"empty\"") || part.contains("<form");
            assert!(is_said, "{address}: {part}");
            failed += faults;
        }
    }
    assert!(failed >= 10, "{failed}");
}
