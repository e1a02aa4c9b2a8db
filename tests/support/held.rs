//! A child process that never outlives the test process.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The end of standard input ends what it holds: the kernel closes it also when the test process is killed.
///
/// Interrupts are left to the test process, so that none leaves something behind half-way.
const HOLD: &str =
    r#"trap '' INT HUP; "$@" </dev/null & pid=$!; echo $pid; cat >/dev/null; kill -KILL $pid 2>/dev/null; wait"#;

/// A process that ends with its owner.
pub struct Held {
    shell: Child,
    pub pid: u32,
}

impl Held {
    /// Starts `command`, all of whose output goes to the end of `log`. Its standard output must stay unused.
    pub fn start(program: &Path, args: &[String], env: &[(&str, String)], log: &Path) -> Self {
        let log = File::options().append(true).create(true).open(log).unwrap();
        let held = r#"exec "$@" >&2"#;
        let mut shell = Command::new("sh")
            .args(["-c", HOLD, "sh", "sh", "-c", held, "sh"])
            .arg(program)
            .args(args)
            .envs(env.iter().map(|(k, v)| (*k, v.as_str())))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { shell, pid: line.trim().parse().unwrap() }
    }

    pub fn signal(&self, name: &str) {
        signal(self.pid, name);
    }
}

/// Sends a signal such as `KILL` or `TERM` to a process of ours.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}
