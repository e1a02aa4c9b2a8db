//! Where log lines go and how they look.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line, fields of the enclosing spans included.
    Json,
    /// For a terminal.
    Text,
}

/// Starts logging to stderr. `level` is a filter such as `info` or `tidegate=debug,kube=warn`.
pub fn init(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).map_err(|e| anyhow::anyhow!("--log-level {level:?} is no filter: {e}"))?;
    let base = tracing_subscriber::registry().with(filter);
    let started: Result<(), TryInitError> = match format {
        LogFormat::Json => {
            let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false);
            base.with(layer.with_current_span(true).with_writer(std::io::stderr)).try_init()
        }
        LogFormat::Text => {
            let colours = std::io::stderr().is_terminal();
            let layer = tracing_subscriber::fmt::layer().compact().with_target(false).with_ansi(colours);
            base.with(layer.with_writer(std::io::stderr)).try_init()
        }
    };
    started.map_err(|e| anyhow::anyhow!("logging cannot be started: {e}"))
}
