//! The replicas of a run: each behind its own proxy, started anew with empty hands whenever the proxy has ended it.

use crate::clock;
use crate::plan::Kind;
use crate::proxy::{Faults, Proxy};
use crate::support::{Cluster, Controller};
use futures::FutureExt as _;
use futures::future::{pending, select_all};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

pub(crate) struct Keeper {
    faults: Arc<Faults>,
    /// More than one: they take turns by a lease of the run's own.
    replicas: u32,
    namespace: RefCell<String>,
    slots: RefCell<Vec<Slot>>,
    /// Those that are gone, for their logs.
    dead: RefCell<Vec<Controller>>,
    changed: tokio::sync::Notify,
}

struct Slot {
    proxy: Proxy,
    process: Option<Controller>,
}

impl Keeper {
    pub(crate) fn new(faults: Arc<Faults>, replicas: u32) -> Self {
        Self {
            faults,
            replicas,
            namespace: RefCell::default(),
            slots: RefCell::default(),
            dead: RefCell::default(),
            changed: tokio::sync::Notify::new(),
        }
    }

    /// Starts them, for the Releases of this namespace alone.
    pub(crate) async fn start(&self, namespace: &str) {
        if self.replicas > 1 {
            allow_leases();
        }
        namespace.clone_into(&mut self.namespace.borrow_mut());
        for _ in 0..self.replicas {
            let proxy = Proxy::start(Cluster::get(), self.faults.clone()).await;
            let process = Some(self.launch(&proxy, None));
            self.slots.borrow_mut().push(Slot { proxy, process });
        }
        self.changed.notify_one();
    }

    fn launch(&self, proxy: &Proxy, after: Option<Kind>) -> Controller {
        let namespace = self.namespace.borrow().clone();
        let (watch, lease) = (format!("--watch-namespace={namespace}"), format!("--lease={namespace}"));
        let leading: &[&str] = if self.replicas > 1 { &[&lease, "--lease-seconds=3"] } else { &["--no-lease"] };
        let args = [&[watch.as_str()], leading].concat();
        let controller = Controller::start_behind(Cluster::get(), &proxy.server, &args, &clock::environment(after));
        proxy.serves(controller.pid());
        controller
    }

    /// Ends all processes at once, as if their nodes had lost power.
    pub(crate) fn kill(&self) {
        for slot in self.slots.borrow_mut().iter_mut() {
            if let Some(process) = slot.process.take() {
                process.signal("KILL");
                self.dead.borrow_mut().push(process);
            }
        }
    }

    /// Starts what [`Self::kill`] has ended.
    pub(crate) fn revive(&self) {
        for slot in self.slots.borrow_mut().iter_mut().filter(|s| s.process.is_none()) {
            slot.process = Some(self.launch(&slot.proxy, None));
        }
    }

    /// Replaces whatever a proxy ends. Never returns.
    pub(crate) async fn tend(&self) {
        self.changed.notified().await;
        let mut crashes: Vec<_> = self.slots.borrow().iter().map(|s| s.proxy.crashes()).collect();
        loop {
            let ended = crashes.iter_mut().map(|c| c.changed().boxed_local());
            let (changed, at, _) = select_all(ended).await;
            if changed.is_err() {
                pending::<()>().await;
            }
            let mut slots = self.slots.borrow_mut();
            let slot = &mut slots[at];
            self.dead.borrow_mut().extend(slot.process.take());
            let how = slot.proxy.crashes().borrow().1;
            slot.process = Some(self.launch(&slot.proxy, how));
        }
    }

    /// The last lines of each.
    pub(crate) fn tail(&self, namespace: &str) -> String {
        let (dead, slots) = (self.dead.borrow(), self.slots.borrow());
        let all = dead.iter().chain(slots.iter().filter_map(|s| s.process.as_ref()));
        all.map(|c| format!("--- {}\n{}\n", c.name, c.tail(namespace))).collect()
    }
}

/// The chart allows the lease of the chart's name. Each run has one of its own.
fn allow_leases() {
    static ONCE: OnceLock<()> = OnceLock::new();
    const RIGHTS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: leases-of-runs, namespace: tidegate-system}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get, update]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: leases-of-runs, namespace: tidegate-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: leases-of-runs}
subjects: [{kind: ServiceAccount, name: tidegate, namespace: tidegate-system}]
";
    ONCE.get_or_init(|| drop(Cluster::get().kubectl(&["apply", "--server-side", "-f", "-"], Some(RIGHTS))));
}
