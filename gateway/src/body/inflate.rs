//! Content encodings. Output grows step by step, each step admitted before it is allocated, and ends at the cap:
//! a bomb costs the time of inflating up to the cap and never more memory than it.

use std::io::Read;

use flate2::{Decompress, FlushDecompress, Status, bufread::MultiGzDecoder};
use http::{HeaderMap, header};

use super::Error;
use crate::admission::Held;

/// What `Accept-Encoding` tells clients whose encoding is refused.
pub(crate) const SUPPORTED: &str = "gzip, deflate, br, zstd";

/// The first step of output; later steps double what there is.
const STEP_BYTES: usize = 16 << 10;
/// zstd frames that ask for a larger window are refused (RFC 8878 asks decoders for 8 MiB).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// brotli's decoder reads its input through a buffer of its own.
const BROTLI_BUFFER_BYTES: usize = 4 << 10;

/// A content encoding that is supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    /// With or without zlib's header: clients do both under the one name.
    Deflate,
    Brotli,
    Zstd,
}

impl Encoding {
    /// The encoding that the headers name; none for `identity`.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Error> {
        let mut found = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            let value = String::from_utf8_lossy(value.as_bytes());
            for name in value
                .split(',')
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                let encoding = match name.to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Self::Gzip,
                    "deflate" => Self::Deflate,
                    "br" => Self::Brotli,
                    "zstd" => Self::Zstd,
                    _ => return Err(Error::Encoding(name.chars().take(64).collect())),
                };
                if found.replace(encoding).is_some() {
                    return Err(Error::Encoding(value.chars().take(64).collect()));
                }
            }
        }
        Ok(found)
    }

    /// Some clients compress without saying so; no JSON starts with gzip's magic.
    pub(crate) fn sniff(body: &[u8]) -> Option<Self> {
        body.starts_with(&[0x1F, 0x8B]).then_some(Self::Gzip)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "brotli",
            Self::Zstd => "zstd",
        }
    }

    fn corrupt(self, reason: impl ToString) -> Error {
        Error::Corrupt {
            encoding: self.name(),
            reason: reason.to_string(),
        }
    }
}

/// Inflates `body`, to at most `bytes_max` bytes; `held` grows by what is returned.
pub(crate) fn inflate(
    encoding: Encoding,
    body: &[u8],
    bytes_max: u64,
    held: &mut Held<'_>,
) -> Result<Vec<u8>, Error> {
    let mut output = Output {
        bytes: Vec::new(),
        bytes_max: usize::try_from(bytes_max).unwrap_or(usize::MAX),
        admitted: 0,
        held,
    };
    match encoding {
        Encoding::Gzip => output.drain(encoding, MultiGzDecoder::new(body))?,
        Encoding::Deflate => output.deflate(body)?,
        Encoding::Brotli => {
            let decoder = brotli_decompressor::Decompressor::new(body, BROTLI_BUFFER_BYTES);
            output.drain(encoding, decoder)?;
        }
        Encoding::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::with_buffer(body).map_err(|e| encoding.corrupt(e))?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(|e| encoding.corrupt(e))?;
            output.drain(encoding, decoder)?;
        }
    }
    output.held.shrink(output.admitted - output.bytes.len());
    Ok(output.bytes)
}

/// Bytes that come out, and what bounds them.
struct Output<'h, 'a> {
    bytes: Vec<u8>,
    bytes_max: usize,
    admitted: usize,
    held: &'h mut Held<'a>,
}

impl Output<'_, '_> {
    /// Admits and allocates the next step. The last one ends a byte beyond the cap, so that output which ends right
    /// at the cap is told from output that goes on.
    fn room(&mut self) -> Result<usize, Error> {
        let len = self.bytes.len();
        if len > self.bytes_max {
            return Err(Error::InflatesTooFar {
                bytes_max: self.bytes_max as u64,
            });
        }
        let step = len.max(STEP_BYTES).min(self.bytes_max - len + 1);
        self.held.grow(step)?;
        self.admitted += step;
        self.bytes.reserve_exact(step);
        Ok(step)
    }

    fn drain(&mut self, encoding: Encoding, mut decoder: impl Read) -> Result<(), Error> {
        let mut filled = 0;
        loop {
            if filled == self.bytes.len() {
                let step = self.room()?;
                self.bytes.resize(filled + step, 0);
            }
            match decoder.read(&mut self.bytes[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) => return Err(encoding.corrupt(error)),
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }

    /// Not through flate2's reader, which takes a stream that was cut short for one that has ended.
    fn deflate(&mut self, body: &[u8]) -> Result<(), Error> {
        let mut decoder = Decompress::new(has_zlib_header(body));
        loop {
            if self.bytes.len() == self.bytes.capacity() || self.bytes.is_empty() {
                self.room()?;
            }
            let (input_before, output_before) = (decoder.total_in(), self.bytes.len());
            let input = &body[usize::try_from(input_before).unwrap_or(body.len())..];
            let status = decoder
                .decompress_vec(input, &mut self.bytes, FlushDecompress::None)
                .map_err(|error| Encoding::Deflate.corrupt(error))?;
            if self.bytes.len() > self.bytes_max {
                self.room()?;
            }
            if status == Status::StreamEnd {
                return Ok(());
            }
            let stuck = decoder.total_in() == input_before && self.bytes.len() == output_before;
            if stuck {
                return Err(Encoding::Deflate.corrupt("unexpected end"));
            }
        }
    }
}

fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => {
            method & 0x0F == 8 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
        }
        _ => false,
    }
}
