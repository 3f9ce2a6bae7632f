//! The table never lies: what a row's status says is what becomes of the option.

use uwsgi_plugin_api::{Argument, OptionKind, OptionRow, Status};

use super::*;

/// Values for options that take only some, and whose reading shows in the result.
const SAMPLES: &[(&str, &str)] = &[
    ("protocol", "http"),
    ("add-header", "X-Sample: 1"),
    ("error-page", "503 x.html"),
    ("trusted-proxies", "10.0.0.0/8"),
    ("trusted-headers", "forwarded"),
    ("proxy-protocol-from", "10.0.0.0/8"),
    ("chmod-socket", "600"),
    ("umask", "077"),
    ("env", "A=B"),
    ("envdir", "."),
    ("early-envdir", "."),
    ("ienv", "A=B"),
    ("set", "a=b"),
    ("set-ph", "a=b"),
    ("declare-option", "a=b=$1"),
    ("declare-option2", "a=b=$1"),
    ("profile", "production"),
    ("log-date", "%H"),
    ("logto", "x.log"),
    ("daemonize", "x.log"),
    ("signal", "127.0.0.1:1,1"),
    ("for", "a b"),
    ("for-times", "2"),
    ("http-keepalive", "9"),
    ("stats", "127.0.0.1:0"),
    ("health", "127.0.0.1:0"),
    ("cron", "1 2 3 4 5 x"),
    ("unique-cron", "1 2 3 4 5 x"),
    ("cron2", "minute=1 x"),
    ("smart-attach-daemon", "a.pid x"),
    ("smart-attach-daemon2", "a.pid x"),
    ("attach-daemon2", "cmd=x"),
    ("touch-exec", "a.file x"),
    ("signals", "gunicorn"),
    ("reload-check", "GET / 200"),
    ("hook-asap", "print:x"),
    ("hook-pre-jail", "print:x"),
    ("hook-post-jail", "print:x"),
    ("hook-in-jail", "print:x"),
    ("hook-as-root", "print:x"),
    ("hook-as-user", "print:x"),
    ("hook-as-user-atexit", "print:x"),
    ("hook-pre-app", "print:x"),
    ("hook-post-app", "print:x"),
    ("hook-post-fork", "print:x"),
    ("hook-accepting", "print:x"),
    ("hook-accepting-once", "print:x"),
    ("hook-accepting1", "print:x"),
    ("hook-accepting1-once", "print:x"),
    ("hook-master-start", "print:x"),
    ("hook-touch", "file print:x"),
    ("mount-asap", "tmpfs none /mnt"),
    ("mount-pre-jail", "tmpfs none /mnt"),
    ("mount-post-jail", "tmpfs none /mnt"),
    ("mount-in-jail", "tmpfs none /mnt"),
    ("mount-as-root", "tmpfs none /mnt"),
    ("unshare", "uts"),
    ("unshare2", "uts"),
    ("pivot-root", "new old"),
    ("cap", "setgid"),
    ("prio", "7"),
    ("harakiri-graceful-signal", "10"),
    ("http-var", "A=B"),
];

fn sample(row: &OptionRow) -> &'static str {
    let known = SAMPLES.iter().find(|(name, _)| *name == row.name);
    match row.kind {
        _ if known.is_some() => known.expect("it was just found").1,
        OptionKind::Flag => "true",
        OptionKind::NegativeFlag => "false",
        kind if kind.is_number() => "77",
        OptionKind::KeyValueList => "a=b",
        _ => "sample",
    }
}

fn given(row: &OptionRow, value: &str) -> Source {
    Source::of_args([format!("--{}={value}", row.name)])
}

/// What a reading comes to, besides the list that plugins are given.
fn outcome(source: &Source) -> String {
    let machine = magic::tests::machine();
    let registry = Registry::new(&[]);
    let reading = read(&registry, source, &machine);
    let other = (
        reading.question.clone(),
        reading.fallback.clone(),
        reading.notes.clone(),
        reading.strict,
        reading.shown(&registry),
        reading.early.clone(),
        reading.directives.len(),
        reading.problems.len(),
    );
    match finish(reading, &registry, &machine) {
        Ok((config, problems)) => {
            let config = Config { settings: Default::default(), ..config };
            format!("{config:?} {other:?} {}", problems.len())
        }
        Err(problems) => format!("{problems:?} {other:?}"),
    }
}

/// Options that only have an effect beside others, or in a place that this test does not look at; where they are tested.
const ELSEWHERE: &[(&str, &str)] = &[
    ("blacklist", "tests/configuration, custom"),
    ("whitelist", "tests/configuration, custom"),
    ("end-blacklist", "tests/configuration, custom"),
    ("end-whitelist", "tests/configuration, custom"),
    ("declare-option", "tests/configuration, custom"),
    ("declare-option2", "config::tests::composition"),
    ("ienv", "config::tests::composition"),
    ("set", "config::tests, set_makes_options_and_placeholders"),
    ("set-ph", "config::tests, set_makes_options_and_placeholders"),
    ("else", "config::tests::logic"),
    ("endif", "tests/configuration, logic"),
    ("endfor", "tests/configuration, logic"),
    ("if-reload", "tests/configuration, logic"),
    ("if-not-reload", "tests/configuration, logic"),
    ("get", "tests/configuration, answers"),
    ("print", "tests/configuration, answers"),
    ("plugins-list", "tests/configuration, answers"),
    ("ping-timeout", "control"),
    ("reload-on-exception", "tests/behaviour, recycling"),
    ("harakiri-graceful-signal", "tests/behaviour, harakiri"),
    ("cheaper-initial", "config::tests::scaling, which sets cheaper beside it"),
    ("plugins", "config::tests, built_in_plugins_are_accepted_by_their_usual_names"),
    ("allow-unsupported", "config::tests::table"),
    ("cron-harakiri", "config::finish::jobs"),
    ("daemons-honour-stdin", "config::finish::jobs"),
];

#[test]
fn a_working_option_changes_something() {
    let registry = Registry::new(&[]);
    let works = registry.rows().iter().filter(|row| row.status == Status::Works);
    let idle: Vec<_> = works
        .filter(|row| !ELSEWHERE.iter().any(|(name, _)| *name == row.name))
        .filter(|row| {
            let value = sample(row);
            let other = if row.kind.is_flag() {
                if value == "true" { "false" } else { "true" }
            } else if row.argument == Argument::Optional {
                ""
            } else {
                return outcome(&given(row, value)) == outcome(&nothing_known(value));
            };
            outcome(&given(row, value)) == outcome(&given(row, other))
        })
        .map(|row| row.name)
        .collect();
    assert!(idle.is_empty(), "these change nothing: {}", idle.join(" "));
}

/// A placeholder of the same length, so that only the meaning of the option can make a difference.
fn nothing_known(value: &str) -> Source {
    Source::of_args([format!("--set-ph=zzz={value}")])
}

#[test]
fn every_other_option_is_answered_as_its_status_says() {
    let registry = Registry::new(&[]);
    let machine = magic::tests::machine();
    for row in registry.rows() {
        let (severity, begin) = match row.status {
            Status::Works => continue,
            Status::NoEffect(_) => (Severity::Hint, "has no effect here: "),
            Status::Missing(_) => (Severity::Warning, "is not supported: "),
            Status::Unsupported(_) => (Severity::Error, "is not supported: "),
        };
        // A negative flag is given by its name alone.
        let on = if row.kind.is_flag() { "true" } else { sample(row) };
        let problems = match load(&registry, &given(row, on), &machine) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        let said = problems.iter().any(|problem| {
            problem.severity == severity
                && problem.option == row.name
                && problem.message.starts_with(begin)
        });
        assert!(said, "{}: {problems:?}", row.name);
    }
}

#[test]
fn what_is_switched_off_lacks_nothing() {
    let registry = Registry::new(&[]);
    let machine = magic::tests::machine();
    let lacking = |row: &&&OptionRow| {
        let lacks = matches!(row.status, Status::Missing(_) | Status::Unsupported(_));
        lacks && row.kind == OptionKind::Flag
    };
    for row in registry.rows().iter().filter(lacking) {
        let loaded = load(&registry, &given(row, "false"), &machine);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{}: {problems:?}", row.name));
        assert!(!loaded.warnings.iter().any(|problem| problem.option == row.name), "{}", row.name);
    }
}

#[test]
fn unsupported_options_can_be_allowed() {
    let registry = Registry::new(&[]);
    let row = registry.rows().iter().find(|row| matches!(row.status, Status::Unsupported(_)));
    let row = row.expect("some option is not supported yet");
    let option = format!("--{}={}", row.name, sample(row));
    let source = Source::of_args([option.as_str(), "--allow-unsupported"]);
    let loaded = load(&registry, &source, &magic::tests::machine()).expect("it starts");
    assert!(loaded.warnings[0].message.starts_with("is not supported: "));
    assert!(loaded.warnings[0].severity == Severity::Warning);
}
