//! The page that the table becomes.

use super::Row;
use super::situations::Situation;
use std::collections::BTreeMap;
use std::fmt::Write;

const INTRO: &str = "# The state machine

This page is written by a test, which lets every event happen in every step and notes what the controller really does.
It is what to read when you want to know what happens at 3 a.m. when *this* comes while *that* is under way.

How it works: the controller looks at the Release and its workloads and decides by a pure function. It stores the
decision in the status first, and only then changes one thing in the world. So wherever it is interrupted, the next look
goes on from what is stored and from what is really there.

A rollout goes through these steps, once for each stage:

| step | phase shown | what it does |
|---|---|---|
| Preflight | Pending | looks whether everything is there; nothing is written |
| ChoosingWayBack | Pending | asks what runs now whether it is worth coming back to |
| AwaitingPromotion | AwaitingPromotion | waits for a person |
| RunningHooks | Rolling | runs the stage's hooks, one after the other; nothing is written yet |
| Rolling | Rolling | writes the stage's targets, waits until they are available |
| Verifying | Verifying | asks the stage's checks |
| Restoring | Restoring | brings the targets to their way back, waits until they are available |
| RunningRollbackHooks | Restoring | runs what undoes the hooks, once the stage runs its ways back |
| Holding | AwaitingPromotion | waits for a person, because checks could not be asked |
| VerifyingRestore | Restoring | asks the restored version |

It ends once: as Verified, as RolledBack (restored, and verified after it), or as Failed (anything else).

If several things happened at once, the first of these decides: deletion, abort, a target that is gone or was changed by
others, proof that the step is done, proof that it never will be, its deadline, a new image, suspension, an approval.

The Release of these tables has two stages, `staging` and `production` (approved by a person), each with one Deployment, a
health check and a smoke test. It goes from `sha-a1` to `sha-b2`. *Next* is where it stands when nothing more follows from
the event alone; *reason* is that of `Ready`; *does* lists what is done on the way there: writes, finalizers, events, and the questions
that are under way afterwards. A row stops at its first write.
";

pub(super) fn write(sections: &[(&Situation, Vec<Row>)]) -> String {
    let mut page = String::from(INTRO);
    page.push_str("\n## In one picture\n\nEvery change of step that was seen below, with up to three of the events that cause it.\n\n");
    page.push_str(&diagram(sections));
    for (situation, rows) in sections {
        section(&mut page, situation, rows);
    }
    page
}

fn section(page: &mut String, situation: &Situation, rows: &[Row]) {
    writeln!(page, "\n## {}\n\n{}\n", situation.name, situation.about).unwrap();
    let quiet = rows.iter().find(|r| r.event == "nothing");
    let same = |r: &&Row| quiet.is_some_and(|q| (&q.to, &q.reason, &q.does) == (&r.to, &r.reason, &r.does));
    page.push_str("| event | next | reason | does |\n|---|---|---|---|\n");
    for row in rows.iter().filter(|r| r.event == "nothing" || !same(r)) {
        writeln!(page, "| {} | {} | {} | {} |", row.event, row.to, row.reason, row.does.join("; ")).unwrap();
    }
    let idle: Vec<&str> = rows.iter().filter(|r| r.event != "nothing" && same(r)).map(|r| r.event).collect();
    if !idle.is_empty() {
        writeln!(page, "\nGoes on as if nothing had happened: {}.", idle.join("; ")).unwrap();
    }
}

fn diagram(sections: &[(&Situation, Vec<Row>)]) -> String {
    let mut edges: BTreeMap<(String, String), Vec<&str>> = BTreeMap::new();
    for row in sections.iter().flat_map(|(_, rows)| rows).filter(|r| r.changed && r.from != r.to) {
        let causes = edges.entry((row.from.clone(), row.to.clone())).or_default();
        if !causes.contains(&row.event) {
            causes.push(row.event);
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> New\n");
    for ((from, to), causes) in &edges {
        let more = if causes.len() > 3 { format!(" and {} more", causes.len() - 3) } else { String::new() };
        let some: Vec<String> = causes.iter().take(3).map(|c| c.replace([':', '`', '(', ')'], "")).collect();
        writeln!(text, "    {from} --> {to}: {}{more}", some.join(", ")).unwrap();
    }
    text.push_str("```\n");
    text
}
