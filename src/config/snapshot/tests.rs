use proptest::collection::{btree_map, vec, vec_deque};
use proptest::prelude::*;

use super::*;
use crate::config::{Outside, Source, check, magic, read};
use crate::options::Registry;

fn answers<A: std::fmt::Debug + Clone>(
    answer: impl Strategy<Value = A>,
) -> impl Strategy<Value = Record<A>> {
    btree_map(".{0,8}", vec_deque(answer, 0..3), 0..3)
}

fn result<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Result<T, String>> {
    prop::result::maybe_ok(value, ".{0,8}")
}

prop_compose! {
    fn seen()(
        contents in answers(result(vec(any::<u8>(), 0..20).prop_map(Arc::from))),
        kinds in answers(prop::sample::select(&[
            PathKind::Nothing, PathKind::File, PathKind::Folder, PathKind::Other,
        ][..])),
        paths in answers(result(vec(".{0,8}", 0..3))),
        folders in answers(result(vec((".{0,8}", prop::option::of(".{0,8}")), 0..3))),
        places in answers((".{0,8}", any::<Option<u64>>())
            .prop_map(|(directory, inode)| Place { directory, inode })),
    ) -> Seen {
        Seen { contents, kinds, paths, folders, places }
    }
}

fn snapshot(seen: Seen) -> Snapshot {
    let began = Duration::from_micros(1_700_000_000_000_001);
    Snapshot { seen, ..Snapshot::new(&magic::tests::machine(), began) }
}

/// Bytes that are right but for their body.
fn sealed(body: &[u8]) -> Vec<u8> {
    [&TITLE[..], &VERSION.to_le_bytes(), &checksum(body).to_le_bytes(), body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_encoded_is_decoded(seen in seen()) {
        let written = snapshot(seen);
        let found = Snapshot::decode(&written.encode().expect("it is short")).expect("it is whole");
        prop_assert_eq!(&found.seen, &written.seen);
        prop_assert_eq!(found.began, written.began);
        prop_assert_eq!(format!("{:?}", found.machine), format!("{:?}", written.machine));
    }

    #[test]
    fn any_change_is_an_error(seen in seen(), at in any::<prop::sample::Index>(), change in 1u8..) {
        let mut bytes = snapshot(seen).encode().expect("it is short");
        let at = at.index(bytes.len());
        prop_assert!(Snapshot::decode(&bytes[..at]).is_err());
        bytes[at] ^= change;
        prop_assert!(Snapshot::decode(&bytes).is_err());
    }

    /// The checksum is right here, so that the reader of the body sees the damage.
    #[test]
    fn no_body_panics(
        seen in seen(),
        at in any::<prop::sample::Index>(),
        noise in vec(prop_oneof![Just(0u8), Just(1), Just(255), any::<u8>()], 0..24),
    ) {
        let whole = snapshot(seen).encode().expect("it is short");
        let mut body = whole[HEAD_BYTES..].to_vec();
        let at = at.index(body.len());
        body.splice(at..(at + noise.len()).min(body.len()), noise.iter().copied());
        let _ = Snapshot::decode(&sealed(&body)); // right or damaged, but no panic
        let _ = Snapshot::decode(&sealed(&noise));
        let _ = Snapshot::decode(&noise);
    }
}

#[test]
fn bytes_of_another_version_say_so() {
    let mut bytes = snapshot(Seen::default()).encode().expect("it is short");
    bytes[TITLE.len()] += 1;
    assert_eq!(Snapshot::decode(&bytes).err(), Some(SnapshotError::Version(VERSION + 1)));
    let long = vec![0; SNAPSHOT_BYTES_MAX + 1];
    assert_eq!(Snapshot::decode(&long).err(), Some(SnapshotError::TooLong));
}

#[test]
fn what_is_behind_the_end_is_damage() {
    let whole = snapshot(Seen::default()).encode().expect("it is short");
    let body = [&whole[HEAD_BYTES..], b"x"].concat();
    assert_eq!(Snapshot::decode(&sealed(&body)).err(), Some(SnapshotError::Damaged));
}

#[test]
fn more_than_the_bound_is_not_kept() {
    let mut snapshot = snapshot(Seen::default());
    let half: Arc<[u8]> = vec![0; SNAPSHOT_BYTES_MAX / 2].into();
    for _ in 0..2 {
        snapshot.note(|seen| &mut seen.contents, "file", Ok(half.clone()));
    }
    assert_eq!(snapshot.seen, Seen::default());
    assert_eq!(snapshot.encode(), Err(SnapshotError::TooLong));
}

/// Directives and problems as text, and the snapshot.
fn reading(args: &[String], outside: Outside) -> (String, Option<Arc<Snapshot>>) {
    let (registry, machine) = (Registry::new(&[]), magic::tests::machine());
    let source = Source { outside, ..Source::of_args(args) };
    let mut reading = read(&registry, &source, &machine);
    let snapshot = reading.snapshot.take();
    let text = format!("{:?}\n{:?}\n{:?}", reading.directives, reading.notes, reading.problems);
    (format!("{text}\n{:?}", check(&registry, &machine, reading)), snapshot)
}

/// Every kind of question, and one of them with two answers.
#[test]
fn a_reading_is_replayed_after_the_outside_has_changed() {
    let folder = tempfile::tempdir().expect("folder is made");
    let path = |name: &str| folder.path().join(name).to_str().expect("it is UTF-8").to_owned();
    let write = |name: &str, text: &str| std::fs::write(path(name), text).expect("it is written");
    std::fs::create_dir(path("variables")).expect("folder is made");
    write("variables/NAME", "value");
    write("lines", "one\ntwo\n");
    write("before", "[uwsgi]\n");
    let counted = format!("@(exec://echo . >> {0}; cat {0})", path("count"));
    let text = [
        "[uwsgi]\nprint = %d %i %t %T".to_owned(),
        format!("first = {counted}\nsecond = {counted}"),
        format!("if-exists = {}\nfile = yes\nendif =", path("lines")),
        format!("if-not-dir = {}\nnone = yes\nendif =", path("none")),
        format!("for-glob = {}\nmatch = %(_)\nendfor =", path("*")),
        format!("for-readline = {}\nline = %(_)\nendfor =", path("lines")),
        format!("early-envdir = {0}\nenvdir = {0}\nname = $(NAME)", path("variables")),
        format!("gone = @({})", path("none")),
    ];
    write("a.ini", &text.join("\n"));
    let args = ["--inject-before".to_owned(), path("before"), "--ini".to_owned(), path("a.ini")];

    let (seen, snapshot) = reading(&args, Outside::Noted);
    let snapshot = snapshot.expect("it was asked for");
    assert!(seen.contains("value: Some(\".\\n.\")") && seen.contains("No such file"), "{seen}");
    let count = std::fs::read_to_string(path("count")).expect("the command has run");
    write("none", "it is there now");
    write("a.ini", "[uwsgi]\nprocesses = 4\n");
    std::fs::remove_dir_all(path("variables")).expect("folder is removed");
    std::fs::remove_file(path("lines")).expect("file is removed");

    let bytes = snapshot.encode().expect("it is short");
    let snapshot = Arc::new(Snapshot::decode(&bytes).expect("it is whole"));
    for _ in 0..2 {
        let (replayed, none) = reading(&args, Outside::Replayed(snapshot.clone()));
        assert_eq!(replayed, seen);
        assert!(none.is_none());
    }
    let again = std::fs::read_to_string(path("count")).expect("file is there");
    assert_eq!(again, count, "no command has run again");
    assert_ne!(reading(&args, Outside::Open).0, seen);
}

#[test]
fn what_was_not_looked_at_is_an_error_of_a_replay() {
    let (_, snapshot) = reading(&[], Outside::Noted);
    let outside = Outside::Replayed(snapshot.expect("it was asked for"));
    let (found, _) = reading(&["--ini".to_owned(), "/etc/hostname.ini".to_owned()], outside);
    let text =
        "cannot read the configuration file /etc/hostname.ini: it was not looked at when the";
    assert!(found.contains(text), "{found}");
}
