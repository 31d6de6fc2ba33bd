//! Which protocol a client speaks, told from its first bytes: an HTTP/2 client with prior knowledge begins with a
//! preface that no HTTP/1 request begins with (RFC 9113, 3.4).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, ReadBuf};

use super::activity::Activity;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// What a client has sent of its first bytes.
#[derive(Default)]
pub(super) struct Sniff {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Sniff {
    /// Reads until the protocol is certain, and not more than a preface. A client that ends before that is left to
    /// HTTP/1, which knows what to make of it.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut (impl AsyncRead + Unpin),
        activity: &Activity,
    ) -> Poll<io::Result<Protocol>> {
        while self.length < PREFACE.len() {
            let mut unfilled = ReadBuf::new(&mut self.bytes[self.length..]);
            ready!(Pin::new(&mut *socket).poll_read(cx, &mut unfilled))?;
            let length = unfilled.filled().len();
            if length == 0 {
                return Poll::Ready(Ok(Protocol::Http1));
            }
            activity.bytes_came();
            self.length += length;
            if !PREFACE.starts_with(self.seen()) {
                return Poll::Ready(Ok(Protocol::Http1));
            }
        }
        Poll::Ready(Ok(Protocol::Http2))
    }

    fn seen(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// What was read, for whoever speaks the protocol.
    pub(super) fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.seen())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt;

    use super::*;

    /// What is told of a client that sends this, byte by byte or at once, and closes; and what was read for that.
    async fn told(sent: &[u8], step: usize) -> (Protocol, Bytes) {
        let (mut client, mut socket) = tokio::io::duplex(step);
        let activity = Activity::new();
        let mut sniff = Sniff::default();
        let sending = async move {
            // The other side stops reading when it knows enough.
            client.write_all(sent).await.ok();
        };
        let sniffing = async {
            let told = poll_fn(|cx| sniff.poll(cx, &mut socket, &activity)).await;
            drop(socket);
            told.unwrap()
        };
        let ((), protocol) = tokio::join!(sending, sniffing);
        (protocol, sniff.into_bytes())
    }

    #[tokio::test]
    async fn a_preface_is_http2_and_everything_else_http1() {
        let mut almost = *PREFACE;
        almost[23] = b'?';
        for (sent, protocol) in [
            (&PREFACE[..], Protocol::Http2),
            (b"GET / HTTP/1.1\r\n", Protocol::Http1),
            (b"POST / HTTP/1.1\r\n", Protocol::Http1),
            (b"PRI", Protocol::Http1),
            (&almost, Protocol::Http1),
            (b"", Protocol::Http1),
        ] {
            for step in [1, 64] {
                let (found, read) = told(sent, step).await;
                assert_eq!(found, protocol, "{sent:?} in steps of {step}");
                assert!(sent.starts_with(&read), "{read:?}");
            }
        }
    }
}
