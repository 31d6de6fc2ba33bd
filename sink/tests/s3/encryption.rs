//! Encryption by the store: what is asked for with every object, and that a real server does it.

use std::{
    process::Command,
    sync::{Arc, Mutex},
};

use headgate_sink::store::{
    Store,
    s3::{Config, Encryption, S3},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::{
    LARGE_BYTES,
    server::{Server, seaweedfs},
    small_parts,
};

/// A server that denies everything and keeps the heads of the requests.
struct Denier {
    endpoint: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Denier {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let head = deny(connection).await.unwrap();
                kept.lock().unwrap().push(head);
            }
        });
        Self { endpoint, heads }
    }

    /// The head of the only request of that method since the last question.
    fn head(&self, method: &str) -> String {
        let heads = std::mem::take(&mut *self.heads.lock().unwrap());
        let mut heads = heads.into_iter().filter(|head| head.starts_with(method));
        let head = heads.next().expect("a request");
        assert_eq!(heads.next(), None);
        head.to_ascii_lowercase()
    }
}

async fn deny(connection: TcpStream) -> std::io::Result<String> {
    let mut connection = BufReader::new(connection);
    let (mut head, mut body_bytes) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let start = head.len();
        connection.read_line(&mut head).await?;
        let line = head[start..].to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body_bytes = length.trim().parse().unwrap();
        }
    }
    connection.read_exact(&mut vec![0; body_bytes]).await?;
    // A missing object, for who looks before an upload.
    let status = if head.starts_with("HEAD") { 404 } else { 403 };
    let reply = format!("HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    connection.write_all(reply.as_bytes()).await?;
    Ok(head)
}

async fn heads_of_creates(denier: &Denier, config: Config) -> [String; 2] {
    let config = Config {
        bucket: "b".into(),
        region: Some("eu-north-1".into()),
        endpoint: Some(denier.endpoint.clone()),
        path_style: true,
        ..small_parts(config)
    };
    let store = S3::open_with_keys(config, "id", "key").await.unwrap();
    store.create("t/small", "x".into()).await.unwrap_err();
    let small = denier.head("PUT");
    let large = vec![1; LARGE_BYTES].into();
    store.create("t/large", large).await.unwrap_err();
    [small, denier.head("POST")]
}

#[tokio::test]
async fn every_object_is_asked_to_be_encrypted_as_configured() {
    let denier = Denier::start().await;
    let with = |encryption, key: Option<&str>| Config {
        server_side_encryption: encryption,
        kms_key_id: key.map(Into::into),
        ..Config::default()
    };
    for head in heads_of_creates(&denier, with(Encryption::None, None)).await {
        assert!(!head.contains("x-amz-server-side-encryption"), "{head}");
    }
    for head in heads_of_creates(&denier, with(Encryption::SseS3, None)).await {
        let asked = "x-amz-server-side-encryption: aes256\r\n";
        assert!(head.contains(asked), "{head}");
    }
    for head in heads_of_creates(&denier, with(Encryption::SseKms, Some("k-1"))).await {
        for asked in [
            "x-amz-server-side-encryption: aws:kms\r\n",
            "x-amz-server-side-encryption-aws-kms-key-id: k-1\r\n",
        ] {
            assert!(head.contains(asked), "{head}");
        }
    }
}

/// What the server says of an object, asked without any code of ours.
fn told(server: &Server, key: &str) -> String {
    let asked = Command::new("curl")
        .args(["--silent", "--head", "--aws-sigv4", "aws:amz:us-east-1:s3"])
        .args(["--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD"])
        .args(["--user", &server.keys().join(":")])
        .arg(format!("{}/{key}", server.endpoint()))
        .output()
        .unwrap();
    String::from_utf8(asked.stdout)
        .unwrap()
        .to_ascii_lowercase()
}

#[tokio::test]
#[ignore = "needs an S3 server: ./headgate.sh test"]
async fn objects_that_the_store_encrypts_are_read_as_they_were_written() {
    let server = seaweedfs().await;
    let config = Config {
        server_side_encryption: Encryption::SseS3,
        ..small_parts(server.config())
    };
    let store = server.open(config.clone()).await;
    for (path, bytes) in [
        ("_commits/s/1/1.json", 10),
        ("t/small", 10),
        ("t/large", LARGE_BYTES),
    ] {
        let bytes = bytes::Bytes::from(vec![7; bytes]);
        store.create(path, bytes.clone()).await.unwrap();
        assert!(store.read(path).await.unwrap() == bytes, "{path}");
        let key = format!("{}/{}/{path}", config.bucket, config.prefix);
        let head = told(&server, &key);
        let encrypted = "x-amz-server-side-encryption: aes256";
        assert!(head.contains(encrypted), "{path}: {head}");
    }
}
