//! Addresses that nobody may be asked at, each given as a pod's, as a Service's, in a url and behind a url's name,
//! through the pool and the real client. Traps listen where a guard with a hole would lead.

use crate::fake::*;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use tidegate::api::ask::Outcome;
use tidegate::check::{Forbidden, Limits, Policy};

const ANY: &str = "is not the address of one machine";
const LINK: &str = "is a link-local address";
const META: &str = "is a cloud provider's metadata address";
const NODES: &str = "is the address of a node";
const API: &str = "is the address of the API server";
const LOOP: &str = "is a loopback address";
const HIDDEN: &str = "hides an address behind a translator of unknown format";
const ADMIN: &str = "is denied by the administrator";

/// Refused although loopback is allowed. The nodes are 127.0.9.9, 203.0.113.7 and 2001:db8::9; the API server is at
/// 127.0.8.8, 10.96.0.1 and 2001:db8::8; the administrator denies 10.99.0.0/16.
const ALWAYS: &[(&str, &str)] = &[
    // First one that stays on this machine, should there be no guard at all.
    ("127.0.9.9", NODES),
    ("169.254.169.254", META),
    ("169.254.170.2", META),
    ("169.254.170.23", META),
    ("100.100.100.200", META),
    ("168.63.129.16", META),
    ("192.0.0.192", META),
    ("fd00:ec2::254", META),
    ("fd00:ec2::23", META),
    ("fd20:ce::254", META),
    ("::ffff:169.254.169.254", META),
    ("::169.254.169.254", META),
    ("64:ff9b::169.254.169.254", META),
    ("64:ff9b::100.100.100.200", META),
    ("2002:a9fe:a9fe::1", META),
    ("2001:0:a9fe:a9fe::", META),
    ("2001:0:808:808:0:0:5601:5601", META),
    ("2001:db8::5efe:169.254.169.254", META),
    ("2001:db8::200:5efe:169.254.169.254", META),
    ("64:ff9b:1::169.254.169.254", HIDDEN),
    ("64:ff9b:1:a9fe:a9:fe00::", HIDDEN),
    ("169.254.0.1", LINK),
    ("169.254.255.255", LINK),
    ("fe80::1", LINK),
    ("febf::a9fe:a9fe", LINK),
    ("::ffff:169.254.7.7", LINK),
    ("0.0.0.0", ANY),
    ("0.1.2.3", ANY),
    ("::", ANY),
    ("::ffff:0.0.0.0", ANY),
    ("192.0.0.8", ANY),
    ("224.0.0.1", ANY),
    ("239.255.255.250", ANY),
    ("240.0.0.1", ANY),
    ("255.255.255.255", ANY),
    ("ff02::1", ANY),
    ("ff0e::1", ANY),
    ("::ffff:127.0.9.9", NODES),
    ("::127.0.9.9", NODES),
    ("64:ff9b::127.0.9.9", NODES),
    ("2002:7f00:909::1", NODES),
    ("203.0.113.7", NODES),
    ("64:ff9b::203.0.113.7", NODES),
    ("2001:db8::9", NODES),
    ("127.0.8.8", API),
    ("::ffff:127.0.8.8", API),
    ("2001:0:7f00:808::", API),
    ("10.96.0.1", API),
    ("64:ff9b::10.96.0.1", API),
    ("2001:db8::8", API),
    ("10.99.3.4", ADMIN),
    ("::ffff:10.99.3.4", ADMIN),
    // A translator's own loopback is not this machine's.
    ("64:ff9b::127.0.0.1", LOOP),
    ("::127.0.0.1", LOOP),
    ("2002:7f00:1::1", LOOP),
];

/// Refused where loopback is not allowed.
const NO_LOOPBACK: &[(&str, &str)] =
    &[("127.0.0.1", LOOP), ("127.0.0.2", LOOP), ("::1", LOOP), ("::ffff:127.0.0.1", LOOP), ("::ffff:7f00:2", LOOP)];

/// One port on every loopback address that the tables lead to.
pub async fn traps() -> Vec<App> {
    let mut places: Vec<IpAddr> =
        ["127.0.0.1", "127.0.0.2", "127.0.9.9", "127.0.8.8", "::1"].map(|a| a.parse().unwrap()).to_vec();
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        places.pop();
    }
    'port: loop {
        let mut traps: Vec<App> = Vec::new();
        for place in &places {
            let port = traps.first().map_or(0, |trap| trap.addr.port());
            match App::at(SocketAddr::new(*place, port), |_| status(200)).await {
                Ok(trap) => traps.push(trap),
                Err(_) => continue 'port,
            }
        }
        return traps;
    }
}

pub fn forbidden() -> Forbidden {
    let all = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect();
    Forbidden {
        // As a dual-stack node may report an address.
        nodes: all(&["::ffff:127.0.9.9", "203.0.113.7", "2001:db8::9"]),
        api_servers: all(&["127.0.8.8", "10.96.0.1", "2001:db8::8"]),
    }
}

/// Also behind the hosts that the administrator allows for urls.
async fn all_refused(table: &[(&str, &str)], policy: &Policy) {
    let traps = traps().await;
    let port = traps[0].addr.port();
    for (address, why) in table {
        let ip: IpAddr = address.parse().unwrap();
        for (kind, question, world) in [
            ("pod", ask_pods(port), World::of(vec![pod(1, ip)])),
            (
                "service",
                ask(json!({"service": {"name": "web", "port": port}})),
                World::with_service(service(ip, i32::from(port))),
            ),
            ("literal", ask(json!({"url": format!("http://{}/", SocketAddr::new(ip, port))})), World::default()),
            ("name", ask(json!({"url": format!("http://shop.example:{port}/")})), World::default()),
        ] {
            let world = World { forbidden: forbidden(), ..world };
            let names = Names::of("shop.example", &[&[ip]]).outside(Vec::new());
            let result = Asking::outside(world, names, policy.clone(), Limits::default()).answer(&question).await;
            assert_eq!(result.outcome, Outcome::Error, "{kind} {address}: {}", result.message);
            assert!(result.message.ends_with(why), "{kind} {address}: {}", result.message);
        }
    }
    for trap in traps {
        assert_eq!(trap.seen.connections(), 0, "somebody reached {}", trap.addr);
    }
}

#[tokio::test]
async fn hostile_addresses_are_never_dialled() {
    let deny = vec!["10.99.0.0/16".parse().unwrap()];
    // What the administrator allows for urls opens none of them.
    let allow = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    all_refused(
        ALWAYS,
        &Policy { allow_loopback: true, allow, allow_hosts: vec!["shop.example".parse().unwrap()], deny },
    )
    .await;
}

#[tokio::test]
async fn loopback_is_not_dialled_unless_allowed() {
    let allow = vec!["127.0.0.0/8".parse().unwrap(), "::/0".parse().unwrap()];
    let allow_hosts = vec!["shop.example".parse().unwrap()];
    all_refused(NO_LOOPBACK, &Policy { allow, allow_hosts, ..Policy::default() }).await;
}

/// The same traps are sprung by addresses that are allowed, so that silence above means something.
#[tokio::test]
async fn the_traps_work() {
    let traps = traps().await;
    for trap in &traps {
        let mut world = World::of(vec![pod(1, trap.addr.ip())]);
        world.forbidden = Forbidden { nodes: Vec::new(), api_servers: vec!["10.96.0.1".parse().unwrap()] };
        assert_eq!(ask_once(world, &ask_pods(trap.addr.port())).await.0, Outcome::Pass);
        assert_eq!(trap.seen.connections(), 1);
    }
}
