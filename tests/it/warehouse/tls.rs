//! PostgreSQL's protocol by TLS: the certificate must be the host's, by an authority that is trusted.

use std::path::Path;
use std::process::{Command, Output};

use super::{By, Warehouse};
use crate::harness::{Site, stderr, stdout};

/// What the server's certificate is for.
const HOST: &str = "localhost";

fn openssl(dir: &Path, arguments: &str) {
    let mut openssl = Command::new("openssl");
    let ran = openssl
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .expect("openssl is installed");
    assert!(ran.status.success(), "{arguments}: {}", stderr(&ran));
}

/// An authority, and a server's certificate by it: `<name>.pem` and `<name>-server.pem` with their keys.
fn authority(dir: &Path, name: &str) {
    const KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        dir,
        &format!("req -x509 {KEY} -days 30 -subj /CN={name} -keyout {name}.key -out {name}.pem"),
    );
    openssl(
        dir,
        &format!("req {KEY} -subj /CN={HOST} -keyout {name}-server.key -out {name}-server.csr"),
    );
    std::fs::write(dir.join("names"), format!("subjectAltName=DNS:{HOST}\n")).expect("a file");
    openssl(
        dir,
        &format!(
            "x509 -req -in {name}-server.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 30 -extfile names -out \
             {name}-server.pem"
        ),
    );
}

/// What `warehouse status` says when it connects to `host` and trusts `ca`.
fn status(warehouse: &Warehouse, host: &str, ca: &Path) -> Output {
    let mut command = warehouse.command(&["warehouse", "status"]);
    command
        .env("HEADGATE__WAREHOUSE__POSTGRES__TLS", "verify")
        .env("HEADGATE__WAREHOUSE__POSTGRES__HOST", host)
        .env("HEADGATE__WAREHOUSE__POSTGRES__CA_FILE", ca);
    command.output().expect("it runs")
}

#[track_caller]
fn refused(output: &Output, because: &str) {
    assert_eq!(output.status.code(), Some(1), "{}", stdout(output));
    assert!(stderr(output).contains(because), "{}", stderr(output));
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn only_the_hosts_certificate_by_a_trusted_authority_is_accepted() {
    let site = Site::new();
    let dir = site.file("certificates");
    std::fs::create_dir(&dir).expect("a directory");
    authority(&dir, "trusted");
    authority(&dir, "other");
    let file = |name: &str| dir.join(name);
    let options = format!(
        "--tls-certificate {} --tls-key {}",
        file("trusted-server.pem").display(),
        file("trusted-server.key").display()
    );
    let warehouse = Warehouse::with_options(site, By::Postgres, &options);
    let up = warehouse.up_without_loader();
    warehouse.land(&up, 0, 5);
    let accepted = status(&warehouse, HOST, &file("trusted.pem"));
    assert!(accepted.status.success(), "{}", stderr(&accepted));
    assert!(
        stdout(&accepted).contains("screen_viewed_1"),
        "{}",
        stdout(&accepted)
    );
    refused(
        &status(&warehouse, "127.0.0.1", &file("trusted.pem")),
        "not valid for name",
    );
    refused(
        &status(&warehouse, HOST, &file("other.pem")),
        "UnknownIssuer",
    );
    refused(
        &status(&warehouse, HOST, &file("missing.pem")),
        "warehouse.postgres.ca_file",
    );
    // A whole load, by an encrypted connection.
    let mut load = warehouse.command(&["warehouse", "load"]);
    load.env("HEADGATE__WAREHOUSE__POSTGRES__TLS", "verify")
        .env("HEADGATE__WAREHOUSE__POSTGRES__HOST", HOST)
        .env(
            "HEADGATE__WAREHOUSE__POSTGRES__CA_FILE",
            file("trusted.pem"),
        );
    let loaded = load.output().expect("it runs");
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    warehouse.assert_whole(5);
    up.stop();
}

#[test]
#[ignore = "starts S3 and PostgreSQL"]
fn a_server_without_tls_is_refused_where_it_must_be_verified() {
    let site = Site::new();
    let dir = site.file("certificates");
    std::fs::create_dir(&dir).expect("a directory");
    authority(&dir, "trusted");
    let warehouse = Warehouse::with(site, By::Postgres);
    let up = warehouse.up_without_loader();
    warehouse.land(&up, 0, 1);
    refused(
        &status(&warehouse, HOST, &dir.join("trusted.pem")),
        "does not support TLS",
    );
    up.stop();
}
