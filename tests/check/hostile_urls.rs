//! Urls that lead where nobody may be asked, or that different programs read differently, each asked through the pool
//! and the real client. Traps listen where a guard with a hole would lead.

use crate::fake::*;
use crate::hostile::{forbidden, traps};
use serde_json::json;
use std::net::IpAddr;
use tidegate::api::ask::Outcome;
use tidegate::check::{Limits, Policy};

const META: &str = "is a cloud provider's metadata address";
const LINK: &str = "is a link-local address";
const ANY: &str = "is not the address of one machine";
const NODE: &str = "is the address of a node";
const API: &str = "is the address of the API server";
const LOOP: &str = "is a loopback address";
const HIDDEN: &str = "hides an address behind a translator of unknown format";
const NOT_PUBLIC: &str = "is not a public address, and the administrator has not allowed it";
const SHAPE: &str = "the url must be a whole http:// or https:// address, such as https://shop.example/health";
const CHARACTERS: &str = "the url must not hold blanks, backslashes or control characters";
const USER: &str = "the url must not carry a user name or password: send them as a header from a secret";
const HOST: &str = "the url must name its host by a DNS name, four decimal numbers, or an IPv6 address in brackets";
const PORT: &str = "the url's port must be between 1 and 65535";
const NOBODY: &str = "does not exist, or has no address";

/// `P` is the traps' port; a good server listens on it at 127.0.0.1. Loopback is allowed. Names that are not given
/// addresses do not exist.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str], &str)] = &[
    // First one that stays on this machine, should there be no guard at all
    ("http://127.0.9.9:P/", &[], NODE),
    // Addresses, as they are
    ("http://169.254.169.254/latest/meta-data/", &[], META),
    ("http://169.254.169.254./", &[], HOST),
    ("http://[::ffff:169.254.169.254]/", &[], META),
    ("http://[::ffff:a9fe:a9fe]/", &[], META),
    ("http://[0:0:0:0:0:ffff:a9fe:a9fe]:P/", &[], META),
    ("http://[64:ff9b::169.254.169.254]/", &[], META),
    ("http://[64:ff9b:1::a9fe:a9fe]/", &[], NOT_PUBLIC),
    ("http://[2002:a9fe:a9fe::1]/", &[], META),
    ("http://[2002:7f00:1::]:P/", &[], LOOP),
    ("http://[2001:0:a9fe:a9fe::]/", &[], META),
    ("http://[fd00:ec2::254]/", &[], META),
    ("http://[fe80::1]/", &[], LINK),
    ("http://[ff02::1]/", &[], ANY),
    ("http://[::]:P/", &[], ANY),
    ("http://0.0.0.0:P/", &[], ANY),
    ("http://255.255.255.255:P/", &[], ANY),
    ("http://224.0.0.1:P/", &[], ANY),
    ("https://127.0.9.9:P/", &[], NODE),
    ("http://[::ffff:127.0.9.9]:P/", &[], NODE),
    ("http://127.0.8.8:P/", &[], API),
    ("https://10.96.0.1/api", &[], API),
    ("http://10.0.0.1/", &[], NOT_PUBLIC),
    ("http://172.16.0.1/", &[], NOT_PUBLIC),
    ("http://192.168.1.1/", &[], NOT_PUBLIC),
    ("http://100.64.0.1/", &[], NOT_PUBLIC),
    ("http://198.18.0.1/", &[], NOT_PUBLIC),
    ("http://192.0.2.1/", &[], NOT_PUBLIC),
    ("http://198.51.100.1/", &[], NOT_PUBLIC),
    ("http://203.0.113.1/", &[], NOT_PUBLIC),
    ("http://[fd12:3456::1]/", &[], NOT_PUBLIC),
    ("http://[fec0::1]/", &[], NOT_PUBLIC),
    ("http://[2001:db8::1]/", &[], NOT_PUBLIC),
    ("http://[3fff::1]/", &[], NOT_PUBLIC),
    ("http://[100::1]/", &[], NOT_PUBLIC),
    ("http://[5f00::1]/", &[], NOT_PUBLIC),
    ("http://[64:ff9b::10.0.0.1]/", &[], NOT_PUBLIC),
    ("http://[2002:a00:1::]/", &[], NOT_PUBLIC),
    // Addresses, as only some programs read them
    ("http://2130706433:P/", &[], HOST),
    ("http://2852039166/", &[], HOST),
    ("http://0x7f000001:P/", &[], HOST),
    ("http://0x7f.0.0.1:P/", &[], HOST),
    ("http://0X7F.0x0.0x0.0x1:P/", &[], HOST),
    ("http://017700000001:P/", &[], HOST),
    ("http://0177.0.0.1:P/", &[], HOST),
    ("http://127.0.0.01:P/", &[], HOST),
    ("http://127.1:P/", &[], HOST),
    ("http://127.0.1:P/", &[], HOST),
    ("http://0:P/", &[], HOST),
    ("http://127.0.0.1.:P/", &[], HOST),
    ("http://127.0.0.256:P/", &[], HOST),
    ("http://1.2.3.4.5/", &[], HOST),
    ("http://%31%32%37.0.0.1:P/", &[], HOST),
    ("http://169。254。169。254/", &[], HOST),
    ("http://①②⑦.⓪.⓪.①:P/", &[], HOST),
    ("http://[::1%25lo]:P/", &[], HOST),
    ("http://[fe80::1%25eth0]/", &[], HOST),
    ("http://[fe80::1%eth0]/", &[], HOST),
    ("http://[127.0.0.1]:P/", &[], HOST),
    ("http://::1:P/", &[], HOST),
    ("http://[::1:P/", &[], HOST),
    // User names
    ("http://me:secret@127.0.0.1:P/", &[], USER),
    ("http://shop.example@127.0.9.9:P/", &[], USER),
    ("http://@127.0.0.1:P/", &[], USER),
    ("http://127.0.0.1:P@127.0.9.9:P/", &[], USER),
    ("https://shop.example:443@127.0.9.9:P/", &[], USER),
    // Schemes and shapes
    ("ftp://127.0.0.1:P/", &[], SHAPE),
    ("file:///etc/passwd", &[], SHAPE),
    ("gopher://127.0.0.1:P/", &[], SHAPE),
    ("unix:///run/containerd.sock", &[], SHAPE),
    ("//127.0.0.1:P/", &[], SHAPE),
    ("127.0.0.1:P", &[], SHAPE),
    ("http:127.0.0.1:P/", &[], SHAPE),
    ("http:/127.0.0.1:P/", &[], SHAPE),
    ("http:///127.0.0.1:P/", &[], SHAPE),
    ("http://", &[], SHAPE),
    ("https://?q", &[], SHAPE),
    ("http://:P/", &[], HOST),
    ("http://./", &[], HOST),
    ("http://../", &[], HOST),
    ("", &[], SHAPE),
    // What parsers quarrel about
    ("http://shop.example\\@127.0.9.9:P/", &[], CHARACTERS),
    ("http:\\\\127.0.9.9:P\\", &[], CHARACTERS),
    ("http://127.0.9.9:P\t/", &[], CHARACTERS),
    ("http://127.0.\n9.9:P/", &[], CHARACTERS),
    (" http://127.0.9.9:P/", &[], CHARACTERS),
    ("http://shop.example /", &[], CHARACTERS),
    ("http://shop.example\u{a0}/", &[], CHARACTERS),
    ("http://127.0.0.1:P/ HTTP/1.1\r\nX-A: 1", &[], CHARACTERS),
    ("http://shop.example\0.evil.example/", &[], CHARACTERS),
    ("http://shop%00.example/", &[], HOST),
    ("http://a<b>.example/", &[], HOST),
    ("http://shop..example/", &[], HOST),
    ("http://-\u{ad}/", &[], NOBODY),
    // Ports
    ("http://127.0.0.1:0/", &[], PORT),
    ("http://127.0.0.1:65536/", &[], PORT),
    ("http://127.0.0.1:-1/", &[], PORT),
    ("http://127.0.0.1:P:P/", &[], HOST),
    ("http://127.0.0.1:/", &[], PORT),
    ("http://127.0.0.1:http/", &[], PORT),
    // Names
    ("http://metadata.google.internal/", &["169.254.169.254"], META),
    ("http://METADATA.google.INTERNAL./", &["169.254.169.254"], META),
    ("http://metadata/", &["169.254.169.254"], META),
    ("http://instance-data.ec2.internal/", &["fd00:ec2::254"], META),
    ("https://kubernetes.default.svc/", &["10.96.0.1"], API),
    ("https://kubernetes.default.svc.cluster.local./", &["10.96.0.1"], API),
    ("https://kubernetes.default.svc/", &[], NOBODY),
    ("http://node-1:P/", &["127.0.9.9"], NODE),
    ("http://vault.bank.svc.cluster.local/", &["10.0.0.7"], NOT_PUBLIC),
    ("http://169.254.169.254.nip.example/", &["169.254.169.254"], META),
    ("http://mapped.example:P/", &["::ffff:127.0.9.9"], NODE),
    ("http://nat64.example:P/", &["64:ff9b::127.0.9.9"], NODE),
    ("http://local-nat64.example:P/", &["64:ff9b:1::127.0.9.9"], NOT_PUBLIC),
    ("http://compatible.example:P/", &["::127.0.9.9"], NOT_PUBLIC),
    ("http://zero.example:P/", &["0.0.0.0"], ANY),
    ("http://broadcast.example:P/", &["255.255.255.255"], ANY),
    ("http://cgnat.example/", &["100.64.0.1"], NOT_PUBLIC),
    ("http://cloud.example/", &["100.100.100.200"], META),
    ("http://bücher.example:P/", &["127.0.8.8"], API),
    ("http://xn--bcher-kva.example:P/", &["127.0.8.8"], API),
    ("http://SHOP.example:P/", &["127.0.8.8"], API),
    ("http://shop.example.:P/", &["127.0.8.8"], API),
    ("http://ｓｈｏｐ.example:P/", &["127.0.8.8"], API),
    // One bad address among good ones
    ("http://two.example:P/", &["127.0.0.1", "127.0.9.9"], NODE),
    ("http://two.example:P/", &["127.0.9.9", "127.0.0.1"], NODE),
    ("http://six.example:P/", &["127.0.0.1", "fe80::1"], LINK),
    ("http://three.example:P/", &["127.0.0.1", "127.0.0.2", "10.1.1.1"], NOT_PUBLIC),
    // Names that lead nowhere
    ("http://gone.example:P/", &[], NOBODY),
    ("http://localhost:P/", &[], NOBODY),
];

#[tokio::test]
async fn hostile_urls_are_never_dialled() {
    let traps = traps().await;
    let port = traps[0].addr.port().to_string();
    for (url, addresses, why) in TABLE {
        let names = names(url, addresses);
        let world = World { forbidden: forbidden(), ..World::default() };
        let mut asking = Asking::outside(world, names.outside(Vec::new()), loopback(), Limits::default());
        let result = asking.answer(&ask(json!({"url": url.replace(":P", &format!(":{port}"))}))).await;
        assert_eq!(result.outcome, Outcome::Error, "{url}: {}", result.message);
        assert!(result.message.ends_with(why), "{url}: {}", result.message);
        assert!(!result.message.contains("secret@"), "{url}: {}", result.message);
        let looks = usize::from(!addresses.is_empty() || *why == NOBODY);
        assert_eq!(names.asked().len(), looks, "{url}: {:?}", names.asked());
    }
    for trap in traps {
        assert_eq!(trap.seen.connections(), 0, "somebody reached {}", trap.addr);
    }
}

/// Names that are longer than DNS allows, as a whole or in one label.
#[tokio::test]
async fn endless_names_are_not_looked_up() {
    for host in ["a.".repeat(127) + "a", "b".repeat(64) + ".example", "c".repeat(1000), "ü".repeat(60) + ".example"] {
        let names = Names::of(&host, &[&["127.0.0.1".parse().unwrap()]]);
        let answer = ask_url(&names, json!({"url": format!("http://{host}/")})).await;
        assert_eq!((answer.0, &*answer.1, names.asked().len()), (Outcome::Error, HOST, 0), "{host}");
    }
}

/// However much is allowed for urls: every network, and the very host.
#[tokio::test]
async fn what_is_closed_to_all_is_opened_by_no_flag() {
    let all = || vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
    let world = || World { forbidden: forbidden(), ..World::default() };
    let open = || Policy { allow: all(), allow_hosts: vec!["*.example".parse().unwrap()], ..Policy::default() };
    for (url, addresses, why) in [
        ("http://169.254.169.254/", "", META),
        ("http://[fe80::1]/", "", LINK),
        ("https://10.96.0.1/", "", API),
        ("http://203.0.113.7/", "", NODE),
        ("http://127.0.0.1/", "", LOOP),
        ("http://[64:ff9b:1::a9fe:a9fe]/", "", HIDDEN),
        ("http://shop.example/", "169.254.169.254", META),
        ("http://shop.example/", "127.0.0.1", LOOP),
        ("http://shop.example/", "::1", LOOP),
        ("http://shop.example/", "2001:db8::8", API),
        ("http://shop.example/", "224.0.0.1", ANY),
    ] {
        let addresses: Vec<&str> = addresses.split(' ').filter(|a| !a.is_empty()).collect();
        let outside = names(url, &addresses).outside(Vec::new());
        let result =
            Asking::outside(world(), outside, open(), Limits::default()).answer(&ask(json!({"url": url}))).await;
        assert_eq!(result.outcome, Outcome::Error, "{url}");
        assert!(result.message.ends_with(why), "{url}: {}", result.message);
    }
}

fn names(url: &str, addresses: &[&str]) -> std::sync::Arc<Names> {
    let ips: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
    if ips.is_empty() {
        return std::sync::Arc::default();
    }
    let host = reqwest::Url::parse(&url.replace(":P", "")).unwrap().host_str().unwrap().to_owned();
    Names::of(host.trim_end_matches('.'), &[&ips])
}
