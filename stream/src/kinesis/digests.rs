//! MD5 of several messages at once. One MD5 is a chain in which each step waits for the one before, so that a processor is
//! mostly idle; several side by side take hardly longer than one. A request has an aggregate for each shard, and each
//! ends in its digest: one after the other they were the largest part of what an event costs here.
//!
//! Side by side means arrays that the compiler turns into vectors, of the widest kind that the processor has.

use multiversion::multiversion;

use super::kpl::{self, DIGEST_BYTES};

/// RFC 1321, 3.4: MD5 takes its message in blocks of so many bytes.
const BLOCK_BYTES: usize = 64;

/// The last block ends with the message's length in bits, in so many bytes.
const LENGTH_BYTES: usize = 8;

/// The most messages that are taken at once.
const LANES: usize = 16;

/// The same number of each message.
type Words<const L: usize> = [u32; L];

type Block = [u8; BLOCK_BYTES];

/// The MD5 of each of these messages.
pub(super) fn digests(messages: &[&[u8]]) -> Vec<[u8; DIGEST_BYTES]> {
    let mut order: Vec<usize> = (0..messages.len()).collect();
    // Those that are as long as each other go side by side.
    order.sort_by_key(|place| messages[*place].len());
    let mut digests = vec![[0; DIGEST_BYTES]; messages.len()];
    // As many to each turn: no message is left over by itself.
    let turns = order.len().div_ceil(LANES).max(1);
    for places in order.chunks(order.len().div_ceil(turns).max(1)) {
        let chunk: Vec<&[u8]> = places.iter().map(|place| messages[*place]).collect();
        // Vectors that are mostly empty take longer than one message after the other.
        let found = match chunk.len() {
            0..4 => chunk.iter().map(|message| kpl::digest(message)).collect(),
            4 => side_by_side::<4>(&chunk),
            5..=8 => side_by_side::<8>(&chunk),
            _ => side_by_side::<LANES>(&chunk),
        };
        for (place, digest) in places.iter().zip(found) {
            digests[*place] = digest;
        }
    }
    digests
}

/// A message as blocks: those that lie there as they are, and the last ones with the padding.
struct Message<'a> {
    whole: &'a [Block],
    end: [Block; 2],
    blocks: usize,
}

impl<'a> Message<'a> {
    /// RFC 1321, 3.1 and 3.2: a one, zeros, and the length.
    fn new(message: &'a [u8]) -> Self {
        let (whole, rest) = message.as_chunks();
        let mut end = [[0; BLOCK_BYTES]; 2];
        let padded = end.as_flattened_mut();
        padded[..rest.len()].copy_from_slice(rest);
        padded[rest.len()] = 0x80;
        let blocks = (rest.len() + 1 + LENGTH_BYTES).div_ceil(BLOCK_BYTES);
        let bits = (message.len() as u64).wrapping_mul(8);
        padded[blocks * BLOCK_BYTES - LENGTH_BYTES..blocks * BLOCK_BYTES]
            .copy_from_slice(&bits.to_le_bytes());
        Self {
            whole,
            end,
            blocks: whole.len() + blocks,
        }
    }

    fn block(&self, place: usize) -> &Block {
        match place.checked_sub(self.whole.len()) {
            None => &self.whole[place],
            Some(behind) => &self.end[behind],
        }
    }
}

/// The digests of at most `L` messages, the shortest first. Lanes whose message has ended, or that have none, repeat what
/// does not matter.
#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512vl", "x86_64+avx+avx2"))]
fn side_by_side<const L: usize>(messages: &[&[u8]]) -> Vec<[u8; DIGEST_BYTES]> {
    let messages: Vec<Message<'_>> = messages.iter().map(|of| Message::new(of)).collect();
    let mut state = START.map(|word| [word; L]);
    let mut digests = Vec::with_capacity(messages.len());
    let mut at = 0;
    for (lane, message) in messages.iter().enumerate() {
        // The last one by itself needs no company.
        if lane + 1 == messages.len() {
            let mut alone = state.map(|words| [words[lane]]);
            (at..message.blocks).for_each(|n| compress(&mut alone, [message.block(n)]));
            digests.push(digest(&alone, 0));
            break;
        }
        while at < message.blocks {
            let mut blocks = [message.block(at); L];
            for (block, of) in blocks.iter_mut().zip(&messages) {
                *block = of.block(at.min(of.blocks - 1));
            }
            compress(&mut state, blocks);
            at += 1;
        }
        digests.push(digest(&state, lane));
    }
    digests
}

fn digest<const L: usize>(state: &[Words<L>; 4], lane: usize) -> [u8; DIGEST_BYTES] {
    let mut digest = [0; DIGEST_BYTES];
    for (bytes, words) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = words[lane].to_le_bytes();
    }
    digest
}

/// RFC 1321, 3.4: one block of each message.
#[inline(always)]
fn compress<const L: usize>(state: &mut [Words<L>; 4], blocks: [&Block; L]) {
    let mut words = [[0; L]; 16];
    for (lane, block) in blocks.iter().enumerate() {
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            word[lane] = u32::from_le_bytes(*bytes);
        }
    }
    let before = *state;
    let f = |x: u32, y: u32, z: u32| (x & y) | (!x & z);
    // The sum of bits that exclude each other is quicker than their union: `a` is added to one half before the other is there.
    let g = |x: u32, y: u32, z: u32| (x & z).wrapping_add(y & !z);
    let h = |x: u32, y: u32, z: u32| x ^ y ^ z;
    let i = |x: u32, y: u32, z: u32| y ^ (x | !z);
    round::<L, 1, 0, 7, 12, 17, 22>(state, &words, &TABLE[0], f);
    round::<L, 5, 1, 5, 9, 14, 20>(state, &words, &TABLE[1], g);
    round::<L, 3, 5, 4, 11, 16, 23>(state, &words, &TABLE[2], h);
    round::<L, 7, 0, 6, 10, 15, 21>(state, &words, &TABLE[3], i);
    for (now, before) in state.iter_mut().zip(before) {
        add(now, &before);
    }
}

/// Sixteen steps, of which every one takes the word that lies `NEXT` behind that of the last, the first that at `FIRST`.
#[inline(always)]
fn round<
    const L: usize,
    const NEXT: usize,
    const FIRST: usize,
    const S0: u32,
    const S1: u32,
    const S2: u32,
    const S3: u32,
>(
    state: &mut [Words<L>; 4],
    words: &[Words<L>; 16],
    table: &[u32; 16],
    mix: impl Fn(u32, u32, u32) -> u32 + Copy,
) {
    let [mut a, mut b, mut c, mut d] = *state;
    let word = |step: usize| &words[(FIRST + NEXT * step) % 16];
    for n in [0, 4, 8, 12] {
        a = step::<L, S0>([a, b, c, d], word(n), table[n], mix);
        d = step::<L, S1>([d, a, b, c], word(n + 1), table[n + 1], mix);
        c = step::<L, S2>([c, d, a, b], word(n + 2), table[n + 2], mix);
        b = step::<L, S3>([b, c, d, a], word(n + 3), table[n + 3], mix);
    }
    *state = [a, b, c, d];
}

#[inline(always)]
fn step<const L: usize, const SHIFT: u32>(
    [a, b, c, d]: [Words<L>; 4],
    word: &Words<L>,
    constant: u32,
    mix: impl Fn(u32, u32, u32) -> u32,
) -> Words<L> {
    // No closure for each lane: it would be compiled for other processors than what it is called by, and so by itself.
    let mut mixed = [0; L];
    for (lane, mixed) in mixed.iter_mut().enumerate() {
        let sum = a[lane]
            .wrapping_add(word[lane].wrapping_add(constant))
            .wrapping_add(mix(b[lane], c[lane], d[lane]));
        *mixed = sum.rotate_left(SHIFT).wrapping_add(b[lane]);
    }
    mixed
}

#[inline(always)]
fn add<const L: usize>(to: &mut Words<L>, words: &Words<L>) {
    for (to, word) in to.iter_mut().zip(words) {
        *to = to.wrapping_add(*word);
    }
}

/// RFC 1321, 3.3.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// RFC 1321, 3.4: the whole part of 2^32 times the sine of 1, 2, 3 ... radians, without its sign.
#[rustfmt::skip]
const TABLE: [[u32; 16]; 4] = [[
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee,
    0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be,
    0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
], [
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa,
    0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed,
    0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
], [
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c,
    0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05,
    0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
], [
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039,
    0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1,
    0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
]];

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::kpl, *};

    proptest! {
        #[test]
        fn they_are_those_of_each_message_by_itself(
            messages in vec(vec(any::<u8>(), 0..400), 0..30),
        ) {
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            let each: Vec<_> = messages.iter().map(|message| kpl::digest(message)).collect();
            prop_assert_eq!(digests(&messages), each);
        }
    }

    #[test]
    fn padding_is_right_at_every_length_and_in_every_lane() {
        let bytes: Vec<u8> = (0..200_u8).collect();
        for count in 1..=LANES + 1 {
            for length in 0..bytes.len() {
                let messages: Vec<&[u8]> =
                    (0..count).map(|n| &bytes[n.min(length)..length]).collect();
                let each: Vec<_> = messages
                    .iter()
                    .map(|message| kpl::digest(message))
                    .collect();
                assert_eq!(digests(&messages), each, "{count} of {length} bytes");
            }
        }
    }
}
