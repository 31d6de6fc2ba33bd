//! Each way of sending events, and of asking for what is not there.

use serde_json::json;

use crate::support::{Client, get, start};

#[tokio::test]
async fn lines_stand_each_for_itself_declared_or_sniffed() {
    let gateway = start(|_| {});
    let body = "{\"type\":\"loose\",\"id\":\"1\"}\r\n\n{\"type\":\"loose\",\"id\":\"2\"\n  {\"type\":\"loose\",\"id\":\"3\"}";
    for headers in [
        "content-type: application/x-ndjson\r\n",
        "content-type: text/plain\r\n",
    ] {
        let reply = gateway.post(headers, body).await;
        assert_eq!(reply.status, 207, "{headers}");
        let json = reply.json();
        let statuses: Vec<_> = json["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| r["status"].as_str())
            .collect();
        assert_eq!(
            statuses,
            [Some("accepted"), Some("rejected"), Some("accepted")]
        );
        let error = &json["results"][1]["errors"][0];
        assert_eq!(error["keyword"], "syntax");
        assert!(
            error["message"].as_str().unwrap().contains("byte 52"),
            "{error}"
        );
    }
    assert_eq!(
        gateway.bad_events()[0]["data"]["payload"],
        "{\"type\":\"loose\",\"id\":\"2\""
    );
}

#[tokio::test]
async fn an_object_over_many_lines_is_one_event() {
    let gateway = start(|_| {});
    let reply = gateway
        .post("", "{\n  \"type\": \"loose\",\n  \"data\": {\n  }\n}\n")
        .await;
    assert_eq!(
        (reply.status, reply.json()["accepted"].clone()),
        (200, json!(1))
    );
}

#[tokio::test]
async fn structured_and_batched_cloudevents_are_what_they_say() {
    let gateway = start(|_| {});
    let event = r#"{"specversion":"1.0","type":"loose","source":"/s","id":"1"}"#;
    let structured = "content-type: application/cloudevents+json; charset=UTF-8\r\n";
    let batched = "content-type: application/cloudevents-batch+json\r\n";
    assert_eq!(gateway.post(structured, event).await.status, 200);
    assert_eq!(
        gateway
            .post(batched, format!("[{event},{event}]"))
            .await
            .json()["accepted"],
        2
    );
    for (headers, body) in [
        (structured, format!("[{event}]")),
        (batched, event.to_owned()),
    ] {
        let reply = gateway.post(headers, body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "malformed_body")
        );
    }
}

#[tokio::test]
async fn binary_cloudevents_take_attributes_from_headers() {
    let gateway = start(|_| {});
    let headers = "content-type: application/json\r\nce-specversion: 1.0\r\nce-type: loose\r\n\
                   ce-id: Euro%20%E2%82%AC\r\nce-source: /s\r\nce-userid: u\r\nce-myext: a\"b\r\n";
    let reply = gateway.post(headers, r#" {"x":1} "#).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let written = &gateway.events()[0];
    assert_eq!(written["id"], "Euro €");
    assert_eq!(written["userid"], "u");
    assert_eq!(written["myext"], "a\"b");
    assert_eq!(written["data"], json!({"x":1}));

    let reply = gateway
        .post("ce-type: loose\r\nce-time: soon\r\n", "{}")
        .await;
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["results"][0]["errors"][0]["pointer"], "/time");
    let reply = gateway.post("ce-type: loose\r\n", "{} {}").await;
    assert_eq!(
        (reply.status, reply.json()["error"]["offset"].clone()),
        (400, json!(3))
    );
    assert_eq!(
        gateway
            .post("ce-type: loose\r\nce-id: empty\r\n", "")
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn foreign_content_types_are_415_and_json_under_other_names_is_taken() {
    let gateway = start(|_| {});
    for foreign in [
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/x-protobuf",
    ] {
        let reply = gateway
            .post(&format!("content-type: {foreign}\r\n"), "{}")
            .await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (415, "unsupported_media_type")
        );
    }
    let form = "content-type: application/x-www-form-urlencoded\r\n";
    assert_eq!(gateway.post(form, r#"{"type":"loose"}"#).await.status, 200);
}

#[tokio::test]
async fn unknown_paths_are_404_and_unknown_methods_405() {
    let gateway = start(|_| {});
    let reply = get(gateway.addr, "/nope").await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"));
    let reply = get(gateway.addr, "/v1/events").await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (405, "method_not_allowed")
    );
    assert_eq!(reply.header("allow"), Some("options, post"));

    let mut client = Client::connect(gateway.addr).await;
    client
        .write(b"OPTIONS /v1/events HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 204);
}

#[tokio::test]
async fn chunked_bodies_and_expect_continue_work_on_one_connection() {
    let gateway = start(|_| {});
    let mut client = Client::connect(gateway.addr).await;
    client
        .write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    client
        .write(b"8\r\n{\"type\":\r\n8\r\n\"loose\"}\r\n0\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 200);

    client
        .write(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 16\r\n\r\n")
        .await;
    assert_eq!(client.reply().await.status, 100);
    client.write(b"{\"type\":\"loose\"}").await;
    assert_eq!(client.reply().await.status, 200);
    assert_eq!(gateway.events().len(), 2);
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_spoken() {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};

    let gateway = start(|_| {});
    let socket = tokio::net::TcpStream::connect(gateway.addr).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    tokio::spawn(connection);
    let event = format!(
        r#"{{"type":"loose","data":{{"x":"{}"}}}}"#,
        "x".repeat(500_000)
    );
    let request = http::Request::post(format!("http://{}/v1/events", gateway.addr))
        .body(Full::new(Bytes::from(event)))
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, http::Version::HTTP_2)
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["accepted"], 1);
}
