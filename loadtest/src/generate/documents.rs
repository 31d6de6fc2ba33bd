//! The schema documents that an event may be made from, and how references lead between them.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

/// A schema within a document, with the URI that its references are relative to.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) schema: &'a Value,
    pub(super) base: Arc<str>,
}

/// Documents by URI; schemas inside them with an `$id` or an anchor of their own are found by it too.
#[derive(Debug, Default)]
pub(super) struct Documents<'a> {
    resources: HashMap<String, Node<'a>>,
}

impl<'a> Documents<'a> {
    pub(super) fn add(&mut self, uri: &str, document: &'a Value) {
        let base: Arc<str> = Arc::from(without_fragment(uri));
        self.resources.insert(
            base.to_string(),
            Node {
                schema: document,
                base: Arc::clone(&base),
            },
        );
        self.index(document, &base);
    }

    fn index(&mut self, value: &'a Value, base: &Arc<str>) {
        let map = match value {
            Value::Object(map) => map,
            Value::Array(items) => return items.iter().for_each(|item| self.index(item, base)),
            _ => return,
        };
        let own = own_base(value, base);
        if own != *base {
            let node = Node {
                schema: value,
                base: Arc::clone(&own),
            };
            self.resources.entry(own.to_string()).or_insert(node);
        }
        for keyword in ["$anchor", "$dynamicAnchor"] {
            if let Some(anchor) = map.get(keyword).and_then(Value::as_str) {
                let node = Node {
                    schema: value,
                    base: Arc::clone(&own),
                };
                self.resources
                    .entry(format!("{own}#{anchor}"))
                    .or_insert(node);
            }
        }
        map.values().for_each(|child| self.index(child, &own));
    }

    /// What `reference` stands for in a schema whose base is `base`.
    pub(super) fn resolve(&self, base: &str, reference: &str) -> Option<Node<'a>> {
        let (path, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let uri = join(base, path);
        let resource = self.resources.get(&uri);
        if fragment.is_empty() {
            return resource.cloned();
        }
        if !fragment.starts_with('/') {
            return self.resources.get(&format!("{uri}#{fragment}")).cloned();
        }
        let mut node = resource?.clone();
        for token in fragment[1..].split('/') {
            let token = percent_decoded(token)?
                .replace("~1", "/")
                .replace("~0", "~");
            node.schema = match node.schema {
                Value::Object(map) => map.get(&token)?,
                Value::Array(items) => items.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
            node.base = own_base(node.schema, &node.base);
        }
        Some(node)
    }
}

/// The base that a schema's own `$id` makes, else the surrounding one.
pub(super) fn own_base(schema: &Value, base: &Arc<str>) -> Arc<str> {
    let id = schema.get("$id").and_then(Value::as_str);
    match id.map(without_fragment).filter(|id| !id.is_empty()) {
        Some(id) => Arc::from(join(base, id)),
        None => Arc::clone(base),
    }
}

fn without_fragment(uri: &str) -> &str {
    uri.split_once('#').map_or(uri, |(uri, _)| uri)
}

/// RFC 3986's reference resolution, as far as schema documents need it (no query, no empty authority games).
fn join(base: &str, reference: &str) -> String {
    if reference.is_empty() {
        return base.to_owned();
    }
    if scheme_length(reference).is_some() {
        return reference.to_owned();
    }
    let scheme = scheme_length(base).map_or(0, |length| length + 1);
    let authority = match base[scheme..].strip_prefix("//") {
        Some(rest) => scheme + 2 + rest.find('/').unwrap_or(rest.len()),
        None => scheme,
    };
    if reference.starts_with("//") {
        return format!("{}{reference}", &base[..scheme]);
    }
    let path = if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let folder = base[authority..]
            .rfind('/')
            .map_or("/", |at| &base[authority..=authority + at]);
        format!("{folder}{reference}")
    };
    format!("{}{}", &base[..authority], without_dots(&path))
}

fn scheme_length(uri: &str) -> Option<usize> {
    let at = uri.find(':')?;
    let scheme = &uri[..at];
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    let plain =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(allowed);
    plain.then_some(at)
}

fn without_dots(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            ".." => {}
            other => parts.push(other),
        }
    }
    parts.join("/")
}

fn percent_decoded(token: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [high, low, tail @ ..]) = (first, tail) {
            let digit = |b: &u8| char::from(*b).to_digit(16);
            bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
            rest = tail;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_join_as_rfc_3986_says() {
        let base = "headgate:///events/order/1.json";
        for (reference, joined) in [
            ("2.json", "headgate:///events/order/2.json"),
            ("../common/1.json", "headgate:///events/common/1.json"),
            ("/shared.json", "headgate:///shared.json"),
            ("https://x.example/a.json", "https://x.example/a.json"),
            ("./a/../b.json", "headgate:///events/order/b.json"),
            ("", base),
        ] {
            assert_eq!(join(base, reference), joined, "{reference}");
        }
        assert_eq!(
            join("https://x.example", "a.json"),
            "https://x.example/a.json"
        );
    }

    #[test]
    fn pointers_anchors_and_ids_are_found() {
        let order = json!({"$defs": {"a/b": {"const": 1}, "c": {"$anchor": "see", "const": 2},
            "d": {"$id": "inner.json", "$defs": {"e": {"const": 3}}}}});
        let common = json!({"$id": "https://x.example/common.json", "const": 4});
        let mut documents = Documents::default();
        documents.add("headgate:///events/order/1.json", &order);
        documents.add("headgate:///events/common/1.json", &common);
        let found = |reference: &str| {
            let node = documents.resolve("headgate:///events/order/1.json", reference)?;
            node.schema.get("const").cloned()
        };
        assert_eq!(found("#/$defs/a~1b"), Some(json!(1)));
        assert_eq!(found("#/%24defs/a~1b"), Some(json!(1)));
        assert_eq!(found("#see"), Some(json!(2)));
        assert_eq!(found("inner.json#/$defs/e"), Some(json!(3)));
        assert_eq!(found("../common/1.json"), Some(json!(4)));
        assert_eq!(found("https://x.example/common.json"), Some(json!(4)));
        assert_eq!(found("#/$defs/none"), None);
    }
}
