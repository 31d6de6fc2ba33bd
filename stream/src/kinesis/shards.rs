//! A stream's shards: each takes the keys whose hashes are in its range.

use aws_sdk_kinesis::{
    Client,
    types::{Shard as Described, ShardFilter, ShardFilterType},
};

use super::{
    ask::ask,
    config::Config,
    deaggregate::Keys,
    error::{Error, Fault, Verdict},
    streams::Named,
};

/// A shard that takes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    /// Kinesis' name for it.
    pub(super) id: String,
    /// The first hash that it takes.
    pub(super) first: u128,
    /// The last hash that it takes.
    pub(super) last: u128,
}

impl Shard {
    /// Whether a key of that hash belongs there.
    pub(super) fn takes(&self, hash: u128) -> bool {
        (self.first..=self.last).contains(&hash)
    }
}

/// The open shards of a stream, by their ranges, which neither overlap nor leave anything out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map(Vec<Shard>);

impl Map {
    /// A map of these shards; none when they overlap or leave hashes out, as while the stream is being changed.
    pub(super) fn new(mut shards: Vec<Shard>) -> Option<Self> {
        shards.sort_by_key(|shard| shard.first);
        let starts = shards.first().is_some_and(|shard| shard.first == 0);
        let ends = shards.last().is_some_and(|shard| shard.last == u128::MAX);
        let joined = shards
            .windows(2)
            .all(|pair| pair[0].last.checked_add(1) == Some(pair[1].first));
        (starts && ends && joined).then_some(Self(shards))
    }

    /// The shards, in the order of their ranges.
    pub(super) fn shards(&self) -> &[Shard] {
        &self.0
    }

    /// The place of the shard that takes a key of that hash.
    pub(super) fn place_of(&self, hash: u128) -> usize {
        self.0.partition_point(|shard| shard.last < hash)
    }

    /// The shard of that name.
    pub(super) fn find(&self, id: &str) -> Option<&Shard> {
        self.0.iter().find(|shard| shard.id == id)
    }
}

/// Asks for the open shards.
///
/// # Errors
/// The stream cannot be asked, or its shards make no map.
pub(super) async fn map(client: &Client, config: &Config, stream: &Named) -> Result<Map, Error> {
    let latest = ShardFilter::builder().r#type(ShardFilterType::AtLatest);
    let latest = latest.build().map_err(|error| {
        let fault = Fault::new(Verdict::Never, error.to_string());
        Error::of(&stream.name, fault)
    })?;
    let described = list(client, config, stream, Some(latest)).await?;
    let open = described.iter().filter(|shard| is_open(shard));
    let shards: Option<Vec<Shard>> = open.map(shard).collect();
    shards.and_then(Map::new).ok_or_else(|| {
        let reason = "its shards do not cover all keys, as while it is being changed";
        Error::of(&stream.name, Fault::new(Verdict::Unsent, reason))
    })
}

/// Asks for the shards that match, or for all that are still there, closed ones too.
///
/// # Errors
/// The stream cannot be asked.
pub(super) async fn list(
    client: &Client,
    config: &Config,
    stream: &Named,
    filter: Option<ShardFilter>,
) -> Result<Vec<Described>, Error> {
    let mut described = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let answer = ask(config, || {
            let request = client.list_shards();
            // What comes after a token is asked for by the token alone.
            match &next {
                Some(token) => request.next_token(token),
                None => request
                    .set_stream_name(stream.by_name())
                    .set_stream_arn(stream.arn.clone())
                    .set_shard_filter(filter.clone()),
            }
            .send()
        });
        let mut answer = answer
            .await
            .map_err(|fault| Error::of(&stream.name, fault))?;
        described.append(answer.shards.get_or_insert_default());
        next = answer.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(described);
        }
    }
}

fn is_open(shard: &Described) -> bool {
    let range = shard.sequence_number_range.as_ref();
    range.is_some_and(|range| range.ending_sequence_number.is_none())
}

/// The keys that belong to the shard. None, so that nothing there is taken for what belongs to another, where their range is
/// not of numbers, and in shards that the stream was made with: what is in one of those was not sent to a shard that is no
/// more, but by a producer that still knew an older stream of that name, or looks to no shards at all.
pub(super) fn keys(described: &Described) -> Option<Keys> {
    described.parent_shard_id.as_ref()?;
    shard(described).map(|shard| shard.first..=shard.last)
}

/// None where the range is not of numbers.
fn shard(described: &Described) -> Option<Shard> {
    let range = described.hash_key_range.as_ref()?;
    Some(Shard {
        id: described.shard_id.clone(),
        first: range.starting_hash_key.parse().ok()?,
        last: range.ending_hash_key.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, first: u128, last: u128) -> Shard {
        let id = id.to_owned();
        Shard { id, first, last }
    }

    #[test]
    fn every_hash_has_one_shard() {
        let half = u128::MAX / 2;
        let map = Map::new(vec![shard("b", half + 1, u128::MAX), shard("a", 0, half)]).unwrap();
        for (hash, place) in [(0, 0), (half, 0), (half + 1, 1), (u128::MAX, 1)] {
            assert_eq!(map.place_of(hash), place);
            assert!(map.shards()[place].takes(hash));
        }
        assert_eq!(map.find("b"), Some(&map.shards()[1]));
    }

    #[test]
    fn shards_with_holes_and_overlaps_are_no_map() {
        assert_eq!(Map::new(Vec::new()), None);
        for second in [4, 6] {
            let shards = vec![shard("a", 0, 4), shard("b", second, u128::MAX)];
            assert_eq!(Map::new(shards), None);
        }
        assert_eq!(Map::new(vec![shard("a", 0, 4)]), None);
        assert_eq!(Map::new(vec![shard("a", 1, u128::MAX)]), None);
    }
}
