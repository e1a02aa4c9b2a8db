use super::*;

#[test]
fn a_url_is_read_once_and_told_without_its_path() {
    for (text, host, port, origin) in [
        ("https://shop.example/health?a=b#c", "shop.example", 443, "https://shop.example"),
        ("HTTP://Shop.Example:8080/", "shop.example", 8080, "http://shop.example:8080"),
        ("https://shop.example.:443/", "shop.example", 443, "https://shop.example"),
        ("http://bücher.example", "xn--bcher-kva.example", 80, "http://xn--bcher-kva.example"),
        ("http://my_app.example?q=@", "my_app.example", 80, "http://my_app.example"),
    ] {
        let target = Target::parse(text).unwrap();
        assert_eq!((target.host.clone(), target.port, &*target.origin()), (Host::Name(host.into()), port, origin));
        assert!(target.url.fragment().is_none() && target.url.host_str() == Some(host), "{text}");
    }
    for (text, address) in [("http://8.8.8.8:1/", "8.8.8.8"), ("https://[2606:4700::1111]/", "2606:4700::1111")] {
        assert_eq!(Target::parse(text).unwrap().host, Host::Address(address.parse().unwrap()), "{text}");
    }
}
