//! Commands: their names, their help, and which function answers them.

use super::Session;
use super::commands::{info, log, memory, print, registers, symbols, system, tasks};

/// A command.
pub(super) struct Command {
    /// Its names; the first is the one that help shows.
    pub(super) names: &'static [&'static str],
    /// What it takes.
    pub(super) usage: &'static str,
    /// What it does, in one line.
    pub(super) about: &'static str,
    run: fn(&Session, &str) -> crate::Outcome,
}

/// All commands, in the order in which help lists them.
pub(super) const COMMANDS: [Command; 16] = [
    Command {
        names: &["p", "print"],
        usage: "[/FORMAT] EXPR",
        about: "print the value of a C expression; formats: x, d, b, c, s",
        run: print::print,
    },
    Command {
        names: &["whatis"],
        usage: "EXPR",
        about: "print the type of an expression",
        run: print::whatis,
    },
    Command {
        names: &["ptype"],
        usage: "EXPR|TYPE",
        about: "print a type with its members",
        run: print::ptype,
    },
    Command {
        names: &["ps"],
        usage: "[-t] [NAME|PID]",
        about: "list processes; with -t, their threads, too",
        run: tasks::ps,
    },
    Command {
        names: &["log", "dmesg"],
        usage: "[LINES]",
        about: "print the kernel's log, or its last lines",
        run: log::log,
    },
    Command { names: &["mod", "lsmod"], usage: "", about: "list loaded modules", run: system::modules },
    Command {
        names: &["sys"],
        usage: "",
        about: "show the machine and its kernel at a glance",
        run: system::system,
    },
    Command {
        names: &["info"],
        usage: "",
        about: "show what was found in the dump, and what is missing",
        run: info::info,
    },
    Command {
        names: &["regs"],
        usage: "[-c CPU]",
        about: "show the processors' registers; expressions have them as $rip, $rip@1",
        run: registers::regs,
    },
    Command {
        names: &["cpu"],
        usage: "[CPU|-]",
        about: "select the processor whose per-CPU variables and registers are meant; -: none",
        run: registers::cpu,
    },
    Command {
        names: &["sym"],
        usage: "NAME|ADDRESS",
        about: "find a symbol by name or by address",
        run: symbols::sym,
    },
    Command {
        names: &["rd", "x"],
        usage: "[-8|-16|-32|-64] ADDRESS [COUNT]",
        about: "print memory",
        run: memory::rd,
    },
    Command { names: &["vtop"], usage: "ADDRESS", about: "translate a virtual address", run: memory::vtop },
    Command {
        names: &["search"],
        usage: "NUMBER [START END]",
        about: "find a 64-bit number in memory",
        run: memory::search,
    },
    Command { names: &["help", "?"], usage: "[COMMAND]", about: "list commands, or explain one", run: help },
    Command { names: &["quit", "q", "exit"], usage: "", about: "leave", run: |_, _| Ok(()) },
];

/// Runs a line: a command and what it takes. Empty lines and those that begin with `#` do nothing.
pub(super) fn run(session: &Session, line: &str) -> crate::Outcome {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(());
    }
    // `p/x` is `p /x`.
    let end = line.find(|next: char| next.is_whitespace() || next == '/').unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let command = find(name).ok_or_else(|| format!("there is no command {name}: help lists them"))?;
    (command.run)(session, rest.trim())
}

/// The command of this name.
pub(super) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.names.contains(&name))
}

/// Whether a line asks to leave.
pub(super) fn is_quit(line: &str) -> bool {
    COMMANDS.last().is_some_and(|quit| quit.names.contains(&line.trim()))
}

fn help(session: &Session, name: &str) -> crate::Outcome {
    let one = |command: &Command| {
        format!(
            "  {:<44} {}\n",
            format!("{} {}", command.names.join(", "), command.usage).trim(),
            command.about
        )
    };
    if name.is_empty() {
        let text: String = COMMANDS.iter().map(one).collect();
        return session.put(&(text + EXPRESSIONS));
    }
    let command = find(name).ok_or_else(|| format!("there is no command {name}: help lists them"))?;
    session.put(&one(command))
}

const EXPRESSIONS: &str = "\nexpressions: C's operators, casts, sizeof, offsetof(T, m), container_of(p, T, m), and\n  \
    per_cpu(x, CPU)             a processor's own          a[0..4]        several elements\n  \
    list(head, T, member)       each element of a list; also hlist, llist, rbtree, chain(first, T, next)\n  \
    xarray(x, T)                each element that it points to; also idr(x, T), maple(x, T)\n  \
    EXPR.{member, member}       a table of members\n  \
    name#2, module:name         one of several variables of a name\n";
