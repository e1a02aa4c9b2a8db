//! `tidegate generate`: the files that are written from the code, and the check that they still agree with it.
//!
//! Writes only below the repository's root; never talks to a cluster.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

mod crd;
mod reasons;
mod reference;

#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// Which files.
    what: What,
    /// Write nothing; fail, naming each file that differs from the code.
    #[arg(long)]
    check: bool,
    /// Root of the repository.
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The CustomResourceDefinition, also in the chart.
    Crd,
    /// The pages of docs/reference.
    Reference,
    All,
}

/// A file that is written from the code, below the repository's root.
struct Generated {
    path: &'static str,
    content: String,
}

/// Writes the files, or checks them.
pub fn generate(args: &GenerateArgs) -> anyhow::Result<()> {
    let files = files(args.what)?;
    if args.check { check(&args.root, &files) } else { write(&args.root, &files) }
}

fn files(what: What) -> anyhow::Result<Vec<Generated>> {
    let mut files = Vec::new();
    if matches!(what, What::Crd | What::All) {
        let content = crd::yaml()?;
        files.push(Generated { path: "crds/tidegate.dev_releases.yaml", content: content.clone() });
        files.push(Generated { path: "charts/tidegate/crds/tidegate.dev_releases.yaml", content });
    }
    if matches!(what, What::Reference | What::All) {
        files.push(Generated { path: "docs/reference/release.md", content: reference::page()? });
        files.push(Generated { path: "docs/reference/reasons.md", content: reasons::page() });
    }
    Ok(files)
}

fn write(root: &Path, files: &[Generated]) -> anyhow::Result<()> {
    for file in files {
        let path = root.join(file.path);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        std::fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn check(root: &Path, files: &[Generated]) -> anyhow::Result<()> {
    let differs =
        |file: &&Generated| std::fs::read_to_string(root.join(file.path)).ok().as_ref() != Some(&file.content);
    let drifted: Vec<_> = files.iter().filter(differs).map(|file| file.path).collect();
    if !drifted.is_empty() {
        bail!("not what the code says: {}. Run `tidegate generate all` and commit what it writes", drifted.join(", "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drift_is_named() {
        let root = tempfile::tempdir().unwrap();
        let args = |check| GenerateArgs { what: What::All, check, root: root.path().to_owned() };
        assert!(generate(&args(true)).unwrap_err().to_string().contains("crds/tidegate.dev_releases.yaml"));
        generate(&args(false)).unwrap();
        generate(&args(true)).unwrap();
        let page = root.path().join("docs/reference/reasons.md");
        std::fs::write(&page, std::fs::read_to_string(&page).unwrap() + "more").unwrap();
        let said = generate(&args(true)).unwrap_err().to_string();
        assert!(said.starts_with("not what the code says: docs/reference/reasons.md. "), "{said}");
    }

    #[test]
    fn the_committed_files_are_current() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        check(root, &files(What::All).unwrap()).unwrap();
    }
}
