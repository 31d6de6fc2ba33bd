//! Redshift by its Data API: statements are sent by HTTP, run in the background, and are asked about.
//!
//! A batch is one transaction. The same token within eight hours gives the same run: that is how a run is found again whose
//! reply was lost. <https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html>

use std::{fmt, time::Duration};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_redshiftdata::{
    Client,
    config::timeout::TimeoutConfig,
    error::{ProvideErrorMetadata, SdkError},
    operation::describe_statement::DescribeStatementOutput,
    types::{Field, StatementStatusString, StatusString},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::{Instant, sleep};

use super::{
    Error as OpenError,
    config::{Config, DataApi},
    metrics::Metrics,
    prepare,
    session::{Error, Rows, Session},
};

/// A run is asked about after this pause first, then after longer ones.
const POLL_MIN: Duration = Duration::from_millis(100);

/// The longest pause between two questions about a run.
const POLL_MAX: Duration = Duration::from_secs(2);

/// The longest statement, in bytes. <https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html>
const STATEMENT_BYTES_MAX: usize = 100_000;

/// The most statements of a batch.
const STATEMENTS_MAX: usize = 40;

/// What the service says when it is too busy, or ails: to be tried again.
const BUSY: [&str; 9] = [
    "ActiveSessionsExceededException",
    "ActiveStatementsExceededException",
    "BatchExecuteStatementException",
    "DatabaseConnectionException",
    "ExecuteStatementException",
    "InternalServerException",
    "QueryTimeoutException",
    "ServiceUnavailableException",
    "ThrottlingException",
];

/// A database behind the Data API.
pub(super) struct DataApiSession {
    client: Client,
    config: DataApi,
    deadline: Duration,
    metrics: Metrics,
}

impl fmt::Debug for DataApiSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataApiSession")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl DataApiSession {
    /// Sets the client up. Credentials are looked for with the first call.
    pub(super) async fn open(config: &Config, metrics: Metrics) -> Result<Self, OpenError> {
        let api = config.data_api.clone();
        let http = Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        // A connection that answers nothing would else be waited for for ever.
        let call = Duration::from_millis(api.call_timeout_ms);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(call)
            .operation_attempt_timeout(call)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .timeout_config(timeouts);
        if let Some(region) = api.region.clone() {
            loader = loader.region(Region::new(region));
        }
        if let Some(endpoint) = &api.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let shared = loader.load().await;
        if shared.region().is_none() {
            return Err(OpenError::Config {
                key: "data_api.region",
                reason: "no region: set it, AWS_REGION or the profile's region".to_owned(),
            });
        }
        Ok(Self {
            client: Client::new(&shared),
            config: api,
            deadline: Duration::from_millis(config.statements_deadline_ms),
            metrics,
        })
    }

    async fn begin(&self, token: &str, statements: &[String]) -> Result<String, Error> {
        let id = match statements {
            [statement] => {
                self.metrics.called("ExecuteStatement");
                let call = self.client.execute_statement().sql(statement);
                let call = call
                    .database(&self.config.database)
                    .client_token(token)
                    .set_workgroup_name(self.config.workgroup.clone())
                    .set_cluster_identifier(self.config.cluster.clone())
                    .set_secret_arn(self.config.secret_arn.clone())
                    .set_db_user(self.config.db_user.clone());
                call.send().await.map_err(told)?.id
            }
            statements => {
                self.metrics.called("BatchExecuteStatement");
                let call = self.client.batch_execute_statement();
                let call = call
                    .set_sqls(Some(statements.to_vec()))
                    .database(&self.config.database)
                    .client_token(token)
                    .set_workgroup_name(self.config.workgroup.clone())
                    .set_cluster_identifier(self.config.cluster.clone())
                    .set_secret_arn(self.config.secret_arn.clone())
                    .set_db_user(self.config.db_user.clone());
                call.send().await.map_err(told)?.id
            }
        };
        id.ok_or_else(|| Error::unavailable("send statements", "the reply has no id"))
    }

    /// Waits until the run has ended; what it was.
    async fn end(&self, id: &str) -> Result<DescribeStatementOutput, Error> {
        let (begun, mut pause) = (Instant::now(), POLL_MIN);
        loop {
            self.metrics.called("DescribeStatement");
            let told_of = self.client.describe_statement().id(id).send().await;
            match told_of {
                Ok(told_of) => match told_of.status() {
                    Some(StatusString::Finished) => return Ok(told_of),
                    Some(StatusString::Failed | StatusString::Aborted) => {
                        return Err(failed(&told_of));
                    }
                    _ => {}
                },
                // The run goes on all the same.
                Err(error) if busy(&error) => {}
                Err(error) => return Err(told(error)),
            }
            if begun.elapsed() > self.deadline {
                self.cancel(id).await;
                let late = "they ran for longer than warehouse.statements_deadline_ms";
                return Err(Error::unavailable("finish statements", late));
            }
            sleep(pause).await;
            pause = pause.mul_f64(1.5).min(POLL_MAX);
        }
    }

    /// Best effort: whether it helped is found out by asking the ledger.
    async fn cancel(&self, id: &str) {
        self.metrics.called("CancelStatement");
        if let Err(error) = self.client.cancel_statement().id(id).send().await {
            tracing::warn!(error = %told(error), "cannot cancel statements that run for too long");
        }
    }

    async fn rows(&self, id: &str) -> Result<Rows, Error> {
        let (mut rows, mut next) = (Rows::new(), None);
        loop {
            self.metrics.called("GetStatementResult");
            let call = self
                .client
                .get_statement_result()
                .id(id)
                .set_next_token(next);
            let page = call.send().await.map_err(told)?;
            let text = |row: &Vec<Field>| row.iter().map(text).collect::<Vec<_>>();
            rows.extend(page.records().iter().map(text));
            next = page.next_token;
            if next.is_none() {
                return Ok(rows);
            }
        }
    }

    async fn run(&self, token: &str, statements: &[String]) -> Result<Rows, Error> {
        check(statements)?;
        let id = self.begin(token, statements).await?;
        let ended = self.end(&id).await?;
        match statements {
            [_] if ended.has_result_set() == Some(true) => self.rows(&id).await,
            [_] => Ok(Rows::new()),
            _ => match ended.sub_statements().last() {
                Some(last) if last.has_result_set() == Some(true) => self.rows(last.id()).await,
                _ => Ok(Rows::new()),
            },
        }
    }
}

impl Session for DataApiSession {
    fn transaction<'a>(
        &'a self,
        token: &'a str,
        statements: &'a [String],
    ) -> BoxFuture<'a, Result<Rows, Error>> {
        self.run(token, statements).boxed()
    }

    fn statement<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, Result<Rows, Error>> {
        async move { self.run(&prepare::token(), &[sql.to_owned()]).await }.boxed()
    }
}

/// What the service would refuse is refused here, with what to do.
fn check(statements: &[String]) -> Result<(), Error> {
    let refused = |statement, message| Err(Error::Failed { statement, message });
    if statements.len() > STATEMENTS_MAX {
        let message = format!(
            "{} statements, a batch has at most {STATEMENTS_MAX}",
            statements.len()
        );
        return refused(None, message);
    }
    let long = statements
        .iter()
        .position(|statement| statement.len() > STATEMENT_BYTES_MAX);
    match long {
        Some(index) => {
            let message = format!(
                "it has {} bytes, the Data API takes {STATEMENT_BYTES_MAX}: the table has too many columns, or their names \
                 are too long; load it with warehouse.connection = \"postgres\"",
                statements[index].len()
            );
            refused(Some(index), message)
        }
        None => Ok(()),
    }
}

/// A run that ended badly: nothing of it has taken effect.
fn failed(told_of: &DescribeStatementOutput) -> Error {
    let bad = |status: &StatementStatusString| {
        matches!(
            status,
            StatementStatusString::Failed | StatementStatusString::Aborted
        )
    };
    let parts = told_of.sub_statements();
    let statement = parts.iter().position(|part| part.status().is_some_and(bad));
    let message = statement.and_then(|index| parts[index].error());
    let message = message.or(told_of.error()).unwrap_or("it did not say why");
    Error::Failed {
        statement: statement.or(parts.is_empty().then_some(0)),
        message: message.to_owned(),
    }
}

/// What a failed call means.
fn told<E>(error: SdkError<E>) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    match code {
        Some("ValidationException") => Error::Failed {
            statement: None,
            message: cause(&error),
        },
        _ => Error::unavailable("call the Redshift Data API", cause(&error)),
    }
}

/// What is to be tried again without another thought.
fn busy<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
    {
        Some(code) => BUSY.contains(&code),
        // It did not get as far as the service, or back.
        None => true,
    }
}

/// An error with its causes: the SDK's own text names none of them.
fn cause(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn text(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(number) => Some(number.to_string()),
        Field::DoubleValue(number) => Some(number.to_string()),
        Field::BooleanValue(truth) => Some(truth.to_string()),
        _ => None,
    }
}
