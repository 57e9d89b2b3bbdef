//! `metlog top` on a real terminal: what it draws, keys, signals, and a server that goes away.
use crate::running::{Running, run, stdout_of, until};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// A terminal in which it runs.
struct Screen {
    script: Child,
    answers: BufReader<ChildStdout>,
}

impl Screen {
    fn of(metlog: &Running) -> Screen {
        let mut command = Command::new("python3");
        command.args(["tests/binary/screen.py", env!("CARGO_BIN_EXE_metlog"), "top", "--server", &metlog.http()]);
        command.env("TERM", "xterm-256color");
        let mut script = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = BufReader::new(script.stdout.take().unwrap());
        Screen { script, answers }
    }

    fn step(&mut self, step: &str) -> String {
        writeln!(self.script.stdin.as_mut().unwrap(), "{step}").unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        assert!(!answer.is_empty(), "{step}: see above");
        answer.trim_end().to_owned()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// Scenario: a sender's type holds escape sequences; keys are pressed; the server is killed and comes back; the process
/// is told to end.
/// Guarantees: names are drawn as text, the connection is taken up again, and the terminal is as it was.
#[test]
fn a_server_is_watched_through_a_restart() {
    let mut metlog = Running::up("");
    metlog.send("metlog", "{\"type\":\"evil\\u001b[2Jname\",\"logger\":\"a\",\"payload\":\"x\"}");
    until("it is received", || metlog.ledger()["received"] == 1);
    let mut screen = Screen::of(&metlog);
    screen.step("wait accepting messages");
    screen.step("send \\t");
    screen.step("wait evil\\\\u{1b}[2Jname");
    screen.step("send ?");
    screen.step("wait reverse the order");
    screen.step("send q");
    metlog.signal("KILL");
    metlog.wait();
    screen.step("wait no connection");
    metlog.start_again("");
    screen.step("wait accepting messages");
    screen.step("signal TERM");
    assert_eq!(screen.step("end"), "0 restored");
    let mut screen = Screen::of(&metlog);
    screen.step("wait accepting messages");
    screen.step("send q");
    assert_eq!(screen.step("end"), "0 restored");
}

#[test]
fn once_is_for_scripts() {
    let metlog = Running::up("");
    metlog.send("metlog", r#"{"type":"login","logger":"accounts","payload":"x","severity":3}"#);
    metlog.send("statsd", "api.time:3|ms");
    until("both are received", || metlog.ledger()["received"] == 2);
    let text = stdout_of(&["top", "--once", "--server", &metlog.http()]);
    assert!(text.contains("accepting messages") && text.contains("LEDGER") && text.contains("parquet"), "{text}");
    let row = text.lines().find(|line| line.starts_with("login")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["login", "accounts", "1", "0.02", "1"]);
    assert!(!text.contains('\u{1b}'));
    let refused = run(&["top", "--server", &metlog.http()]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--once"));
}
