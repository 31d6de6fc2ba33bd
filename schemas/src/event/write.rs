//! Writing the envelope: copies into one buffer, no tree and no formatting machinery.

use super::{Data, Event};

impl Event<'_> {
    /// Appends the event as one CloudEvents JSON object without a line break of its own.
    ///
    /// Order: `specversion`, `id`, `source`, `type`, `time`, `dataschema`, `subject`, `receivedtime`, `senttime`,
    /// `userid`, `anonymousid`, `sdk`, `datacontenttype`, the extensions as given, then `data` or `data_base64`.
    /// The data and the extensions' values are copied as they stand: that they are JSON is the caller's promise.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.size_hint());
        out.extend_from_slice(br#"{"specversion":"1.0","id":"#);
        write_string(&self.id, out);
        out.extend_from_slice(br#","source":"#);
        write_string(&self.source, out);
        out.extend_from_slice(br#","type":"#);
        write_string(&self.kind, out);
        let optional: [(&[u8], _); 9] = [
            (br#","time":"#, &self.time),
            (br#","dataschema":"#, &self.dataschema),
            (br#","subject":"#, &self.subject),
            (br#","receivedtime":"#, &self.receivedtime),
            (br#","senttime":"#, &self.senttime),
            (br#","userid":"#, &self.userid),
            (br#","anonymousid":"#, &self.anonymousid),
            (br#","sdk":"#, &self.sdk),
            (br#","datacontenttype":"#, &self.datacontenttype),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                out.extend_from_slice(name);
                write_string(value, out);
            }
        }
        for (name, value) in &self.extensions {
            out.push(b',');
            write_string(name, out);
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
        match self.data {
            Data::Json(text) => {
                out.extend_from_slice(br#","data":"#);
                out.extend_from_slice(text.as_bytes());
            }
            Data::Base64(text) => {
                out.extend_from_slice(br#","data_base64":"#);
                write_string(text, out);
            }
            Data::None => {}
        }
        out.push(b'}');
    }

    /// About how many bytes [`Event::write`] will append; a little more than enough when nothing needs escapes.
    fn size_hint(&self) -> usize {
        const NAMES: usize = 256;
        let data = match self.data {
            Data::Json(text) | Data::Base64(text) => text.len(),
            Data::None => 0,
        };
        NAMES + data + self.id.len() + self.source.len() + self.kind.len()
    }
}

/// Appends `text` as a JSON string with its quotes. Escapes only what JSON requires.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    // Most texts need no escape: one look over all of them, without a branch a byte, is a few vector instructions.
    let escapes = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    if !bytes.iter().fold(false, |any, byte| any | escapes(byte)) {
        out.extend_from_slice(bytes);
        out.push(b'"');
        return;
    }
    let mut copied = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        match byte {
            b'"' => out.extend_from_slice(br#"\""#),
            b'\\' => out.extend_from_slice(br"\\"),
            b'\n' => out.extend_from_slice(br"\n"),
            b'\r' => out.extend_from_slice(br"\r"),
            b'\t' => out.extend_from_slice(br"\t"),
            _ => {
                out.extend_from_slice(br"\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 0xF)]);
            }
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}
