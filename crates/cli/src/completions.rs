//! `btfkit completions`: completions for the user's shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// Print completions for a shell
///
/// For bash: `btfkit completions bash >~/.local/share/bash-completion/completions/btfkit`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> crate::Outcome {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut <crate::Cli>::command(), "btfkit", &mut out);
    crate::put(&out)
}
