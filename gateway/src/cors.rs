//! What pages of other origins may do: the browser's half of who may send.
//!
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>. Origins are echoed, never `*`: SDKs send with cookies. Replies to
//! errors have the headers too, or a page would never see the status; `Retry-After` is exposed, or SDKs would try again at
//! once.

use http::{HeaderName, HeaderValue, Method, header, request};

use crate::{reply::Reply, sources::Sources};

/// How long a browser may remember a preflight, in seconds: what Chromium allows at most.
const MAX_AGE_S: &str = "7200";

/// What a page may read of a reply besides its body.
const EXPOSED: &str = "retry-after";

/// Chromium asks for this before a public page reaches into a private network.
/// <https://wicg.github.io/private-network-access/>
const PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// The origin of the page that sends; `None`: it is no page.
pub(crate) fn origin(head: &request::Parts) -> Option<&str> {
    head.headers.get(header::ORIGIN)?.to_str().ok()
}

/// Whether a browser asks beforehand.
pub(crate) fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head
            .headers
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Adds what lets a page of an origin that may send read the reply, or send after its preflight.
pub(crate) fn permit(head: &request::Parts, sources: &Sources, reply: &mut Reply) {
    let asked = &head.headers;
    let headers = reply.headers_mut();
    let vary = "origin, access-control-request-headers";
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    let origin = asked.get(header::ORIGIN).filter(|origin| {
        origin
            .to_str()
            .is_ok_and(|origin| sources.have_origin(origin))
    });
    let Some(origin) = origin else {
        return;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let yes = HeaderValue::from_static("true");
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes.clone());
    if !is_preflight(head) {
        let exposed = HeaderValue::from_static(EXPOSED);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        return;
    }
    // SDKs send headers of their own, and new ones with new versions: none of them does anything here that a page may not.
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    let methods = HeaderValue::from_static("GET, POST, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let age = HeaderValue::from_static(MAX_AGE_S);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, age);
    if asked.contains_key(PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, yes);
    }
}
