//! Entities of Snowplow's events: rows of their own beside the event's, which count for nothing in the books.

use super::{
    sdk::{call, hours},
    *,
};
use crate::commit::account;
use crate::table::tests::entities::{FILE, product};

#[tokio::test(start_paused = true)]
async fn an_event_and_its_entities_are_of_one_commit_and_count_as_one_record() {
    let mut world = World::new();
    let schema = product("1-0-0", r#"{"sku": {"type": "string"}}"#);
    world.schemas = Arc::new(SharedRegistry::new(registry(&[(FILE, &schema)])));
    let data = |skus: &[&str]| {
        let entity = |sku: &&str| {
            format!(
                r#"{{"schema":"iglu:com.acme/product/jsonschema/1-0-0","data":{{"sku":"{sku}"}}}}"#
            )
        };
        let entities: Vec<String> = skus.iter().map(entity).collect();
        format!(
            r#"{{"event":"page_view","contexts":[{}]}}"#,
            entities.join(",")
        )
    };
    let broken = call("e3", "snowplow_event", &data(&["lost", "lost"]));
    let broken = String::from_utf8(broken)
        .unwrap()
        .replacen("\"lost\"", "?", 1);
    world
        .append(vec![
            call("e0", "snowplow_event", &data(&["a", "a", "b"])),
            call("e1", "snowplow_event", &data(&[])),
            call("e2", "snowplow_event", &data(&["c"])),
            broken.into_bytes(),
        ])
        .await;
    world
        .run_until(Config::default(), || async {
            world.landed_rows().await == 8
        })
        .await;
    let landed = world.landed().await;
    let rows = |table: &str| -> Vec<String> {
        let of_table = landed.iter().filter(|((known, _), _)| known == table);
        of_table
            .map(|((_, id), count)| format!("{id}:{count}"))
            .collect()
    };
    assert_eq!(rows("events"), ["e0:1", "e1:1", "e2:1"]);
    assert_eq!(rows("com_acme_product_1"), ["e0:3", "e2:1"]);
    assert_eq!(rows("bad_events").len(), 1, "{landed:?}");

    let account = account::read(&world.store, &hours(), |_| false)
        .await
        .unwrap();
    assert_eq!(account.logs[0].rows, 4, "as many as there were records");
    let of = |table: &str| account.hours[&(table.to_owned(), hours().start)];
    let products = of("com_acme_product_1");
    assert_eq!((products.streamed, products.second_rows), (4, 4));
    let events = of("events");
    assert_eq!((events.streamed, events.second_rows), (3, 0));
}
