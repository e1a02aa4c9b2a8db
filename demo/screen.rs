//! Everything that is printed. Colours only on a terminal.

use crate::acts::Ended;
use std::io::IsTerminal;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
/// Of a line, and of where its text begins.
const WIDTH: usize = 120;
const MARGIN: usize = 49;

pub(crate) fn title(text: &str) {
    println!("\n{}\n", paint(BOLD, text));
}

pub(crate) fn chapter(text: &str) {
    println!("\n{}", paint(BOLD, &format!("== {text}")));
}

pub(crate) fn note(text: &str) {
    println!("{}", paint(DIM, text));
}

pub(crate) fn command(text: &str) {
    println!("{} {}", paint(CYAN, "$"), paint(CYAN, text));
}

pub(crate) fn output(line: &str) {
    println!("  {}", paint(DIM, line));
}

/// One thing that was seen: seconds since the act began, who, in which state, and what it says.
pub(crate) fn seen(seconds: f64, who: &str, state: &str, text: &str) {
    let colour = match state {
        "Verified" | "RolledBack" => GREEN,
        "Failed" => RED,
        "Restoring" | "AwaitingPromotion" => YELLOW,
        _ => "0",
    };
    let head =
        format!("{} {who:<21} {} ", paint(DIM, &format!("{seconds:6.1} s")), paint(colour, &format!("{state:<17}")));
    for (n, line) in wrapped(text).iter().enumerate() {
        println!("{}{line}", if n == 0 { head.clone() } else { " ".repeat(MARGIN) });
    }
}

/// Breaks between words; a word that is longer than a line stays whole, so that it can be copied.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= WIDTH - MARGIN {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last].push_str(&format!("{space}{word}"));
        }
    }
    lines
}

pub(crate) fn table(ended: &[Ended]) {
    let width = |of: fn(&Ended) -> &str, least: usize| ended.iter().map(|e| of(e).len()).max().unwrap_or(0).max(least);
    let (release, tag, outcome) =
        (width(|e| e.release, 7), width(|e| e.tag, 3), width(|e| e.outcome.as_str(), "OUTCOME".len()));
    println!(
        "\n{}",
        paint(BOLD, &format!("{:<release$}  {:<tag$}  {:<outcome$}  SECONDS", "RELEASE", "TAG", "OUTCOME"))
    );
    for e in ended {
        let colour = if e.right { GREEN } else { RED };
        let outcome = paint(colour, &format!("{:<outcome$}", e.outcome));
        println!("{:<release$}  {:<tag$}  {outcome}  {:>7.1}", e.release, e.tag, e.seconds);
    }
    let right = ended.iter().filter(|e| e.right).count();
    println!("\n{right} of {} ended as they should.", ended.len());
}

fn paint(code: &str, text: &str) -> String {
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
