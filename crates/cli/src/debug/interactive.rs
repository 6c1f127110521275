//! The prompt: a line read, a command run. History is kept between sessions; TAB completes commands, names and members.

use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Context, Editor, Helper};

use btfkit_kernel::Shape;
use btfkit_kernel::expression::evaluate;

use super::interrupt::Interrupt;
use super::output::Output;
use super::{Session, command};

pub(super) fn run(session: &mut Session, interrupt: &Interrupt, with_pager: bool) -> crate::Outcome {
    command::run(session, "info")?;
    if with_pager {
        session.output = Output::paged();
    }
    interrupt.ends_commands();
    let mut editor: Editor<Names<'_>, DefaultHistory> = Editor::new()?;
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
    let shown = session.output.finish(&session.kernel);
    if interrupt.take() {
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

/// Names that one TAB offers, at most.
const MOST: usize = 200;

impl Completer for Names<'_> {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let line = &line[..position];
        let is_name = |next: char| next.is_ascii_alphanumeric() || next == '_';
        let start = line.rfind(|next| !is_name(next)).map_or(0, |at| at + 1);
        let (before, word) = line.split_at(start);
        let mut names = if before.trim().is_empty() {
            command::COMMANDS
                .iter()
                .flat_map(|command| command.names)
                .map(|name| (*name).to_owned())
                .collect()
        } else if let Some(of) = before.strip_suffix("->").or_else(|| before.strip_suffix('.')) {
            self.members(of)
        } else {
            self.symbols(word)
        };
        names.retain(|name| name.starts_with(word));
        names.sort_unstable();
        names.dedup();
        names.truncate(MOST);
        Ok((start, names.into_iter().map(|name| Pair { display: name.clone(), replacement: name }).collect()))
    }
}

impl Names<'_> {
    /// The members of what the expression before the dot is.
    fn members(&self, before: &str) -> Vec<String> {
        let expression = before.trim_start().split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
        let Ok(values) = evaluate(self.session.scope(), expression) else { return Vec::new() };
        let Some(value) = values.first() else { return Vec::new() };
        let shape = match value.ctype.shape() {
            Shape::Pointer(target) => target.shape(),
            other => other,
        };
        let Shape::Aggregate(btf, id) = shape else { return Vec::new() };
        let mut names = Vec::new();
        let mut open = vec![(id, 0)];
        while let Some((id, depth)) = open.pop() {
            let Ok(ty) = btf.skip_modifiers(id) else { continue };
            for member in ty.members() {
                match ty.string(member.name) {
                    b"" if depth < 16 => open.push((member.type_id, depth + 1)),
                    name => names.push(String::from_utf8_lossy(name).into_owned()),
                }
            }
        }
        names
    }

    fn symbols(&self, word: &str) -> Vec<String> {
        let Ok(symbols) = self.session.kernel.symbols() else { return Vec::new() };
        if word.is_empty() {
            return Vec::new();
        }
        symbols
            .iter()
            .filter(|symbol| symbol.name.starts_with(word))
            .map(|symbol| symbol.name.to_owned())
            .collect()
    }
}

impl Highlighter for Names<'_> {}
impl Hinter for Names<'_> {
    type Hint = String;
}
impl Validator for Names<'_> {}
impl Helper for Names<'_> {}
