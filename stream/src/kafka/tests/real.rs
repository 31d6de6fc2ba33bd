//! Facts that need real brokers.

use super::{broker::Brokers, *};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Kafka: ./headgate.sh test"]
async fn a_real_broker_conforms_with_one_and_with_three_partitions() {
    let brokers = Brokers::shared();
    for partitions in [1, 3] {
        let mut config = config(&brokers.bootstrap);
        config.topics.partitions = partitions;
        conforms(&config).await;
    }
}
