//! Arguments and dispatch; nothing else.

use clap::{Parser, Subcommand};
use tidegate::cli::{generate, replay, run};

/// Rolls one image from staging to production, asks whether it is well, and proves every way back.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the controller.
    Run(Box<run::RunArgs>),
    /// Take the decisions of a recording again.
    Replay(replay::ReplayArgs),
    /// Write the files that come from the code.
    Generate(generate::GenerateArgs),
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // Two libraries may each bring a provider; one must be chosen before the first connection.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    match args.command {
        Command::Run(args) => run::run(*args),
        Command::Replay(args) => replay::replay(&args),
        Command::Generate(args) => generate::generate(&args),
    }
}
