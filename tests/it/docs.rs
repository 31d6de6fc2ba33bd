//! The generated pages under `docs/` are what the code says.

use std::path::Path;

use crate::harness::{headgate, stdout};

fn is_current(page: &str) {
    let printed = stdout(&headgate().args(["docs", page]).output().expect("it runs"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs")
        .join(format!("{page}.md"));
    let kept = std::fs::read_to_string(&file).expect("the page is there");
    assert_eq!(
        kept, printed,
        "docs/{page}.md is stale: headgate docs {page} > docs/{page}.md"
    );
}

#[test]
fn metrics_page_is_what_the_code_says() {
    is_current("metrics");
}

#[test]
fn configuration_page_is_what_the_code_says() {
    is_current("configuration");
}
