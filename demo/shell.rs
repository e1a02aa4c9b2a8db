//! The commands of the demo: what is printed is what is run.

use crate::screen;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(60);

/// A place to run commands in: the project's directory, with `kubectl` and `helm` of the demo's cluster.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) root: PathBuf,
    pub(crate) path: String,
    pub(crate) kubeconfig: PathBuf,
}

impl Shell {
    /// Writes `kubectl` and `helm`, which are personalities of the one cluster binary, into `bin`.
    pub(crate) fn new(root: &Path, bin: &Path, binary: &Path, kubeconfig: PathBuf) -> Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(bin)?;
        for name in ["kubectl", "helm"] {
            let file = bin.join(name);
            std::fs::write(&file, format!("#!/bin/sh\nexec '{}' {name} \"$@\"\n", binary.display()))?;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
        Ok(Self { root: root.to_owned(), path, kubeconfig })
    }

    /// Shows the command and what it prints.
    pub(crate) async fn run(&self, command: &str) -> Result<()> {
        screen::command(command);
        let printed = self.run_unseen(command).await?;
        for line in printed.lines() {
            screen::output(line);
        }
        Ok(())
    }

    pub(crate) async fn run_unseen(&self, command: &str) -> Result<String> {
        let mut sh = Command::new("sh");
        sh.args(["-c", command]).current_dir(&self.root).env("PATH", &self.path).env("KUBECONFIG", &self.kubeconfig);
        sh.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
        let out = timeout(DEADLINE, sh.output()).await.with_context(|| format!("no end of: {command}"))??;
        if !out.status.success() {
            bail!("{command}\n{}", String::from_utf8_lossy(&out.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}
