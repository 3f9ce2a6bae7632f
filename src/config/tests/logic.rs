//! Blocks that uWSGI refuses or does not have: nested ones, `else`, `%(__)`.

use super::*;

/// The list after the file's options, as `key=value`.
fn listed(text: &str) -> Vec<String> {
    let (list, problems) = read_file(text);
    assert_eq!(problems, Vec::<String>::new());
    list
}

fn read_file(text: &str) -> (Vec<String>, Vec<String>) {
    let folder = Folder::new();
    let ini = folder.file("a.ini", &format!("[uwsgi]\n{text}"));
    let reading =
        read(&Registry::new(&[]), &Source::of_args(["--ini", &ini]), &magic::tests::machine());
    let written = reading.directives.iter().skip(1);
    let blocks = ["if-", "for", "end", "else"];
    let options = written.filter(|one| !blocks.iter().any(|block| one.key.starts_with(block)));
    let list = options.map(|one| format!("{}={}", one.key, one.text())).collect();
    (list, reading.problems.iter().map(|problem| problem.message.clone()).collect())
}

#[test]
fn conditions_may_stand_in_conditions() {
    let text = "x = 1\nif-opt = x\na = 1\nif-opt = x=2\nb = 1\nendif =\nif-opt = x=1\nc = %(_)\nendif =\nd = %(_)\nendif =\ne = 1\n";
    assert_eq!(listed(text), ["x=1", "a=1", "c=1", "d=1", "e=1"]);
    let text = "if-opt = nope\nif-opt = nope\na = 1\nendif =\nb = 1\nendif =\nc = 1\n";
    assert_eq!(listed(text), ["c=1"]);
}

#[test]
fn a_loop_with_blocks_repeats_as_a_whole() {
    let text = "for = a b\nx = %(_)\nfor = 1 2\ny = %(__)%(_)\nendfor =\nif-not-opt = y=a9\nz = %(__)\nendif =\nendfor =\n";
    assert_eq!(listed(text), ["x=a", "y=a1", "y=a2", "z=a", "x=b", "y=b1", "y=b2", "z=b"]);
}

#[test]
fn else_is_the_other_side() {
    assert_eq!(listed("if-opt = nope\na = 1\nelse =\nb = 1\nendif =\n"), ["b=1"]);
    assert_eq!(listed("x = 1\nif-opt = x\na = 1\nelse =\nb = 1\nendif =\n"), ["x=1", "a=1"]);
    let nested =
        "if-opt = nope\nif-opt = nope\na = 1\nelse =\nb = 1\nendif =\nelse =\nc = 1\nendif =\n";
    assert_eq!(listed(nested), ["c=1"]);
}

#[test]
fn a_block_that_is_not_closed_reaches_to_the_end_and_is_named() {
    let (list, problems) = read_file("x = 1\nif-opt = x\na = 1\n");
    assert_eq!(list, ["x=1", "a=1"]);
    assert!(problems[0].starts_with("the block is never closed"), "{problems:?}");
    let (list, problems) = read_file("a = 1\nendif =\nelse =\nb = 1\n");
    assert_eq!(list, ["a=1", "b=1"]);
    assert_eq!(problems.len(), 2);
}

#[test]
fn what_multiplies_without_end_is_an_error() {
    let inner = "for-times = 10000\n".repeat(3) + "a = %(_)\n" + &"endfor =\n".repeat(3);
    let (_, problems) = read_file(&inner);
    assert!(
        problems.iter().any(|problem| problem.contains("options: are there loops")),
        "{problems:?}"
    );
    let empty = "for-times = 9999\n".repeat(3) + &"endfor =\n".repeat(3);
    assert!(read_file(&empty).1[0].contains("options: are there loops"));
    let (_, problems) = read_file("for-times = 99999999\na = 1\nendfor =\n");
    assert_eq!(problems, ["accepted: a number from 0 to 10000"]);
}

#[test]
fn a_broken_condition_is_an_error_with_its_reason() {
    let (_, problems) = read_file("if-hostname-match = (((\na = 1\nendif =\n");
    assert!(problems[0].starts_with("no valid regular expression: "), "{problems:?}");
    let (_, problems) = read_file("for-readline = /no/such/file\na = 1\nendfor =\n");
    assert!(problems[0].starts_with("cannot read /no/such/file: "), "{problems:?}");
    assert_eq!(listed("if-hostname-match = ^v.$\na = 1\nendif =\n"), ["a=1"]);
}
