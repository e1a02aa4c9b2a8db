use super::*;

fn digest(letter: char) -> Digest {
    Digest::parse(&format!("sha256:{}", letter.to_string().repeat(64))).unwrap()
}

fn index(of: char, members: &str, partial: bool) -> ResolvedImage {
    ResolvedImage { digest: digest(of), members: members.chars().map(digest).collect(), partial }
}

/// `0` is an index of `a` and `b`.
#[test]
fn two_digests_are_one_image_if_one_index_holds_both() {
    use Likeness::{Different, Same, Unknown};
    let whole = index('0', "ab", false);
    for (known, found, expected, wanted) in [
        (vec![], 'a', 'a', Same),
        (vec![], 'a', '0', Different),
        (vec![whole.clone()], '0', 'a', Same),
        (vec![whole.clone()], 'b', '0', Same),
        (vec![whole.clone()], 'a', 'b', Same),
        (vec![whole.clone()], 'c', '0', Different),
        (vec![whole.clone()], '1', '0', Different),
        // A mirror's index of fewer platforms.
        (vec![whole.clone(), index('1', "a", false)], '1', '0', Same),
        // More of them were never seen by anybody.
        (vec![whole.clone(), index('1', "abc", false)], '1', '0', Different),
        (vec![whole.clone(), index('1', "abc", false)], '1', 'a', Same),
        (vec![whole.clone(), index('1', "ac", false)], '1', '0', Different),
        // What is in two indexes does not make one of them.
        (vec![whole.clone(), index('1', "bc", false)], 'c', 'a', Different),
        (vec![whole.clone(), index('1', "", false)], '1', '0', Different),
        (vec![index('0', "ab", true)], 'c', '0', Unknown),
        (vec![index('0', "ab", true)], 'c', 'd', Different),
        (vec![whole, index('1', "a", true)], '1', '0', Unknown),
    ] {
        let seen = compare(&known, &digest(found), &digest(expected));
        assert_eq!(seen, wanted, "{found} {expected} {known:?}");
    }
    assert!(!differ(&[], None, Some(&digest('a'))) && !differ(&[], Some(&digest('a')), None));
}

#[test]
fn a_registry_is_asked_less_often_the_longer_nothing_changes() {
    for (reason, stopped, wanted) in [
        (Reason::ImageNotFound, 0, 10),
        (Reason::ImageNotFound, 60, 10),
        (Reason::DigestUnknown, 600, 100),
        (Reason::DigestDiffers, 7200, 300),
        (Reason::TargetBusy, 7200, 10),
    ] {
        let seen = pause(reason, Duration::from_secs(stopped));
        assert_eq!(seen, Duration::from_secs(wanted), "{reason} {stopped}");
    }
}
