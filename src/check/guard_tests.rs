use super::*;
use proptest::prelude::*;

fn forbidden() -> Forbidden {
    Forbidden { nodes: vec![ip("192.0.2.7")], api_servers: vec![ip("10.96.0.1")] }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn pod(addr: IpAddr) -> Result<(), Blocked> {
    vet(addr, 8080, Form::Pod, &Policy::default(), &forbidden())
}

/// Every way to write an IPv4 address as an IPv6 one that something on the way may turn back.
fn disguises(v4: Ipv4Addr) -> Vec<IpAddr> {
    let [a, b, c, d] = v4.octets().map(u16::from);
    let (hi, lo) = ((a << 8) | b, (c << 8) | d);
    [
        [0, 0, 0, 0, 0, 0xffff, hi, lo],
        [0, 0, 0, 0, 0, 0, hi, lo],
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo],
        [0x64, 0xff9b, 1, 0, 0, 0, hi, lo],
        [0x2002, hi, lo, 1, 2, 3, 4, 5],
        [0x2001, 0, hi, lo, 0, 0, 0, 0],
        [0x2001, 0, 0x808, 0x808, 0, 0, !hi, !lo],
        [0x2001, 0xdb8, 0, 0, 0, 0x5efe, hi, lo],
    ]
    .map(|s| IpAddr::V6(Ipv6Addr::from(s)))
    .to_vec()
}

#[test]
fn ordinary_addresses_may_be_asked() {
    for text in
        ["10.1.2.3", "172.20.0.1", "192.168.7.7", "100.64.3.3", "8.8.8.8", "fd12::7", "2600:1f13::7", "::ffff:10.1.2.3"]
    {
        assert_eq!(pod(ip(text)), Ok(()), "{text}");
    }
    assert_eq!(vet(ip("10.1.2.3"), 0, Form::Pod, &Policy::default(), &forbidden()), Err(Blocked::Port));
}

#[test]
fn urls_reach_private_networks_only_where_the_administrator_allowed_it() {
    let allowed = Policy { allow: vec!["10.1.0.0/16".parse().unwrap()], ..Policy::default() };
    let url = |text: &str, policy: &Policy| vet(ip(text), 443, Form::Url { named: false }, policy, &forbidden());
    for private in [
        "10.1.2.3",
        "172.31.0.1",
        "192.168.0.1",
        "100.127.0.1",
        "198.19.0.1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "64:ff9b::10.1.2.3",
    ] {
        assert!(matches!(url(private, &Policy::default()), Err(Blocked::NotPublic(_))), "{private}");
    }
    assert_eq!(url("8.8.8.8", &Policy::default()), Ok(()));
    assert_eq!(url("10.1.2.3", &allowed), Ok(()));
    assert!(url("10.2.2.3", &allowed).is_err());
    let all = Policy { allow: vec!["0.0.0.0/0".parse().unwrap()], ..Policy::default() };
    for never in ["169.254.169.254", "10.96.0.1", "192.0.2.7", "127.0.0.1", "0.0.0.0"] {
        assert!(url(never, &all).is_err(), "{never}");
    }
}

/// Whatever the administrator allows, and however it is asked.
#[test]
fn nobody_is_asked_for_the_credentials_of_the_machine() {
    let all = ["0.0.0.0/0", "::/0"].map(|net| net.parse().unwrap());
    let policy = Policy { allow: all.to_vec(), allow_loopback: true, ..Policy::default() };
    for text in [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd00:ec2::23",
        "fd20:ce::254",
    ] {
        for form in [Form::Pod, Form::Service, Form::Url { named: false }, Form::Url { named: true }] {
            let blocked = vet(ip(text), 80, form, &policy, &forbidden());
            assert_eq!(blocked, Err(Blocked::Metadata(ip(text))), "{text} as {form:?}");
        }
    }
}

proptest! {
    /// A disguise opens nothing: what is closed to the address itself is closed to all its forms.
    #[test]
    fn disguises_open_nothing(bits: u32, range in 0..9_usize) {
        let ranges = ["169.254.0.0/16", "127.0.0.0/8", "0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", "192.0.2.7/32",
            "10.96.0.1/32", "100.100.100.200/32", "168.63.129.16/32"];
        let net: ipnet::Ipv4Net = ranges[range].parse().unwrap();
        let addr = Ipv4Addr::from(u32::from(net.network()) | (bits & u32::from(net.hostmask())));
        prop_assert!(pod(addr.into()).is_err());
        for disguise in disguises(addr) {
            prop_assert!(pod(disguise).is_err(), "{addr} as {disguise}");
        }
    }

    /// Loopback's permission opens loopback and nothing else.
    #[test]
    fn allowing_loopback_opens_loopback_only(bits: u128, v4: bool) {
        let addr = if v4 { IpAddr::V4(Ipv4Addr::from(bits as u32)) } else { IpAddr::V6(Ipv6Addr::from(bits)) };
        let open = Policy { allow_loopback: true, ..Policy::default() };
        let with = vet(addr, 80, Form::Pod, &open, &forbidden());
        prop_assert!(with == pod(addr) || addr.to_canonical().is_loopback());
    }
}
