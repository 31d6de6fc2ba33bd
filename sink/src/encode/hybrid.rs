//! Parquet's hybrid of run-length and bit-packed integers, in which dictionary indices and definition levels stand.
//!
//! A run is a header, `count << 1`, and the value; packed values come in groups of eight behind `groups << 1 | 1`.

/// A run shorter than this is packed like its neighbours.
const RUN_MIN: usize = 8;
/// A run takes about as many bits with its headers and those of what it divides: packed values that take fewer are
/// not worth one.
const RUN_BITS: usize = 32;

/// How many bits the greatest of `count` indices takes.
pub(super) fn width(count: usize) -> u32 {
    count
        .saturating_sub(1)
        .checked_ilog2()
        .map_or(0, |log| log + 1)
}

/// Appends indices of `width` bits each.
pub(super) fn write_indices(indices: &[u32], width: u32, out: &mut Vec<u8>) {
    let run_min = match width {
        0 => RUN_MIN,
        width => RUN_MIN.max(RUN_BITS / width as usize),
    };
    // Where the values begin that are to be packed.
    let mut begun = 0;
    let mut at = 0;
    while at < indices.len() {
        let value = indices[at];
        let run = indices[at..].iter().take_while(|v| **v == value).count();
        // What is packed before a run must be whole groups: the run gives what is missing.
        let given = (at - begun).next_multiple_of(8) - (at - begun);
        if run >= given + run_min {
            pack(&indices[begun..at + given], width, out);
            write_run(run - given, value, width, out);
            begun = at + run;
        }
        at += run;
    }
    pack(&indices[begun..], width, out);
}

/// Appends definition levels of 0 and 1, for values that may be null: a bit each, the lowest first.
pub(super) fn write_levels(bits: &[u8], rows: usize, nulls: usize, out: &mut Vec<u8>) {
    if nulls == 0 || nulls == rows {
        write_run(rows, u32::from(nulls == 0), 1, out);
    } else {
        let groups = rows.div_ceil(8);
        write_varint(groups << 1 | 1, out);
        out.extend_from_slice(&bits[..groups]);
    }
}

fn write_run(count: usize, value: u32, width: u32, out: &mut Vec<u8>) {
    write_varint(count << 1, out);
    out.extend_from_slice(&value.to_le_bytes()[..width.div_ceil(8) as usize]);
}

fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(8);
    write_varint(groups << 1 | 1, out);
    let end = out.len() + groups * width as usize;
    let (mut word, mut bits) = (0_u64, 0);
    for value in values {
        word |= u64::from(*value) << bits;
        bits += width;
        if bits >= 32 {
            out.extend_from_slice(&(word as u32).to_le_bytes());
            word >>= 32;
            bits -= 32;
        }
    }
    out.extend_from_slice(&word.to_le_bytes());
    // The last group is filled up with zeroes; of the last word only what belongs to it stays.
    out.resize(end, 0);
}

fn write_varint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads back as the format's description says.
    fn read(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let (mut header, mut shift) = (0_usize, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let size = width.div_ceil(8) as usize;
                let mut word = [0; 4];
                word[..size].copy_from_slice(&bytes[..size]);
                bytes = &bytes[size..];
                values.extend(std::iter::repeat_n(u32::from_le_bytes(word), header >> 1));
            } else {
                let size = (header >> 1) * width as usize;
                let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8) & 1);
                for index in 0..(header >> 1) * 8 {
                    let at = index * width as usize;
                    values.push((0..width as usize).map(|b| bit(at + b) << b).sum());
                }
                bytes = &bytes[size..];
            }
        }
        assert!(bytes.is_empty());
        values.truncate(count);
        values
    }

    #[test]
    fn widths_are_those_of_the_greatest_index() {
        for (count, expected) in [
            (0, 0),
            (1, 0),
            (2, 1),
            (3, 2),
            (4, 2),
            (5, 3),
            (256, 8),
            (257, 9),
        ] {
            assert_eq!(width(count), expected, "{count}");
        }
    }

    #[test]
    fn indices_read_back_whatever_their_runs_and_widths() {
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize
        };
        for width in 0..=20 {
            for _ in 0..40 {
                let mut indices = Vec::new();
                for _ in 0..next() % 40 {
                    let value = (next() & ((1 << width) - 1)) as u32;
                    let run = if next() % 3 == 0 { next() % 90 } else { 1 };
                    indices.extend(std::iter::repeat_n(value, run));
                }
                let mut out = Vec::new();
                write_indices(&indices, width, &mut out);
                assert_eq!(read(&out, width, indices.len()), indices);
            }
        }
    }

    #[test]
    fn levels_read_back() {
        for (bits, rows, nulls) in [
            ([0b0000_0101_u8, 0b10], 10, 7),
            ([0xff, 0b11], 10, 0),
            ([0, 0], 10, 10),
        ] {
            let mut out = Vec::new();
            write_levels(&bits, rows, nulls, &mut out);
            let expected = (0..rows).map(|row| u32::from(bits[row / 8] >> (row % 8) & 1));
            assert_eq!(read(&out, 1, rows), expected.collect::<Vec<_>>());
        }
    }
}
