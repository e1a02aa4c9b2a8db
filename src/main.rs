//! Arguments and dispatch; nothing else.

use clap::Parser;
use tidegate::cli::generate::{GenerateArgs, generate};

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Write the files that come from the code.
    Generate(GenerateArgs),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Generate(args) => generate(&args),
    }
}
