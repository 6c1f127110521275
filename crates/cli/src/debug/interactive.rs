//! The prompt: a line read, a command run. History is kept between sessions; TAB completes commands, names and members.

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Editor, Helper};

use super::interrupt::Interrupt;
use super::output::Output;
use super::{Session, command, complete};

/// Lines that are remembered.
const HISTORY: usize = 5000;

pub(super) fn run(session: &mut Session, interrupt: &Interrupt, with_pager: bool) -> crate::Outcome {
    command::run(session, "info")?;
    if with_pager {
        session.output = Output::paged();
    }
    interrupt.ends_commands();
    let config = Config::builder().completion_type(CompletionType::List).auto_add_history(false);
    let config = config.history_ignore_dups(true)?.max_history_size(HISTORY)?.build();
    let mut editor: Editor<Names<'_>, DefaultHistory> = Editor::with_config(config)?;
    editor.set_helper(Some(Names { session }));
    let history = history_file();
    if let Some(file) = &history {
        // The first session has none.
        let _ = editor.load_history(file);
    }
    loop {
        match editor.readline("btfkit> ") {
            Ok(line) if command::is_quit(&line) => break,
            Ok(line) => {
                let _ = editor.add_history_entry(line.as_str());
                answer(session, interrupt, &line);
            }
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error.into()),
        }
    }
    if let Some(file) = &history {
        // A home that cannot be written to is no reason to fail.
        let _ = std::fs::create_dir_all(file.parent().unwrap_or(file));
        let _ = editor.save_history(file);
    }
    Ok(())
}

/// Runs a line. Whatever comes of it, there is a prompt again.
fn answer(session: &Session, interrupt: &Interrupt, line: &str) {
    // One that came while nothing ran.
    interrupt.take();
    let outcome = command::run(session, line);
    let shown = session.output.finish();
    // In a pager it may come when all is done.
    if interrupt.take() && (outcome.is_err() || shown.is_err()) {
        anstream::eprintln!("interrupted");
        return;
    }
    for outcome in [outcome, shown] {
        match outcome {
            // Who left the pager has seen enough.
            Err(error) if !crate::is_broken_pipe(&*error) => crate::complain(&*error),
            _ => {}
        }
    }
}

fn history_file() -> Option<std::path::PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(std::path::PathBuf::from);
    let state =
        state.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(state.join("btfkit/history"))
}

/// What TAB knows.
struct Names<'k> {
    session: &'k Session,
}

impl Completer for Names<'_> {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, names) = complete::names(self.session.scope(), &line[..position]);
        Ok((start, names.into_iter().map(|name| Pair { display: name.clone(), replacement: name }).collect()))
    }
}

impl Highlighter for Names<'_> {}
impl Hinter for Names<'_> {
    type Hint = String;
}
impl Validator for Names<'_> {}
impl Helper for Names<'_> {}
