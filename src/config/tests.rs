use std::path::Path;

use super::{Error, Flag, Loaded, effective, load};

fn loading(toml: &str, environment: &[(&str, &str)], flags: Vec<Flag>) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("headgate.toml");
    std::fs::write(&file, toml).expect("a file");
    let variables = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load(Some(&file), variables, flags).map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", dir.path().display()), "")
    })
}

fn flag(key: &'static str, name: &'static str, value: &str) -> Flag {
    Flag {
        key,
        name,
        value: value.to_owned(),
    }
}

#[test]
fn a_later_layer_wins() {
    let toml = "data_dir = 'a'\n[schemas]\nsettle_ms = 20\nwatch = false\n";
    let environment = [
        ("HEADGATE__DATA_DIR", "b"),
        ("HEADGATE__SCHEMAS__SETTLE_MS", "30"),
        ("PATH", "x"),
    ];
    let loaded = loading(
        toml,
        &environment,
        vec![flag("data_dir", "--data-dir", "c")],
    )
    .expect("valid");
    assert_eq!(loaded.config.data_dir, Path::new("c"));
    assert_eq!(loaded.config.schemas.settle_ms, 30);
    assert!(!loaded.config.schemas.watch);
}

#[test]
fn a_table_in_the_environment_is_laid_over_the_files() {
    let toml =
        "[kafka.properties]\n'security.protocol' = 'SASL_SSL'\n'sasl.password' = 'of the file'\n";
    let name = "HEADGATE__KAFKA__PROPERTIES";
    let variable = r#"{"sasl.password" = "of the environment", "client.rack" = 1}"#;
    let loaded = loading(toml, &[(name, variable)], vec![]).expect("valid");
    let properties: Vec<(&str, &str)> = loaded.config.kafka.properties.iter().map(pair).collect();
    let expected = [
        ("client.rack", "1"),
        ("sasl.password", "of the environment"),
        ("security.protocol", "SASL_SSL"),
    ];
    assert_eq!(properties, expected);
    let printed = effective(&loaded);
    let said = "/headgate.toml:2, environment variable HEADGATE__KAFKA__PROPERTIES";
    let found = printed
        .lines()
        .find(|line| line.starts_with("properties = ") && line.contains("SASL_SSL"));
    assert!(found.is_some_and(|line| line.ends_with(said)), "{printed}");
    // An empty one says that there are none.
    let loaded = loading(toml, &[(name, "{}")], vec![]).expect("valid");
    assert!(loaded.config.kafka.properties.is_empty());
}

fn pair<'a>((name, value): (&'a String, &'a String)) -> (&'a str, &'a str) {
    (name, value)
}

#[test]
fn what_is_wrong_in_a_table_is_told_by_its_place_without_the_other_values() {
    let toml = "[stream]\nkind = 'kafka'\n[kafka]\nbootstrap_servers = ['a:1']\n[kafka.properties]\nacks = '1'\n\
                'client.rack' = 'r'\n";
    let variable = r#"{"sasl.password" = "hunter2", "check.crcs" = "false"}"#;
    let environment = [("HEADGATE__KAFKA__PROPERTIES", variable)];
    let error = loading(toml, &environment, vec![]).expect_err("two are refused");
    for part in [
        "headgate.toml:6: kafka.properties: acks cannot be set",
        "environment variable HEADGATE__KAFKA__PROPERTIES: kafka.properties: check.crcs cannot be set",
    ] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn an_unknown_key_names_file_line_value_and_the_key_that_was_meant() {
    let error = loading(
        "data_dir = 'a'\n\n[gateway]\nlisten = '127.0.0.1:0'\n\n[gateway.admin]\nlisen = 'x'\n",
        &[],
        vec![],
    )
    .expect_err("an unknown key");
    assert_eq!(
        error,
        "the configuration has 1 problem:\n  headgate.toml:7: gateway.admin.lisen = \"x\": unknown key `lisen`; did \
         you mean `listen`? (allowed: listen, connections_max)"
    );
}

#[test]
fn every_problem_is_told_not_only_the_first() {
    let toml = "nonsense = 1\n[log]\nfilter = 7\n[schemas]\nwatch = 'yes'\nsettle_ms = 1\n";
    let error = loading(toml, &[("HEADGATE__SHUTDOWN__DEADLINE_MS", "soon")], vec![])
        .expect_err("problems");
    for part in [
        "5 problems",
        "headgate.toml:1: nonsense = 1: unknown key `nonsense`",
        "headgate.toml:3: log.filter = 7: invalid type: integer `7`, expected a string",
        "headgate.toml:5: schemas.watch = \"yes\": invalid type: string \"yes\", expected true or false",
        "headgate.toml:6: schemas.settle_ms = 1: must be 10 to 60000",
        "environment variable HEADGATE__SHUTDOWN__DEADLINE_MS: shutdown.deadline_ms = \"soon\": invalid type: string \
         \"soon\", expected a whole number, 0 or more",
    ] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
}

#[test]
fn a_flag_is_named_in_its_problem() {
    let flags = vec![flag("gateway.listen", "--listen", "localhost")];
    let error = loading("", &[], flags).expect_err("not an address");
    assert!(
        error.contains("flag --listen: gateway.listen = \"localhost\": not an address; expected"),
        "{error}"
    );
}

#[test]
fn text_in_the_environment_may_look_like_a_number() {
    let loaded = loading("", &[("HEADGATE__DATA_DIR", "2026")], vec![]).expect("valid");
    assert_eq!(loaded.config.data_dir, Path::new("2026"));
}

#[test]
fn a_syntax_error_names_its_line_and_hides_no_other_problem() {
    let error = loading(
        "data_dir = 'a'\nlog = = 1\n[schemas]\nwach = true\n",
        &[],
        vec![],
    )
    .expect_err("not TOML");
    assert!(
        error.contains("headgate.toml:2: not valid TOML:"),
        "{error}"
    );
    assert!(error.contains("did you mean `watch`?"), "{error}");
}

#[test]
fn a_file_that_is_asked_for_must_be_there() {
    let error = load(
        Some(Path::new("/nonexistent/headgate.toml")),
        std::iter::empty(),
        vec![],
    );
    assert!(matches!(error, Err(Error::Read { .. })));
}

#[test]
fn the_effective_configuration_says_where_a_value_was_set_and_loads_again() {
    let environment = [("HEADGATE__SCHEMAS__WATCH", "false")];
    let loaded = loading("data_dir = 'x'\n", &environment, vec![]).expect("valid");
    let printed = effective(&loaded);
    assert!(printed.contains("headgate.toml:1\n"), "{printed}");
    assert!(
        printed.contains("watch = false # environment variable HEADGATE__SCHEMAS__WATCH\n"),
        "{printed}"
    );
    let again = loading(&printed, &[], vec![]).expect("what was printed is valid");
    assert_eq!(
        toml::to_string(&again.config).ok(),
        toml::to_string(&loaded.config).ok()
    );
}

#[test]
fn the_printed_defaults_are_the_defaults() {
    let loaded = loading(&super::defaults(), &[], vec![]).expect("valid");
    assert_eq!(
        toml::to_string(&loaded.config).ok(),
        toml::to_string(&super::Config::default()).ok()
    );
}

#[test]
fn a_section_that_switches_something_on_is_not_among_the_printed_defaults() {
    let printed = super::defaults();
    assert!(printed.contains("\n# [kafka.msk_iam]\n"), "{printed}");
    let loaded = loading(&printed, &[], vec![]).expect("valid");
    assert_eq!(loaded.config.kafka.msk_iam, None);
    let loaded = loading("[kafka.msk_iam]\n", &[], vec![]).expect("valid");
    let again = loading(&effective(&loaded), &[], vec![]).expect("what was printed is valid");
    assert_eq!(again.config.kafka.msk_iam, Some(Default::default()));
    let reference = super::reference();
    assert!(
        reference.contains("| `kafka.msk_iam` | not set | How to authenticate"),
        "{reference}"
    );
}

#[test]
fn every_key_says_what_it_means() {
    for key in super::print::keys() {
        assert!(
            key.about.len() > 20,
            "{} has no description: {:?}",
            key.path.join("."),
            key.about
        );
    }
}

#[test]
fn settings_of_kafka_and_s3_are_judged_only_where_they_are_used() {
    loading("[kafka]\ngroup = ''\n[s3]\nprefix = '/'\n", &[], vec![]).expect("unused");
    let toml = "[stream]\nkind = 'kafka'\n[store]\nkind = 's3'\n";
    let error = loading(toml, &[], vec![]).expect_err("nothing says where");
    for part in ["kafka.bootstrap_servers: at least one", "s3.bucket: "] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
}

#[test]
fn the_store_gives_up_before_the_sink_does() {
    let toml = "[store]\nkind = 's3'\n[s3]\nbucket = 'lake'\noperation_deadline_ms = 60000\n";
    let error = loading(toml, &[], vec![]).expect_err("too late");
    assert!(
        error.contains("must be below sink.store_timeout_ms (60000)"),
        "{error}"
    );
}

#[test]
fn the_sink_decodes_whatever_the_gateway_accepts() {
    let toml = |depth: u32| format!("[gateway.limits]\ndepth_max = {depth}\n");
    loading(&toml(128), &[], vec![]).expect("the sink's default");
    let error = loading(&toml(129), &[], vec![]).expect_err("too deep for the sink");
    let told =
        "sink.data_depth_max: 128 is not allowed: must not be below gateway.limits.depth_max (129)";
    assert!(error.contains(told), "{error}");
}

#[test]
fn the_deadline_of_the_whole_end_is_above_the_sum_of_its_parts() {
    let toml = |deadline_ms: u32, kafka: &str| {
        format!(
            "[gateway.timeouts]\ndrain_unready_ms = 1000\ndrain_deadline_ms = 200\n[sink]\ndrain_deadline_ms = 30\n\
             [shutdown]\ndeadline_ms = {deadline_ms}\n[kafka]\nbootstrap_servers = ['a:1']\nclose_deadline_ms = 4\n\
             {kafka}"
        )
    };
    let kafka = "[stream]\nkind = 'kafka'\n";
    for (sum, kafka) in [(1_230, ""), (1_234, kafka)] {
        loading(&toml(sum + 1, kafka), &[], vec![]).expect("above");
        let error = loading(&toml(sum, kafka), &[], vec![]).expect_err("not above");
        for part in [
            format!("shutdown.deadline_ms = {sum}: {sum} is not allowed: must be above {sum}, "),
            "gateway.timeouts.drain_unready_ms (1000), ".to_owned(),
        ] {
            assert!(error.contains(&part), "{part:?} is not in:\n{error}");
        }
        assert_eq!(
            error.contains("kafka.close_deadline_ms (4)"),
            !kafka.is_empty(),
            "{error}"
        );
    }
}

#[test]
fn passwords_of_kafka_are_not_printed() {
    let toml =
        "[kafka.properties]\n'security.protocol' = 'sasl_ssl'\n'sasl.password' = 'hunter2'\n";
    let printed = effective(&loading(toml, &[], vec![]).expect("valid"));
    assert!(
        printed.contains("sasl_ssl") && printed.contains("sasl.password"),
        "{printed}"
    );
    assert!(!printed.contains("hunter2"), "{printed}");
}

#[test]
fn the_key_of_hashes_is_not_printed_whether_it_is_right_or_wrong() {
    let right = "hunter2 and as much as it takes to be a key";
    let toml = format!("[privacy]\nhash_key = '{right}'\nwithhold = 'unknown'\n");
    let loaded = loading(&toml, &[], vec![]).expect("valid");
    let printed = effective(&loaded);
    assert!(printed.contains("hash_key = \"(not shown)\""), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    for wrong in ["'hunter2'", "['hunter2']", "{ a = 'hunter2' }"] {
        let told = loading(&format!("[privacy]\nhash_key = {wrong}\n"), &[], vec![]);
        let told = told.expect_err("refused");
        assert!(
            told.contains("hash_key") && !told.contains("hunter2"),
            "{told}"
        );
    }
    let variable = [("HEADGATE__PRIVACY__HASH_KEY", "hunter2")];
    let told = loading("", &variable, vec![]).expect_err("refused");
    assert!(told.contains("32") && !told.contains("hunter2"), "{told}");
}

#[test]
fn topics_and_their_template_are_judged() {
    let problems = |stream: &str| {
        let toml = format!("[kafka]\nbootstrap_servers = ['a:1']\n[stream]\n{stream}\n");
        loading(&toml, &[], vec![]).err().unwrap_or_default()
    };
    let kafka = "kind = 'kafka'\n";
    assert_eq!(problems(&format!("{kafka}topic = 'events.{{type}}'")), "");
    assert_eq!(problems("topic = 'clicks'"), "");
    for (stream, told) in [
        (
            "topic = 'events.{type}'".to_owned(),
            "stream.kind = \"kafka\"",
        ),
        (format!("{kafka}topic = '{{type}}'"), "must begin with text"),
        (format!("{kafka}topic = 'a b'"), "is not of a-z"),
        (
            format!("{kafka}topic = 'bad_{{type}}'"),
            "must not be one of the names",
        ),
        (format!("{kafka}topic = 'bad_events'"), "must differ"),
    ] {
        assert!(
            problems(&stream).contains(told),
            "{stream}: {}",
            problems(&stream)
        );
    }
    let slow = "[gateway.timeouts]\nappend_timeout_ms = 5000\n[kafka]\nbootstrap_servers = ['a:1']\n[stream]\nkind = 'kafka'";
    let told = loading(slow, &[], vec![]).expect_err("nothing would be spilled");
    assert!(
        told.contains("kafka.produce_deadline_ms") && told.contains("append_timeout_ms"),
        "{told}"
    );
}

#[test]
fn settings_of_one_table_need_each_other_and_one_that_is_missing_is_named() {
    let reader = "[warehouse.readers.web]\nsources = ['web']\n";
    let to = ("HEADGATE__WAREHOUSE__READERS__WEB__TO", "ROLE web");
    let loaded = loading(&format!("{reader}to = 'ROLE web'\n"), &[], vec![]).expect("valid");
    assert_eq!(loaded.config.warehouse.readers["web"].sources, ["web"]);
    let loaded = loading(reader, &[to], vec![]).expect("valid, from two places");
    assert_eq!(loaded.config.warehouse.readers["web"].to, "ROLE web");
    let error = loading(reader, &[], vec![])
        .map(|_| ())
        .expect_err("nobody is named");
    let said = "headgate.toml:2: warehouse.readers.web.to: it is missing; set it too";
    assert!(error.contains(said), "{error}");
}
