//! Brokers that want TLS and SASL.

use super::{broker::Brokers, *};
use crate::{
    kafka::{MskIam, search},
    spill::{Digest, Search},
};

fn secured(brokers: &Brokers, properties: &[(&str, &str)]) -> Config {
    let mut config = config(brokers.setting("KAFKA_SECURED"));
    let ca = ("ssl.ca.location", brokers.setting("KAFKA_SECURED_CA"));
    let all = properties.iter().chain([&ca]);
    config.properties = all
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    config.request_deadline_ms = 20_000;
    config
}

fn scram(password: &str) -> [(&str, &str); 4] {
    [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "SCRAM-SHA-512"),
        ("sasl.username", "headgate"),
        ("sasl.password", password),
    ]
}

/// What is written is read.
async fn works(config: &Config, topic: &Topic) {
    let writer = writer(config, std::slice::from_ref(topic)).await.unwrap();
    append(writer.as_ref(), numbered(topic, "key", 0..10)).await;
    let mut reader = from(config, topic, &Position::start()).await;
    let (found, _) = read(reader.as_mut(), 10).await;
    assert_eq!(found, values((0..10).map(|n| format!("key-{n}"))));
    writer.close().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn tls_and_sasl_are_set_up_by_librdkafkas_own_settings() {
    let brokers = Brokers::start_secured();
    works(&secured(&brokers, &scram("headgate")), &new_topic("scram")).await;

    let mut wrong = secured(&brokers, &scram("hunter2"));
    wrong.request_deadline_ms = 3_000;
    let error = writer(&wrong, &[new_topic("scram")]).await.err().unwrap();
    let said = error.to_string();
    assert!(said.contains("uthentication failed"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn every_client_gets_tokens_with_msk_iam() {
    let brokers = Brokers::start_secured();
    // Brokers outside of MSK cannot check its tokens: these are taken as they are.
    let mut tokens = secured(&brokers, &[("sasl.oauthbearer.config", "headgate")]);
    tokens.msk_iam = Some(MskIam::default());
    let topic = new_topic("tokens");
    let error = writer(&tokens, std::slice::from_ref(&topic))
        .await
        .err()
        .unwrap();
    let said = error.to_string();
    assert!(
        said.contains(topic.as_str()) && said.contains("are not made"),
        "{said}"
    );

    let plain = config(&brokers.bootstrap);
    writer(&plain, std::slice::from_ref(&topic)).await.unwrap();
    works(&tokens, &topic).await;

    let search = Search {
        topics: vec![topic],
        since_ms: 0,
        wanted: [Digest::of(b"key-7"), Digest::of(b"key-99")].into(),
    };
    let found = tokio::task::spawn_blocking(move || search::find(&tokens, &search));
    let found = found.await.unwrap().unwrap();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [(Digest::of(b"key-7"), 1)]
    );
}
