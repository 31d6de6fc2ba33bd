//! The calls of Segment's and RudderStack's SDKs, and the events of Snowplow's trackers: the schemas that are always there
//! for them, and what becomes of a schema that describes the properties of one track call (`x-track`).
//!
//! An event's data is the SDK's whole message. Nothing of it is refused by the schemas of the six calls: what they
//! declare is there for columns. `docs/adr/0016-sdk-tables.md` says why it is so.

use serde_json::{Value, json};

use crate::program::Document;
use crate::shape::{Property, Shape, ShapeKind};

/// The call that reports what a user did.
pub const TRACK: &str = "track";

/// The call that tells who somebody is.
pub const IDENTIFY: &str = "identify";

/// The six calls: what an event's type is when no schema of its own describes it.
pub const CALLS: [&str; 6] = ["track", "identify", "page", "screen", "group", "alias"];

/// The type of what other services post to webhooks.
pub const WEBHOOK: &str = "webhook";

/// The type of the events of Snowplow's trackers.
pub const SNOWPLOW_EVENT: &str = "snowplow_event";

/// The schemas of the calls, of webhooks and of Snowplow's events: name and text.
pub(crate) const SCHEMAS: [(&str, &str); 8] = [
    (CALLS[0], include_str!("../builtin/track/1.json")),
    (CALLS[1], include_str!("../builtin/identify/1.json")),
    (CALLS[2], include_str!("../builtin/page/1.json")),
    (CALLS[3], include_str!("../builtin/screen/1.json")),
    (CALLS[4], include_str!("../builtin/group/1.json")),
    (CALLS[5], include_str!("../builtin/alias/1.json")),
    (WEBHOOK, include_str!("../builtin/webhook/1.json")),
    (
        SNOWPLOW_EVENT,
        include_str!("../builtin/snowplow_event/1.json"),
    ),
];

/// What they refer to: file and text.
pub(crate) const SHARED: [(&str, &str); 2] = [
    (
        "builtin/_shared/message.json",
        include_str!("../builtin/_shared/message.json"),
    ),
    (
        "builtin/_shared/user.json",
        include_str!("../builtin/_shared/user.json"),
    ),
];

/// Where a message has what its event's own schema describes.
pub const PROPERTIES: &str = "properties";

/// Whether the built-in schema of that name refuses no object: what it declares is there for columns.
pub(crate) fn takes_any(name: &str) -> bool {
    SCHEMAS.iter().any(|(known, _)| *known == name)
}

/// What data of a call is held against: an object, whatever is in it.
pub(crate) fn any_message() -> Document {
    Document {
        uri: "headgate:///sdk/message".to_owned(),
        value: json!({ "type": "object" }),
    }
}

/// What the message of a track call is held against whose properties have the schema `number` of a set, at `uri`: once
/// where they may be left out, and once where they may not.
pub(crate) fn track_messages(number: usize, uri: &str) -> [Document; 2] {
    let message = |place: &str, required: Value| Document {
        uri: format!("headgate:///sdk/track/{number}/{place}"),
        value: json!({
            "type": "object",
            "required": required,
            "properties": { PROPERTIES: { "$ref": uri } },
        }),
    };
    [
        message("optional", json!([])),
        message("required", json!([PROPERTIES])),
    ]
}

/// The shape of a track call's message whose properties have this shape. What all messages have comes first: minors of
/// the properties' schema then append their columns.
pub(crate) fn track_shape(message: &Shape, mut properties: Shape) -> Shape {
    let mut shape = message.clone();
    properties.make_inline();
    if let ShapeKind::Object {
        properties: members,
        ..
    } = &mut shape.kind
    {
        members.retain(|member| member.name != PROPERTIES);
        members.push(Property {
            name: PROPERTIES.to_owned(),
            shape: properties,
            required: false,
        });
    }
    shape
}

#[cfg(test)]
mod tests;
