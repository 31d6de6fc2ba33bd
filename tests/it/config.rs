//! Wrong configurations, from outside: nothing starts, and the error says what to repair.

use crate::harness::{Site, headgate, stderr, stdout};

#[test]
fn a_wrong_file_ends_the_start_before_anything_is_opened() {
    let site = Site::new();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("headgate.toml");
    std::fs::write(
        &file,
        "[gateway]\nlisten = '127.0.0.1:0'\nlimit = 3\n\n[gateway.limits]\ndepth_max = 0\n",
    )
    .expect("a file");
    let output = site
        .command()
        .arg("up")
        .arg("--config")
        .arg(&file)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    let error = stderr(&output);
    assert!(
        error.contains(
            "headgate.toml:3: gateway.limit = 3: unknown key `limit`; did you mean `limits`?"
        ),
        "{error}"
    );
    assert!(
        error.contains("headgate.toml:6: gateway.limits.depth_max = 0: is 0, must be at least 1"),
        "{error}"
    );
    assert!(!site.data_dir().exists(), "the data directory was made");
}

#[test]
fn an_unknown_variable_is_named() {
    let output = headgate()
        .args(["config", "check"])
        .env("HEADGATE__GATEWAY__LISTN", "127.0.0.1:1")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(78));
    let error = stderr(&output);
    assert!(
        error.contains("environment variable HEADGATE__GATEWAY__LISTN: gateway.listn"),
        "{error}"
    );
    assert!(error.contains("did you mean `listen`?"), "{error}");
}

#[test]
fn a_printed_configuration_is_one_that_loads() {
    let printed = stdout(
        &headgate()
            .args(["config", "print", "--defaults"])
            .output()
            .expect("it runs"),
    );
    assert!(printed.contains("[gateway.limits]"), "{printed}");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("headgate.toml");
    std::fs::write(&file, printed).expect("a file");
    let output = headgate()
        .args(["config", "check", "--config"])
        .arg(&file)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let output = headgate()
        .args(["up", "--no-such-flag"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(64));
}
