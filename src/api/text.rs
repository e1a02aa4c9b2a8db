//! Text that others wrote, made fit for status, events and logs.

use sha2::{Digest, Sha256};

/// Longest message of the API server that is kept.
pub const MESSAGE: usize = 300;

/// `text` on one line, without control and direction characters, at most `max` characters long. What is too long loses
/// its middle, because messages about images say what happened at their end.
pub fn tidy(text: &str, max: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|c| !unfit(*c)).collect();
    let clean = clean.trim();
    let length = clean.chars().count();
    if length <= max {
        return clean.to_owned();
    }
    let head = max.saturating_sub(GAP.len()) / 2;
    let tail = max.saturating_sub(GAP.len() + head);
    clean.chars().take(head).chain(GAP.chars()).chain(clean.chars().skip(length - tail)).collect()
}

/// The SHA-256 of `bytes`: 64 hex digits.
pub fn sha256(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// Enough of it to tell texts apart: 16 hex digits.
pub fn short_hash(bytes: impl AsRef<[u8]>) -> String {
    sha256(bytes).chars().take(16).collect()
}

const GAP: &str = " ... ";

/// Control characters, and those that turn the reading direction so that a text shows other than it reads.
fn unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_both_ends() {
        let long = format!("failed to pull {}: not found", "x".repeat(900));
        let short = tidy(&long, 300);
        assert_eq!(short.chars().count(), 300);
        assert!(short.starts_with("failed to pull") && short.ends_with(": not found"), "{short}");
    }

    #[test]
    fn texts_cannot_steer_a_terminal() {
        assert_eq!(tidy("a\n\u{1b}[31mb\u{202e}c\u{0}\t", 300), "a [31mbc");
        assert_eq!(tidy("", 300), "");
        assert_eq!(tidy("äöü", 2), " ... ".chars().take(5).collect::<String>());
    }
}
