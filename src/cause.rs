//! An error and its causes as one line for people.

/// What went wrong, from the outermost to the innermost cause. A cause that the message before it already repeats at
/// its end is left out: some errors name their source themselves, so that they can stand alone.
pub(crate) fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.ends_with(&cause) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&cause);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open x: {source}")]
    struct Open {
        source: std::io::Error,
    }

    #[test]
    fn every_cause_is_said_once() {
        let error = Open {
            source: std::io::ErrorKind::NotFound.into(),
        };
        let error = anyhow::Error::from(error).context("no start");
        assert_eq!(line(&error), "no start: cannot open x: entity not found");
    }
}
