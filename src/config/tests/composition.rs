//! Files in files, declared options, profiles, units.

use super::*;

fn processes(text: &str) -> u16 {
    let folder = Folder::new();
    let ini = folder.file("a.ini", &format!("[uwsgi]\n{text}"));
    config(&["--ini", &ini]).processes.workers
}

/// Seen with uWSGI 2.0.31 by the number of its workers.
#[test]
fn declared_options_count_where_uwsgi_counts_them() {
    let declared = "declare-option = app=processes=$1\n";
    let later = "declare-option2 = app=processes=$1\n";
    for (text, workers) in [
        (format!("{declared}app = 3\nprocesses = 2\n"), 2),
        (format!("{declared}processes = 2\napp = 3\n"), 2),
        (format!("{later}app = 4\nprocesses = 2\n"), 2),
        (format!("{later}processes = 2\napp = 4\n"), 4),
        (format!("processes = 2\napp = 4\n{later}"), 2),
        (format!("processes = 2\napp = 4\n{declared}"), 4),
        ("declare-option2 = app=set=processes=$1\napp = 4\nprocesses = 2\n".to_owned(), 4),
    ] {
        assert_eq!(processes(&text), workers, "{text}");
    }
}

#[test]
fn a_declared_option_may_stand_for_declared_ones_but_not_for_itself() {
    assert_eq!(processes("declare-option = a=b=$1\ndeclare-option = b=processes=$1\na = 3\n"), 3);
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\ndeclare-option = a=a=$1\na = 3\n");
    assert!(errors(&["--ini", &ini])[0].ends_with("the option leads back to itself"));
}

#[test]
fn inherited_options_win_and_their_placeholders_work() {
    let folder = Folder::new();
    folder.file("b.ini", "[uwsgi]\nprocesses = %(n)\nif-opt = n\nthreads = %(n)\nendif =\n");
    let ini = folder.file("a.ini", "[uwsgi]\ninherit = %db.ini\nprocesses = 2\nn = 5\n");
    let found = config(&["--ini", &ini]);
    assert_eq!((found.processes.workers, found.processes.threads), (5, 5));
}

#[test]
fn files_that_inherit_each_other_for_ever_are_an_error() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\ninherit = %p\n");
    let found = errors(&["--ini", &ini]);
    assert!(found.iter().any(|error| error.contains("name each other")), "{:?}", found.first());
}

#[test]
fn ienv_is_seen_by_what_follows() {
    let folder = Folder::new();
    let text = "[uwsgi]\nienv = N=4\nif-env = N\nthreads = %(_)\nendif =\nprocesses = $(N)\n";
    let found = config(&["--ini", &folder.file("a.ini", text)]);
    assert_eq!((found.processes.workers, found.processes.threads), (4, 4));
    assert_eq!(found.runtime.env, [("N".to_owned(), Some("4".to_owned()))]);
}

#[test]
fn everything_wins_over_a_profile() {
    let found = config(&["--harakiri", "5", "--profile", "production"]);
    assert!(found.processes.master && found.processes.die_on_term && found.runtime.vacuum);
    assert_eq!(found.processes.harakiri, Some(Duration::from_secs(5)));
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\nprofile = production\nmaster = false\n");
    assert!(!config(&["--ini", &ini]).processes.master);
    assert!(errors(&["--profile=production", "--set", "bar=1"])[0].contains("[strict-mode]"));
    assert_eq!(
        errors(&["--profile", "fast"]),
        ["error: --profile fast: there is no profile fast; accepted: production"]
    );
}

#[test]
fn units_count_in_toml_only() {
    let folder = Folder::new();
    let toml = folder.file("a.toml", "[uwsgi]\nlimit-post = \"10M\"\nharakiri = \"2m\"\n");
    let found = config(&["--toml", &toml]);
    assert_eq!(found.limits.body_bytes_max, Some(10 << 20));
    assert_eq!(found.processes.harakiri, Some(Duration::from_secs(120)));
    let ini = folder.file("a.ini", "[uwsgi]\nlimit-post = 10M\n");
    let found = loaded(&["--ini", &ini]);
    assert_eq!(found.config.limits.body_bytes_max, Some(10));
    assert!(
        found.warnings[0].to_string().contains("units are not understood here; write 10485760")
    );
    let bad = folder.file("b.toml", "[uwsgi]\nharakiri = \"10M\"\nprocesses = \"four\"\n");
    assert_eq!(
        errors(&["--toml", &bad])[..2],
        [
            format!(
                "error: {bad}:2: harakiri = 10M: accepted: a number of seconds, or with a unit: 30s, 5m, 1h, 500ms"
            ),
            format!("error: {bad}:3: processes = four: accepted: a whole number"),
        ]
    );
}

#[test]
fn a_sealed_source_opens_nothing() {
    let source = Source { outside: Outside::Sealed, ..Source::of_args(["--ini", "/etc/passwd"]) };
    let found = load_source(&source).expect_err("nothing is read");
    assert!(found[0].message.ends_with("nothing is opened here"), "{found:?}");
}

#[test]
fn options_that_set_options_without_end_are_an_error() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", &format!("[uwsgi]\nset = {}a=b\n", "set=".repeat(200_000)));
    let found = errors(&["--ini", &ini]);
    assert!(found.iter().any(|error| error.ends_with("the option leads back to itself")));
}

/// Two names in each of the files, so that all of them together would take years.
#[test]
fn files_that_name_each_other_twice_are_an_error_at_once() {
    let folder = Folder::new();
    let ini = folder.file("a.ini", "[uwsgi]\ninclude = %p\ninclude = %p\n");
    let found = errors(&["--ini", &ini]);
    assert!(found[0].contains("name each other"), "{found:?}");
}
