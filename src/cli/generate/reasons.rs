//! `docs/reference/reasons.md`: every reason that can appear, by where it appears.

use crate::api::Reason;
use crate::api::reason::Kind;
use std::fmt::Write as _;

const INTRO: &str = "\
<!-- Written by `tidegate generate reference`. Do not edit: change src/api/reason.rs instead. -->

# Reasons

Every reason that a condition, an event, a metric label or `status.history` of a Release can show. The list is closed:
a reason that is not here is not Tidegate's.
";

/// Kind, title, what its reasons have in common.
const SECTIONS: [(Kind, &str, &str); 6] = [
    (Kind::Working, "In work", "`Ready` is Unknown, `Reconciling` is True."),
    (
        Kind::Blocked,
        "Blocked",
        "Something stands in the way of the next write, and nothing is given up: it goes on by itself when the cause is \
         mended. `Stalled` is True once that lasts longer than the stage's `progressDeadline` (for `NotSupported` and \
         `TargetDuplicate` at once); a stage after the first that is still blocked then ends the rollout.",
    ),
    (Kind::End, "Ended", "How a rollout ended: the reason of `Ready` and, unless verified, of `Stalled`."),
    (Kind::Cause, "Causes", "Why a stage failed: in `status.rollout.cause`, in the message, and in events."),
    (Kind::Condition, "Other conditions", "Said beside `Ready`, which they leave as it is."),
    (Kind::Event, "Events", "Only in events."),
];

pub(super) fn page() -> String {
    let mut page = INTRO.to_owned();
    for (kind, title, about) in SECTIONS {
        let _ = write!(page, "\n## {title}\n\n{about}\n\n| reason | meaning | what to do |\n|---|---|---|\n");
        for entry in Reason::ALL.iter().filter(|entry| entry.1 == kind) {
            let _ = writeln!(page, "| `{}` | {} | {} |", entry.0, cell(entry.2), cell(entry.3));
        }
    }
    page
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_row() {
        let page = page();
        for entry in Reason::ALL {
            assert_eq!(page.matches(&format!("| `{}` |", entry.0)).count(), 1, "{}", entry.0);
        }
    }
}
