//! Facts that librdkafka's mock cluster suffices for.

use rdkafka::mocking::MockCluster;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_mock_cluster_conforms() {
    let cluster = MockCluster::new(1).unwrap();
    conforms(&config(&cluster.bootstrap_servers())).await;
}
