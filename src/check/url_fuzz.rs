//! Whatever a tenant writes as a url: what is dialled is nothing that is closed. Held against a second opinion that
//! shares nothing with the guard but the standard library and the url crate.

use super::super::directory::Forbidden;
use super::super::guard::Policy;
use super::super::reach::Guard;
use super::{Host, Target};
use proptest::prelude::*;
use reqwest::Url;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NODE: &str = "52.1.2.3";
const API_SERVER: &str = "34.9.9.9";

/// What would be asked of `text`, if anything is; of a name, whatever stands behind it.
fn vetted(text: &str) -> Option<(Target, Vec<IpAddr>)> {
    let policy = Policy::default();
    let forbidden = Forbidden { nodes: vec![NODE.parse().unwrap()], api_servers: vec![API_SERVER.parse().unwrap()] };
    let guard = Guard { policy: &policy, forbidden: &forbidden };
    let target = Target::parse(text).ok()?;
    let found = match &target.host {
        Host::Address(ip) => vec![*ip],
        Host::Name(_) => return Some((target, vec![])),
    };
    let addrs = guard.url(&target, &found).ok()?;
    assert!(addrs.iter().all(|a| a.port() == target.port));
    Some((target, addrs.iter().map(std::net::SocketAddr::ip).collect()))
}

/// Public as the standard library and the registries of special addresses have it.
fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, d] = ip.octets();
    let special = ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation();
    let useless = ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || a == 0 || a >= 240;
    let shared = a == 100 && (64..128).contains(&b);
    let other = matches!((a, b, c), (192, 0, 0) | (192, 88, 99)) || (a == 198 && (b == 18 || b == 19));
    let azure = [a, b, c, d] == [168, 63, 129, 16];
    let ours = [NODE, API_SERVER].contains(&ip.to_string().as_str());
    !(special || useless || shared || other || azure || ours)
}

fn public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return public_v4(v4);
    }
    let s = ip.segments();
    let v4 = |hi: u16, lo: u16| {
        let [a, b] = hi.to_be_bytes();
        let [c, d] = lo.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return public_v4(v4(s[6], s[7]));
    }
    let carries = match s[0] {
        0x2002 => public_v4(v4(s[1], s[2])),
        0x2001 if s[1] == 0 => public_v4(v4(s[2], s[3])) && public_v4(v4(!s[6], !s[7])),
        _ => true,
    };
    let isatap = (s[4] == 0 || s[4] == 0x200) && s[5] == 0x5efe;
    let carries = carries && (!isatap || public_v4(v4(s[6], s[7])));
    let documentation = (s[0] == 0x2001 && s[1] == 0xdb8) || (s[0] == 0x3fff && s[1] < 0x1000);
    (0x2000..0x4000).contains(&s[0]) && !documentation && carries
}

/// A name that some resolvers read as an address: one to four numbers, decimal, octal or hexadecimal.
fn some_read_it_as_an_address(name: &str) -> bool {
    let number = |part: &str| match part.strip_prefix("0x") {
        Some(hex) => hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()),
    };
    let parts: Vec<&str> = name.split('.').collect();
    parts.len() <= 4 && parts.into_iter().all(number)
}

fn holds(text: &str) -> Result<(), TestCaseError> {
    let Some((target, addrs)) = vetted(text) else { return Ok(()) };
    let url = &target.url;
    prop_assert!(["http", "https"].contains(&url.scheme()), "{text:?}: {}", url.scheme());
    prop_assert!(target.port != 0 && url.port_or_known_default() == Some(target.port), "{text:?}: {}", target.port);
    prop_assert!(url.username().is_empty() && url.password().is_none(), "{text:?} names a user");
    for addr in addrs {
        let open = match addr {
            IpAddr::V4(v4) => public_v4(v4),
            IpAddr::V6(v6) => public_v6(v6),
        };
        prop_assert!(open, "{text:?} leads to {addr}");
    }
    // What the url crate understands is what was vetted: the client will read the text as it does.
    let again = Url::parse(url.as_str()).unwrap();
    match (&target.host, again.host_str().unwrap()) {
        (Host::Name(name), host) => {
            prop_assert_eq!(name.as_str(), host);
            prop_assert!(
                !name.ends_with('.') && name.is_ascii() && *name == name.to_ascii_lowercase(),
                "{text:?}: {name}"
            );
            prop_assert!(!some_read_it_as_an_address(name), "{text:?}: {name} is an address to some");
        }
        (Host::Address(ip), host) => {
            let bare = host.trim_start_matches('[').trim_end_matches(']');
            prop_assert_eq!(bare.parse::<IpAddr>().ok(), Some(*ip));
        }
    }
    Ok(())
}

/// Every way to write one IPv4 address that anything on the way may understand.
fn spelled(ip: Ipv4Addr, way: usize) -> String {
    let [a, b, c, d] = ip.octets();
    let all = u32::from(ip);
    let (hi, lo) = (all >> 16, all & 0xffff);
    match way {
        0 => ip.to_string(),
        1 => format!("{all}"),
        2 => format!("0x{all:x}"),
        3 => format!("0{all:o}"),
        4 => format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        5 => format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        6 => format!("{a}.{}", all & 0x00ff_ffff),
        7 => format!("{a}.{b}.{lo}"),
        8 => format!("[::ffff:{ip}]"),
        9 => format!("[::ffff:{hi:x}:{lo:x}]"),
        10 => format!("[::{ip}]"),
        11 => format!("[64:ff9b::{ip}]"),
        12 => format!("[2002:{hi:x}:{lo:x}::1]"),
        13 => format!("{ip}."),
        14 => ip.to_string().replace('.', "。"),
        15 => ip
            .to_string()
            .chars()
            .map(|c| c.to_digit(10).and_then(|n| char::from_u32(0xff10 + n)).unwrap_or(c))
            .collect(),
        16 => ip.to_string().replace('.', "%2e"),
        17 => format!("%{:x}{}", ip.to_string().as_bytes()[0], &ip.to_string()[1..]),
        18 => format!("0000{a}.{b}.{c}.{d}"),
        _ => format!("[::ffff:0:{hi:x}:{lo:x}]"),
    }
}

fn hosts() -> impl Strategy<Value = String> {
    let closed = prop_oneof![
        Just([169, 254, 169, 254]),
        Just([127, 0, 0, 1]),
        Just([10, 0, 0, 1]),
        Just([192, 168, 0, 1]),
        Just([0, 0, 0, 0]),
        Just([52, 1, 2, 3]),
        Just([34, 9, 9, 9]),
        Just([168, 63, 129, 16]),
        Just([8, 8, 8, 8]),
        any::<[u8; 4]>(),
    ];
    prop_oneof![
        6 => (closed, 0..20_usize).prop_map(|(ip, way)| spelled(Ipv4Addr::from(ip), way)),
        2 => any::<u128>().prop_map(|bits| format!("[{}]", Ipv6Addr::from(bits))),
        1 => (0..6_u16, any::<[u16; 7]>()).prop_map(|(first, rest)| {
            let first = [0x2001, 0x2002, 0x64, 0xfe80, 0xfd00, 0][usize::from(first)];
            let [a, b, c, d, e, f, g] = rest;
            format!("[{}]", Ipv6Addr::new(first, a & 0xff, b, c & 1, d, e, f, g))
        }),
        1 => "[a-zA-Z0-9.%-]{1,20}",
        1 => "localhost\\.?|xn--[a-z0-9-]{1,9}|bücher\\.example|ⓛocalhost|metadata\\.google\\.internal",
    ]
}

fn urls() -> impl Strategy<Value = String> {
    let scheme = prop_oneof![6 => Just("http://"), 3 => Just("HTTPS://"), 1 => Just("file://"), 1 => Just("http:/"),
        1 => Just("//"), 1 => Just("ftp://"), 1 => Just("http:\\\\"), 1 => Just(" http://"), 1 => Just("ht\ttp://")];
    let user = prop_oneof![8 => Just(""), 1 => Just("a@"), 1 => Just("8.8.8.8:80@"), 1 => Just("a:b@c@"), 1 => Just("8.8.8.8#@"),
        1 => Just("8.8.8.8\\@"), 1 => Just("%40")];
    let port = prop_oneof![6 => Just(String::new()), 3 => any::<u16>().prop_map(|p| format!(":{p}")), 1 => Just(":".into()),
        1 => Just(":65536".into()), 1 => Just(":0".into()), 1 => Just(":+80".into()), 1 => Just(":80:80".into())];
    let path = prop_oneof![4 => Just(""), 2 => Just("/health?a=b#c"), 1 => Just("?@8.8.8.8"), 1 => Just("#@127.0.0.1/"),
        1 => Just("\\@127.0.0.1/"), 1 => Just("/%0d%0aHost:x"), 1 => Just("\u{0}"), 1 => Just("/../\u{202e}")];
    (scheme, user, hosts(), port, path).prop_map(|(s, u, h, p, t)| format!("{s}{u}{h}{p}{t}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_to_deceive_leads_nowhere(text in urls()) {
        holds(&text)?;
    }

    #[test]
    fn what_is_no_url_at_all_leads_nowhere(text in any::<String>(), tail in ".{0,40}") {
        holds(&text)?;
        holds(&format!("http://{tail}"))?;
        holds(&format!("https://[{tail}]/"))?;
    }

    #[test]
    fn one_wrong_letter_opens_nothing(text in urls(), at in any::<prop::sample::Index>(), letter in any::<char>()) {
        let mut letters: Vec<char> = text.chars().collect();
        if !letters.is_empty() {
            let at = at.index(letters.len());
            letters[at] = letter;
        }
        holds(&letters.into_iter().collect::<String>())?;
    }
}

/// The second opinion can say no, and the first one yes.
#[test]
fn both_can_say_yes_and_no() {
    for open in
        ["http://8.8.8.8/", "https://[2606:4700::1111]:8443/x", "http://[::ffff:8.8.8.8]/", "http://shop.example/"]
    {
        assert!(vetted(open).is_some(), "{open}");
        holds(open).unwrap();
    }
    let closed = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "100.64.0.1", "52.1.2.3"];
    assert!(closed.iter().all(|ip| !public_v4(ip.parse().unwrap())));
    let closed = ["::1", "fe80::1", "fd00:ec2::254", "::ffff:127.0.0.1", "64:ff9b::a00:1", "2002:7f00:1::"];
    assert!(closed.iter().all(|ip| !public_v6(ip.parse().unwrap())));
    assert!(some_read_it_as_an_address("0x7f.1") && !some_read_it_as_an_address("a.1"));
}
