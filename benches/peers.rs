//! Two other controllers, as they were measured on the same kind of control plane. Not measured again here.
//!
//! Argo Rollouts 1.10.2 and Flagger 1.44.0 (interval 10 s), both with their default flags, 2 shared cores, etcd without
//! fsync. Their counterpart of a stage is one Rollout or Canary of three replicas.

/// A row: what, and what Argo Rollouts and Flagger did.
pub(crate) type Row = (&'static str, &'static str, &'static str);

pub(crate) const ACT: Row = ("edit to first action, ms (min / p50 / max)", "13 / 16 / 76", "180 / 4,560 / 10,200");
pub(crate) const WRITES: Row =
    ("writes per good rollout, Events apart", "16 / 19 / 21 (one workload)", "18 (one workload)");
pub(crate) const READS: Row = ("reads per good rollout", "not counted", "91 (one workload)");
pub(crate) const FAILURE: Row = (
    "image that cannot be pulled, s",
    "600.5: Degraded, nothing restored; with a deadline of 10 s and abort 10.2",
    "59: Failed; with a deadline of 10 s 9.0",
);
pub(crate) const CHECKED: Row = ("is what remains checked again?", "no", "no");

/// Objects, resident, peak (MiB), CPU s, reads and writes per minute (with the lease).
pub(crate) const IDLE: [(&str, [&str; 6]); 8] = [
    ("Argo Rollouts", ["0", "74", "75", "0.07", "0", "30"]),
    ("Argo Rollouts", ["100", "90", "90", "0.06", "0", "30"]),
    ("Argo Rollouts", ["1,000", "133", "154", "0.05", "0", "30"]),
    ("Argo Rollouts", ["10,000", "441", "797-861", "0.07", "0", "30"]),
    ("Flagger", ["0", "52", "52", "0.01", "0", "0"]),
    ("Flagger, interval 60 s", ["100", "66", "70", "0.44", "900", "0"]),
    ("Flagger, interval 60 s", ["500", "76", "79", "2.61", "4,514", "0"]),
    ("Flagger, interval 10 s", ["500", "87", "88", "4.04", "6,830", "0"]),
];
