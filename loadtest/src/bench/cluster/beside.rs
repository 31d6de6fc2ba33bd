//! Figures of the same work without Headgate, or without most of it, taken in turn with Headgate's own.

use std::collections::BTreeMap;
use std::process::Stdio;

use super::Error;
use crate::bench::closed::median;

/// A shell command whose last line of output is a JSON object of figures: names, and microseconds of CPU time an event.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    command: Option<String>,
    rounds: BTreeMap<String, Vec<f64>>,
}

impl Beside {
    pub(super) fn new(command: Option<String>) -> Beside {
        let rounds = BTreeMap::new();
        Beside { command, rounds }
    }

    /// Runs the command, if there is one.
    pub(super) async fn round(&mut self) -> Result<(), Error> {
        let Some(command) = self.command.clone() else {
            return Ok(());
        };
        let ran = tokio::task::spawn_blocking({
            let command = command.clone();
            move || {
                std::process::Command::new("sh")
                    .args(["-c", &command])
                    .stdin(Stdio::null())
                    .stderr(Stdio::inherit())
                    .output()
            }
        });
        let wrong = |reason: String| Error::Beside {
            command: command.clone(),
            reason,
        };
        let ran = ran.await.map_err(|error| wrong(error.to_string()))?;
        let ran = ran.map_err(|error| wrong(error.to_string()))?;
        let text = String::from_utf8_lossy(&ran.stdout).into_owned();
        if !ran.status.success() {
            return Err(wrong(format!("it ended with {}", ran.status)));
        }
        let last = text.lines().rfind(|line| !line.is_empty()).unwrap_or("");
        let figures: BTreeMap<String, f64> =
            serde_json::from_str(last).map_err(|error| wrong(format!("{error} in {last:?}")))?;
        for (name, figure) in figures {
            self.rounds.entry(name).or_default().push(figure);
        }
        Ok(())
    }

    /// The median of each figure.
    pub(super) fn medians(self) -> BTreeMap<String, f64> {
        let medians = self.rounds.into_iter();
        medians
            .map(|(name, figures)| (name, median(figures)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_line_has_the_figures_and_other_output_does_not_matter() {
        let command = r#"echo building; echo '{"alone": 2.5}'"#;
        let mut beside = Beside::new(Some(command.to_owned()));
        beside.round().await.unwrap();
        beside.round().await.unwrap();
        assert_eq!(
            beside.medians(),
            BTreeMap::from([("alone".to_owned(), 2.5)])
        );
        for command in ["echo nothing", "exit 1"] {
            let mut beside = Beside::new(Some(command.to_owned()));
            let error = beside.round().await.unwrap_err().to_string();
            assert!(error.contains(command), "{error}");
        }
    }
}
