//! Many callers at once while the stream comes and goes and the process is killed: each key's records once, in order.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::*;

/// A step of a simple generator: a storm is repeated by its seed.
fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// One caller: appends its key's records one after the other, each once the one before was accepted.
async fn call(spill: &Spill, key: &str, accepted: &AtomicU32, ends: &AtomicBool) {
    while !ends.load(Ordering::Relaxed) {
        let n = accepted.load(Ordering::Relaxed);
        let outcomes = spill.append(numbered(key, n..n + 3)).await;
        assert_eq!(outcomes, [Ok(()), Ok(()), Ok(())]);
        accepted.store(n + 3, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

/// The weather: changes the stream's faults for a while, then clears up.
async fn weather(memory: &Memory, seed: u64, changes: u32) {
    let mut state = seed;
    for _ in 0..changes {
        match random(&mut state) % 5 {
            0 => memory.refuse(Some(down())),
            1 => memory.refuse(Some(Refusal::Unsent("full".into()))),
            2 => memory.lose_replies(true),
            3 => memory.refuse_every_other(Some(Refusal::Unsent("full".into()))),
            _ => clear(memory),
        }
        tokio::time::sleep(Duration::from_millis(random(&mut state) % 8)).await;
    }
}

fn clear(memory: &Memory) {
    memory.refuse(None);
    memory.lose_replies(false);
    memory.refuse_every_other(None);
}

async fn storm(seed: u64) {
    let site = Site::new();
    let keys: Vec<(String, AtomicU32)> = (0..12)
        .map(|n| (format!("user{n}"), AtomicU32::new(0)))
        .collect();
    for life in 0..4 {
        let opened = site.open().await;
        let ends = AtomicBool::new(false);
        let callers = keys
            .iter()
            .map(|(key, accepted)| call(&opened.spill, key, accepted, &ends));
        let weather = async {
            weather(&site.memory, seed * 31 + life, 25).await;
            ends.store(true, Ordering::Relaxed);
        };
        futures_util::future::join(futures_util::future::join_all(callers), weather).await;
        // Killed, in whatever weather.
    }
    clear(&site.memory);
    let opened = site.open().await;
    opened.drained().await;
    let mut found: HashMap<String, Vec<u32>> = HashMap::new();
    for value in site.memory.values(&topic()) {
        let text = String::from_utf8_lossy(&value).into_owned();
        let (key, number) = text.split_once('-').unwrap();
        found
            .entry(key.to_owned())
            .or_default()
            .push(number.parse().unwrap());
    }
    for (key, accepted) in &keys {
        let expected: Vec<u32> = (0..accepted.load(Ordering::Relaxed)).collect();
        assert!(expected.len() > 10, "seed {seed}: hardly anything of {key}");
        assert_eq!(found[key], expected, "seed {seed}: {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_key_arrives_once_and_in_order_whatever_the_weather() {
    for seed in 1..=12 {
        storm(seed).await;
    }
}
