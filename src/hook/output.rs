//! The last lines that a container wrote, fit to be shown.

use crate::api::text::tidy;
use kube::api::LogParams;

/// Lines that are shown, and characters of all of them.
const LINES: i64 = 10;
const MAX: usize = 600;
/// Bytes that are read at most.
const READ: i64 = 64 * 1024;
const BETWEEN: &str = " | ";

pub(super) fn params(container: &str) -> LogParams {
    LogParams {
        container: Some(container.to_owned()),
        tail_lines: Some(LINES),
        limit_bytes: Some(READ),
        ..LogParams::default()
    }
}

/// On one line, without anything that could steer a terminal; what is too long loses its beginning. `None`: no word.
pub(super) fn last(text: &str) -> Option<String> {
    let lines = text.lines().map(|l| tidy(l, MAX)).filter(|l| !l.is_empty()).collect::<Vec<_>>();
    let first = lines.len().saturating_sub(usize::try_from(LINES).unwrap_or(usize::MAX));
    let all = lines[first..].join(BETWEEN);
    let extra = all.chars().count().saturating_sub(MAX);
    let shown: String = all.chars().skip(extra).collect();
    let gap = if extra > 0 { "... " } else { "" };
    (!shown.is_empty()).then(|| format!("{gap}{shown}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_and_cleaned() {
        assert_eq!(last("a\n\u{1b}[31mb\u{202e}\n\n"), Some("a | [31mb".into()));
        assert_eq!((last(""), last("\n \n")), (None, None));
        let many: String = (0..30).map(|n| format!("line {n}\n")).collect();
        assert_eq!(last(&many).unwrap().split(BETWEEN).count(), 10);
        let long = last(&format!("{}end", "x".repeat(5000))).unwrap();
        assert!(long.chars().count() <= MAX + 4 && long.ends_with("end"), "{long}");
    }
}
