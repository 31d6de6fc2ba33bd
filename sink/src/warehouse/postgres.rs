//! Redshift by PostgreSQL's protocol: the same statements, sent to the cluster itself.
//!
//! Statements go as simple queries, as text: Redshift is no PostgreSQL, and prepares not all that it runs.

use std::{fmt, io, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer, pki_types::pem::PemObject};
use tokio::{sync::Mutex, time::timeout};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{
    Error as OpenError,
    config::{Config, Postgres, Tls},
    metrics::Metrics,
    session::{Error, Rows, Session},
};

/// So many connections are kept while nothing needs them.
const IDLE_MAX: usize = 16;

/// A cluster.
pub(super) struct PostgresSession {
    config: Postgres,
    tls: Option<MakeRustlsConnect>,
    idle: Mutex<Vec<Client>>,
    deadline: Duration,
    metrics: Metrics,
}

impl fmt::Debug for PostgresSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSession")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl PostgresSession {
    /// Reads the certificates that are trusted. Nothing is connected yet.
    pub(super) fn open(config: &Config, metrics: Metrics) -> Result<Self, OpenError> {
        let tls = match config.postgres.tls {
            Tls::Off => None,
            Tls::Verify => Some(tls(&config.postgres)?),
        };
        Ok(Self {
            config: config.postgres.clone(),
            tls,
            idle: Mutex::default(),
            deadline: Duration::from_millis(config.statements_deadline_ms),
            metrics,
        })
    }

    /// A connection that nobody uses, or a new one.
    async fn client(&self) -> Result<Client, Error> {
        let mut idle = self.idle.lock().await;
        while let Some(client) = idle.pop() {
            if !client.is_closed() {
                return Ok(client);
            }
        }
        drop(idle);
        let limit = Duration::from_millis(self.config.connect_timeout_ms);
        let connected = timeout(limit, self.connect()).await;
        connected.map_err(|late| Error::unavailable("connect to the cluster", late))?
    }

    async fn connect(&self) -> Result<Client, Error> {
        let doing = "connect to the cluster";
        let mut config = tokio_postgres::Config::new();
        config
            .host(&self.config.host)
            .port(self.config.port)
            .dbname(&self.config.database)
            .user(&self.config.user)
            .application_name("headgate");
        if let Some(file) = &self.config.password_file {
            let password = tokio::fs::read_to_string(file).await.map_err(|source| {
                let text = format!("cannot read {}: {source}", file.display());
                Error::unavailable(doing, text)
            })?;
            config.password(password.trim_end());
        }
        let refused = |error| Error::unavailable(doing, error);
        match &self.tls {
            Some(tls) => {
                config.ssl_mode(SslMode::Require);
                let (client, connection) = config.connect(tls.clone()).await.map_err(refused)?;
                tokio::spawn(connection);
                Ok(client)
            }
            None => {
                config.ssl_mode(SslMode::Disable);
                let (client, connection) = config.connect(NoTls).await.map_err(refused)?;
                tokio::spawn(connection);
                Ok(client)
            }
        }
    }

    async fn keep(&self, client: Client) {
        let mut idle = self.idle.lock().await;
        if !client.is_closed() && idle.len() < IDLE_MAX {
            idle.push(client);
        }
    }

    async fn query(&self, client: &Client, index: usize, sql: &str) -> Result<Rows, Error> {
        self.metrics.called("statement");
        match client.simple_query(sql).await {
            Ok(messages) => Ok(rows(messages)),
            Err(error) => Err(told(index, error)),
        }
    }

    async fn run(&self, statements: &[String], whole: bool) -> Result<Rows, Error> {
        let client = self.client().await?;
        let work = async {
            if whole {
                self.query(&client, 0, "BEGIN").await?;
            }
            let mut rows = Rows::new();
            for (index, statement) in statements.iter().enumerate() {
                rows = self.query(&client, index, statement).await?;
            }
            if whole {
                self.query(&client, statements.len(), "COMMIT").await?;
            }
            Ok(rows)
        };
        // A connection that is dropped takes its transaction back, unless the commit was on its way.
        let ran = timeout(self.deadline, work).await;
        let ran = ran.map_err(|late| Error::unavailable("finish statements", late))?;
        match &ran {
            // Temporary tables last as long as the connection: a transaction's is not used again.
            Ok(_) if !whole => self.keep(client).await,
            // The cluster would else find out by itself, some time.
            Err(Error::Failed { .. }) if whole => drop(self.query(&client, 0, "ROLLBACK").await),
            _ => {}
        }
        ran
    }
}

impl Session for PostgresSession {
    fn transaction<'a>(
        &'a self,
        _token: &'a str,
        statements: &'a [String],
    ) -> BoxFuture<'a, Result<Rows, Error>> {
        self.run(statements, true).boxed()
    }

    fn statement<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Rows, Error>> {
        async move { self.run(&[sql.to_owned()], false).await }.boxed()
    }
}

/// What a failed statement means: the cluster's own word, or a connection that is gone.
fn told(index: usize, error: tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(said) => Error::Failed {
            statement: Some(index),
            message: said.message().to_owned(),
        },
        None => Error::unavailable("run statements", error),
    }
}

fn rows(messages: Vec<SimpleQueryMessage>) -> Rows {
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let values = (0..row.len()).map(|index| row.get(index).map(str::to_owned));
            Some(values.collect())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

fn tls(config: &Postgres) -> Result<MakeRustlsConnect, OpenError> {
    let wrong = |reason: String| OpenError::Config {
        key: "postgres.ca_file",
        reason,
    };
    let mut roots = RootCertStore::empty();
    match &config.ca_file {
        Some(file) => {
            let unreadable = |error: &dyn fmt::Display| {
                wrong(format!("cannot read {}: {error}", file.display()))
            };
            let found = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
            for certificate in found {
                let certificate = certificate.map_err(|error| unreadable(&error))?;
                roots.add(certificate).map_err(|error| unreadable(&error))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                let none = io::Error::other(
                    "the system has no certificates; install ca-certificates, or set this",
                );
                return Err(wrong(none.to_string()));
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
