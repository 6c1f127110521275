//! Commands: their names, their help, and which function answers them.

use btfkit_kernel::expression::type_of_value;

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
    /// What else there is to know, and examples: lines that end with newlines.
    pub(super) more: &'static str,
    run: fn(&Session, &str) -> crate::Outcome,
}

/// All commands, in the order in which help lists them.
pub(super) const COMMANDS: [Command; 18] = [
    Command {
        names: &["p", "print"],
        usage: "[/FORMAT] EXPR",
        about: "print the value of a C expression",
        more: "/x hexadecimal, /d decimal, /b binary, /c a character, /s text. A line that is no command is an\n\
               expression, too. Behind `help`: what is there beyond C.\n\n\
               p init_task.comm\n\
               p/x $rip\n\
               p ((struct task_struct *)0xffff888003a98000)->mm\n\
               p list(init_task.tasks, struct task_struct, tasks).{pid, comm, mm->total_vm}\n\
               p per_cpu(runqueues, 1).curr->comm\n",
        run: print::print,
    },
    Command {
        names: &["whatis"],
        usage: "EXPR|TYPE",
        about: "print the type of an expression",
        more: "Reads no values, so that pointers may lead anywhere.\n\nwhatis init_task.mm->owner\n",
        run: print::whatis,
    },
    Command {
        names: &["ptype"],
        usage: "EXPR|TYPE",
        about: "print a type with its members",
        more: "ptype struct list_head\nptype init_task.mm\n",
        run: print::ptype,
    },
    Command {
        names: &["struct"],
        usage: "NAME[.MEMBER,...] [ADDRESS]",
        about: "print a structure: its members, or what is at an address",
        more: "struct list_head\n\
               struct task_struct.pid,comm ffff888003a98000\n\
               struct task_struct.pid &init_task\n",
        run: print::structure,
    },
    Command {
        names: &["union"],
        usage: "NAME[.MEMBER,...] [ADDRESS]",
        about: "the same of a union",
        more: "union thread_union\n",
        run: print::union_,
    },
    Command {
        names: &["ps"],
        usage: "[-t] [NAME|PID]...",
        about: "list processes; with -t, their threads, too",
        more: "A name fits every process whose name it is a part of.\n\nps\nps -t kworker\nps 1 2\n",
        run: tasks::ps,
    },
    Command {
        names: &["log", "dmesg"],
        usage: "[LINES]",
        about: "print the kernel's log, or its last records",
        more: "log 20\n",
        run: log::log,
    },
    Command {
        names: &["mod", "lsmod"],
        usage: "",
        about: "list loaded modules",
        more: "A module's variables are MODULE:NAME in expressions.\n",
        run: system::modules,
    },
    Command {
        names: &["sys"],
        usage: "",
        about: "show the machine and its kernel at a glance",
        more: "",
        run: system::system,
    },
    Command {
        names: &["info"],
        usage: "",
        about: "show what was found in the dump, and what is missing",
        more: "",
        run: info::info,
    },
    Command {
        names: &["regs"],
        usage: "[-c CPU]",
        about: "show the processors' registers, and what each ran",
        more: "From the dump's notes. Expressions have them as $rip, or $rip@1 for processor 1.\n\n\
               regs -c 1\np *(unsigned long *)$rsp\n",
        run: registers::regs,
    },
    Command {
        names: &["cpu"],
        usage: "[CPU|-]",
        about: "select the processor whose per-CPU variables and registers are meant",
        more: "`cpu -` selects none: then per-CPU variables need per_cpu(NAME, CPU), and registers are those of the\n\
               processor that panicked, or else of the first.\n\n\
               cpu 1\np runqueues.curr->comm\n",
        run: registers::cpu,
    },
    Command {
        names: &["sym"],
        usage: "NAME|ADDRESS",
        about: "find a symbol by name or by address",
        more: "sym jiffies\nsym ffffffff81000010\nsym $rip\n",
        run: symbols::sym,
    },
    Command {
        names: &["rd", "x"],
        usage: "[-8|-16|-32|-64] ADDRESS [COUNT]",
        about: "print memory",
        more: "In units of so many bits, 64 without a word. The address is a number in hexadecimal, or an\n\
               expression without spaces.\n\n\
               rd ffffffff81000000 8\nrd -8 &init_task.comm 16\nrd $rsp 32\n",
        run: memory::rd,
    },
    Command {
        names: &["vtop"],
        usage: "ADDRESS",
        about: "translate a virtual address",
        more: "vtop &init_task\n",
        run: memory::vtop,
    },
    Command {
        names: &["search"],
        usage: "NUMBER [START END]",
        about: "find a 64-bit number in memory",
        more: "In the kernel's image, or between two addresses; at multiples of 8 bytes. Ctrl-C ends it.\n\n\
               search &init_task\nsearch dead000000000100 ffff888000000000 ffff888010000000\n",
        run: memory::search,
    },
    Command {
        names: &["help", "?"],
        usage: "[COMMAND]",
        about: "list commands, or explain one",
        more: "",
        run: help,
    },
    Command { names: &["quit", "q", "exit"], usage: "", about: "leave", more: "", run: |_, _| Ok(()) },
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
    match find(name) {
        Some(command) => (command.run)(session, rest.trim()),
        None => expression(session, line, name),
    }
}

/// A line that is no command: an expression, if it can be one.
fn expression(session: &Session, line: &str, name: &str) -> crate::Outcome {
    let is_word = !name.is_empty() && name.chars().all(|next| next.is_ascii_alphanumeric() || next == '_');
    let is_digit = line.starts_with(|next: char| next.is_ascii_digit());
    // What could be a command's name, and is no variable's, was meant as one.
    if is_word && !is_digit && type_of_value(session.scope(), line).is_err() {
        return Err(unknown(name).into());
    }
    print::print(session, line)
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
    if name.is_empty() {
        let line = |command: &Command| {
            let name = format!("{} {}", command.names.join(", "), command.usage);
            format!("  {:<38} {}\n", name.trim(), command.about)
        };
        let text: String = COMMANDS.iter().map(line).collect();
        return session.put(&(text + EXPRESSIONS));
    }
    let command = find(name).ok_or_else(|| unknown(name))?;
    let indented: String = command.more.lines().map(|line| format!("  {line}\n")).collect();
    let gap = if indented.is_empty() { "" } else { "\n" };
    let text = format!(
        "{HEAD}{}{HEAD:#} {}\n  {}\n{gap}{}",
        command.names.join(", "),
        command.usage,
        command.about,
        indented.replace("  \n", "\n"),
        HEAD = super::render::HEAD
    );
    session.put(&text)
}

fn unknown(name: &str) -> String {
    format!("there is no command {name}: help lists them")
}

const EXPRESSIONS: &str = "\nexpressions: C's operators, casts, sizeof, offsetof(T, m), container_of(p, T, m), and\n  \
    per_cpu(EXPR, CPU)         a processor's own          a[0..4]        several elements\n  \
    $rip, $rip@1               a register, of a processor\n  \
    list(head, T, member)      each element of a list; also hlist, llist, rbtree, chain(first, T, next)\n  \
    xarray(x, T)               each element that it points to; also idr(x, T), maple(x, T)\n  \
    EXPR.{member, member}      a table of members\n  \
    name#2, module:name        one of several variables of a name\n\n\
    A line that is no command is an expression. `help COMMAND` has more, and examples. Ctrl-C ends a command.\n";
