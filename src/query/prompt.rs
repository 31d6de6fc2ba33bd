//! The interactive prompt of `headgate query`: statements end with `;`, each sees what has landed when it starts.

use std::path::PathBuf;

use anyhow::{Context, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{DefaultEditor, Editor};

use super::output::Format;
use crate::cause;
use crate::config::Config;
use crate::lake;

const HELP: &str = "\
  SELECT ... ;   runs SQL, over one or more lines up to the `;`
  \\d             lists the tables
  \\d TABLE       lists a table's columns
  \\?             shows this help
  \\q             leaves (so does Ctrl-D)";

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Input<'a> {
    Nothing,
    Help,
    Leave,
    Tables,
    Columns(&'a str),
    /// SQL that is not at its `;` yet.
    More,
    Sql(&'a str),
}

impl<'a> Input<'a> {
    /// Reads what was typed since the last statement.
    fn of(typed: &'a str) -> Self {
        let typed = typed.trim();
        match typed.trim_end_matches(';').trim() {
            "" => Self::Nothing,
            "\\?" | "help" | "\\h" => Self::Help,
            "\\q" | "quit" | "exit" => Self::Leave,
            "\\d" | "\\dt" => Self::Tables,
            other if other.starts_with("\\d ") => Self::Columns(other[3..].trim()),
            _ if typed.ends_with(';') => Self::Sql(typed),
            _ => Self::More,
        }
    }
}

/// Reads and runs statements until the end of input.
///
/// # Errors
/// The terminal cannot be read. What is wrong with a statement is printed, and the next one is read.
pub(super) async fn run(config: &Config, format: Format, rows_max: usize) -> Result<()> {
    let mut editor = DefaultEditor::new().context("cannot read from the terminal")?;
    let history = history_file();
    if let Some(file) = &history {
        // The first time there is none.
        drop(editor.load_history(file));
    }
    println!("Landed tables in {}. \\? for help.", lake::name(config));
    let mut typed = String::new();
    loop {
        let prompt = if typed.is_empty() {
            "headgate> "
        } else {
            "       -> "
        };
        match tokio::task::block_in_place(|| editor.readline(prompt)) {
            Ok(line) => {
                typed.push_str(&line);
                typed.push('\n');
            }
            Err(ReadlineError::Interrupted) => {
                typed.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read from the terminal"),
        }
        if Input::of(&typed) == Input::More {
            continue;
        }
        remember(&mut editor, typed.trim());
        match answer(config, &Input::of(&typed), format, rows_max).await {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => eprintln!("{}", cause::line(&error)),
        }
        typed.clear();
    }
    if let Some(file) = &history {
        editor
            .save_history(file)
            .with_context(|| format!("cannot keep the history in {}", file.display()))?;
    }
    Ok(())
}

/// Answers one input; false ends the prompt.
async fn answer(
    config: &Config,
    input: &Input<'_>,
    format: Format,
    rows_max: usize,
) -> Result<bool> {
    match input {
        Input::Nothing | Input::More => {}
        Input::Help => println!("{HELP}"),
        Input::Leave => return Ok(false),
        Input::Tables => crate::tables::list(format, config).await?,
        Input::Columns(table) => {
            let columns = super::open(config).await?.columns(table).await?;
            for field in columns.fields() {
                println!("{:<40} {}", field.name(), field.data_type());
            }
        }
        Input::Sql(sql) => {
            super::statements(&super::open(config).await?, sql, format, rows_max).await?
        }
    }
    Ok(true)
}

fn remember(editor: &mut Editor<(), FileHistory>, statement: &str) {
    if !statement.is_empty() {
        // A statement that the history refuses (it is full of them, or a repetition) is just not in it.
        drop(editor.add_history_entry(statement.replace('\n', " ")));
    }
}

/// `$XDG_STATE_HOME/headgate_history`, else in the home directory; none without either.
fn history_file() -> Option<PathBuf> {
    let state =
        std::env::var_os("XDG_STATE_HOME").map(|dir| PathBuf::from(dir).join("headgate_history"));
    let home = std::env::var_os("HOME").map(|dir| PathBuf::from(dir).join(".headgate_history"));
    state
        .filter(|file| file.parent().is_some_and(|dir| dir.is_dir()))
        .or(home)
}

#[cfg(test)]
mod tests {
    use super::Input;

    #[test]
    fn sql_is_complete_only_at_its_semicolon() {
        assert_eq!(Input::of("select 1\n"), Input::More);
        assert_eq!(Input::of("select 1\n;\n"), Input::Sql("select 1\n;"));
    }

    #[test]
    fn commands_need_no_semicolon() {
        assert_eq!(
            Input::of("\\d signed_up_1\n"),
            Input::Columns("signed_up_1")
        );
        assert_eq!(Input::of("\\d\n"), Input::Tables);
        assert_eq!(Input::of("exit;\n"), Input::Leave);
        assert_eq!(Input::of("  \n"), Input::Nothing);
    }
}
