//! A server's pages: its metrics, and whether it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Error;

/// A sink that is stopped most of the time answers when it runs again.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A page of metrics.
pub(super) struct Page(String);

impl Page {
    /// The metrics as they are now.
    pub(super) async fn of(admin: SocketAddr) -> Result<Page, Error> {
        match get(admin, "/metrics").await? {
            (200, body) => Ok(Page(body)),
            (status, body) => Err(wrong(admin, format!("it answered {status}: {body}"))),
        }
    }

    /// The sum of a metric over all its labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.sum_where(name, "")
    }

    /// The sum over the series that have this label, `name="value"`.
    pub(super) fn sum_where(&self, name: &str, label: &str) -> f64 {
        let of = |line: &str| {
            let rest = line.strip_prefix(name)?;
            if !rest.starts_with([' ', '{']) || !rest.contains(label) {
                return None;
            }
            rest.rsplit(' ').next()?.parse::<f64>().ok()
        };
        self.0.lines().filter_map(of).sum()
    }
}

/// One page: status and body.
pub(super) async fn get(admin: SocketAddr, path: &str) -> Result<(u16, String), Error> {
    let asked = async {
        let mut stream = TcpStream::connect(admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        Ok::<_, std::io::Error>(reply)
    };
    let reply = match timeout(TIMEOUT, asked).await {
        Ok(reply) => reply.map_err(|error| wrong(admin, error.to_string()))?,
        Err(_) => return Err(wrong(admin, format!("no reply within {TIMEOUT:?}"))),
    };
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| wrong(admin, format!("it answered {head:?}")))?;
    Ok((status, body.to_owned()))
}

fn wrong(admin: SocketAddr, reason: String) -> Error {
    Error::Watched {
        what: format!("the admin port {admin}"),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_metric_are_summed_and_no_others() {
        let page = Page(
            "# HELP rows_total x\nrows_total{table=\"a\"} 3\nrows_total{table=\"b\"} 4\nrows_total_more 9\nup 1\n"
                .to_owned(),
        );
        assert_eq!(page.sum("rows_total"), 7.0);
        assert_eq!(page.sum_where("rows_total", "table=\"b\""), 4.0);
        assert_eq!((page.sum("up"), page.sum("rows")), (1.0, 0.0));
    }
}
