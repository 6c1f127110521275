//! `btfkit debug` as a person has it: a terminal, Ctrl-C, a pager.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::program;

const DUMP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/crash.kdump");
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
const PROMPT: &str = "btfkit> ";
/// What takes seconds, at least: a million rows.
const LONG: &str = "p ((struct list_head *)&init_task)[0..1000000].{next->next->next, prev->prev->prev}";

/// A terminal of 24 lines, 80 columns each, that the debugger has for itself.
struct Terminal {
    master: File,
    output: Receiver<Vec<u8>>,
    child: Child,
    /// What was on the screen since the last look.
    seen: String,
    /// Where its history goes.
    state: tempfile::TempDir,
}

impl Terminal {
    fn open(environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        Self::open_on(DUMP, environment, arguments)
    }

    fn open_on(dump: &str, environment: &[(&str, &str)], arguments: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        // Its own session, so that Ctrl-C is a signal.
        let program = program();
        let mut command = Command::new("setsid");
        command.args(["--ctty", "--wait"]).arg(program.get_program()).args(["debug", dump]).args(arguments);
        command
            .env("TERM", "xterm")
            .env("XDG_STATE_HOME", state.path())
            .env_remove("PAGER")
            .env_remove("LESS");
        command.env_remove("NO_COLOR").envs(environment.iter().copied());
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap()).stderr(slave);
        let child = command.spawn().expect("setsid, of util-linux");
        drop(command);
        let (send, output) = channel();
        let mut reader = File::from(master);
        let master = reader.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut piece) {
                if send.send(piece[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { master, output, child, seen: String::new(), state }
    }

    /// Waits for this text, and gives what was on the screen up to it.
    #[track_caller]
    fn wait_for(&mut self, text: &str) -> String {
        let start = Instant::now();
        loop {
            if let Some(at) = self.seen.find(text) {
                let rest = self.seen.split_off(at + text.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.output.recv_timeout(left) {
                Ok(piece) => self.seen.push_str(&String::from_utf8_lossy(&piece)),
                Err(_) => panic!("{text:?} did not come, but {:?}", self.seen),
            }
        }
    }

    fn type_in(&mut self, text: &str) {
        self.master.write_all(text.as_bytes()).unwrap();
    }

    /// Runs a command, and gives what it printed.
    #[track_caller]
    fn run(&mut self, command: &str) -> String {
        self.type_in(&format!("{command}\r"));
        self.wait_for("\r\n");
        self.wait_for(PROMPT)
    }

    /// Leaves with Ctrl-D.
    #[track_caller]
    fn leave(mut self) {
        self.type_in("\x04");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        // The next session has its lines.
        let history = std::fs::read_to_string(self.state.path().join("btfkit/history")).unwrap();
        assert!(history.lines().count() > 1, "{history}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ctrl_c_ends_a_command_and_not_the_session() {
    let mut terminal = Terminal::open(&[], &["--no-pager"]);
    terminal.wait_for(PROMPT);
    for _ in 0..2 {
        terminal.type_in(&format!("{LONG}\r"));
        terminal.wait_for("\r\n");
        std::thread::sleep(Duration::from_millis(200));
        let pressed = Instant::now();
        terminal.type_in("\x03");
        let said = terminal.wait_for(PROMPT);
        assert!(said.contains("interrupted\r\n") && said.lines().count() <= 3, "{said:?}");
        assert!(pressed.elapsed() < Duration::from_secs(2), "{:?}", pressed.elapsed());
    }
    // What it would have needed was not kept half read.
    assert!(terminal.run("p init_uts_ns.name.release").contains("\"6.12.117\""));
    assert!(terminal.run("mod").contains("loop"));
    terminal.leave();
}

#[test]
fn an_interrupt_ends_a_command_line_with_130() {
    let mut long = program();
    long.args(["debug", DUMP]).args(["-c", LONG].repeat(50)).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = long.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_is_longer_than_the_screen_goes_through_the_pager_with_its_colours() {
    let mark = [("PAGER", "false"), ("BTFKIT_PAGER", "sed 's/^/| /'")];
    let mut terminal = Terminal::open(&mark, &[]);
    // What was found comes without being asked for, and is no reason to page.
    assert!(!terminal.wait_for(PROMPT).contains("| "));
    assert!(!terminal.run("p 1 + 1").contains("| "));
    let tasks = terminal.run("ps");
    assert!(tasks.contains("| \x1b[1m    PID"), "{tasks:?}");
    assert!(tasks.lines().filter(|line| line.starts_with("| ")).count() > 24, "{tasks:?}");
    terminal.leave();

    for environment in [&[("PAGER", "cat")][..], &[("PAGER", "sed 's/^/| /'"), ("BTFKIT_PAGER", "")]] {
        let mut terminal = Terminal::open(environment, &[]);
        terminal.wait_for(PROMPT);
        let tasks = terminal.run("ps");
        assert!(tasks.contains(" init\r\n") && !tasks.contains("| "), "{tasks:?}");
        terminal.leave();
    }
    let mut terminal = Terminal::open(&mark, &["--no-pager"]);
    terminal.wait_for(PROMPT);
    assert!(!terminal.run("ps").contains("| "));
    terminal.leave();
}

#[test]
fn what_search_finds_is_shown_before_it_ends_and_stays_when_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("core");
    // Zeros that take minutes.
    let (start, size) = (0xffff_8880_0000_0000u64, 1 << 40);
    super::debug::write_core(&file, start, &0x1234_5678_9abc_def0u64.to_le_bytes(), size);
    let mut terminal = Terminal::open_on(super::path(&file), &[("PAGER", "sed 's/^/| /'")], &[]);
    terminal.wait_for(PROMPT);
    terminal.type_in(&format!("search 123456789abcdef0 {start:x} {:x}\r", start + size));
    terminal.wait_for("\r\n");
    terminal.wait_for(&format!("{start:016x}\r\n"));
    terminal.type_in("\x03");
    // Once, and then the reason why there is no more.
    let said = terminal.wait_for(PROMPT);
    assert!(said.contains("interrupted\r\n") && !said.contains("| "), "{said:?}");
    assert!(!said.contains(&format!("{start:x}")), "{said:?}");
    terminal.run("p 1");
    terminal.leave();
}

#[test]
fn on_a_terminal_without_a_size_nothing_is_held_back() {
    let mut terminal = Terminal::open(&[("PAGER", "sed 's/^/| /'")], &[]);
    terminal.wait_for(PROMPT);
    tcsetwinsize(&terminal.master, Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    // So many that they take an hour.
    terminal.type_in("p ((struct task_struct *)&init_task)[0..500000]\r");
    terminal.wait_for("\"swapper/0\"");
    terminal.type_in("\x03");
    let said = terminal.wait_for(PROMPT);
    assert!(said.contains("interrupted\r\n") && !said.contains("| "), "{said:?}");
    terminal.run("p 1");
    terminal.leave();
}

#[test]
fn a_pager_that_is_left_ends_the_command() {
    let mut terminal = Terminal::open(&[("PAGER", "head -n 3")], &[]);
    terminal.wait_for(PROMPT);
    let said = terminal.run("p ((char *)&init_task)[0..1000000]");
    assert!(said.lines().count() == 4 && !said.contains("error"), "{said:?}");
    assert_eq!(terminal.run("p 1 + 1").lines().next(), Some("2"));
    terminal.leave();
}

#[test]
fn a_pager_that_is_not_there_is_said_once() {
    let mut terminal = Terminal::open(&[("PAGER", "no-such-program")], &[]);
    terminal.wait_for(PROMPT);
    assert!(terminal.run("ps").contains("the pager cannot be run"));
    assert!(terminal.run("ps").contains(" init\r\n"));
    terminal.leave();
}

#[test]
fn tab_completes_commands_names_and_members_by_their_types() {
    let mut terminal = Terminal::open(&[], &["--no-pager"]);
    terminal.wait_for(PROMPT);
    for (typed, expected) in [
        ("whatis ((struct task_struct *)0)->mm->owner->real_par\t", "struct task_struct *"),
        ("whatis 1 + init_task.se.vrunt\t", "unsigned long"),
        ("whatis per_cpu(runqueues, 0).curr->real_par\t->tgi\t", "pid_t"),
        ("whatis list(init_task.tasks, struct task_struct, thread_no\t).com\t", "char [16]"),
        ("p offsetof(struct list_head, pre\t)", "8"),
        ("p init_task.{pid, se.vrunt\t}", "pid  se.vruntime"),
        ("whatis $gs_ba\t@1", "unsigned long"),
        ("whatis init_uts_\t.name.relea\t", "char [65]"),
        ("whatis (struct new_utsna\t *)0", "struct new_utsname *"),
        ("p PIDTYPE_TGI\t", "PIDTYPE_TGID"),
        ("help sear\t", "search"),
        ("wha\t init_task", "struct task_struct"),
        // What is no name ends there; the key behind it takes it back.
        ("whatis \u{e9}\t\x7f1 + 1", "int"),
        ("whatis \u{e9}(\t\x7f\x7f1 + 1", "int"),
        ("whatis \u{e9}:\t\x7f\x7f1 + 1", "int"),
    ] {
        let said = terminal.run(typed);
        assert!(said.contains(expected) && !said.contains("error"), "{typed:?}: {said:?}");
    }
    terminal.leave();
}
