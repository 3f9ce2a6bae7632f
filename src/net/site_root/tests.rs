use std::os::unix::fs::symlink;

use proptest::prelude::*;
use uwsgi_plugin_api::SiteRules;
use uwsgi_protocol::Vars;

use super::*;

/// A root with an application and a virtualenv, and a file beside it.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let library = path("root/venv/lib/python3.11/site-packages/shop");
        std::fs::create_dir_all(&library).unwrap();
        std::fs::create_dir_all(path("root/site/package")).unwrap();
        std::fs::create_dir_all(path("root-not/site")).unwrap();
        for file in ["root/site/app.py", "root-not/site/app.py", "secret.py"] {
            std::fs::write(path(file), "").unwrap();
        }
        symlink(path("secret.py"), path("root/site/link.py")).unwrap();
        symlink("..", path("root/up")).unwrap();
        symlink(path("root"), path("alias")).unwrap();
        nix::unistd::mkfifo(&path("root/site/pipe.py"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        Self { dir }
    }

    /// What becomes of these variables; `@` stands for the folder of the test.
    fn asked(&self, pairs: &[(&str, &str)], root: Option<&str>) -> Result<(), String> {
        let mut vars = Vars::default();
        let folder = self.dir.path().to_str().unwrap();
        for (name, value) in pairs {
            vars.set(b"", name.as_bytes(), value.replace('@', folder).as_bytes());
        }
        let roots: Vec<PathBuf> = root.iter().map(|root| self.dir.path().join(root)).collect();
        let site = Site::wanted(vars.view(b""), SiteRules::default()).unwrap();
        approve(&site, &roots).map_err(|denied| denied.to_string())
    }
}

const CHDIR: (&str, &str) = ("UWSGI_CHDIR", "@/root/site");
const HOME: (&str, &str) = ("UWSGI_PYHOME", "@/root/venv");

#[test]
fn what_lies_below_a_root_is_approved() {
    let place = Place::new();
    for pairs in [
        &[("UWSGI_FILE", "@/root/site/app.py")][..],
        &[("UWSGI_FILE", "@//root/./site/../site/app.py")],
        &[("UWSGI_FILE", "@/alias/site/app.py")],
        &[("UWSGI_SCRIPT", "@/root/site/app.py")],
        &[("UWSGI_SCRIPT", "app.py"), CHDIR],
        &[("UWSGI_FILE", "app.py"), CHDIR, ("UWSGI_TOUCH_RELOAD", "later")],
        &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_TOUCH_RELOAD", "@/root/site/app.py")],
        &[("UWSGI_MODULE", "package.inner"), CHDIR],
        &[("UWSGI_SCRIPT", "@/root/site/app.py:make()")],
        &[("UWSGI_SCRIPT", "app.py:application"), CHDIR],
        &[("UWSGI_SCRIPT", "shop.wsgi:make"), HOME],
        &[("UWSGI_SCRIPT", "shop.wsgi"), HOME],
        &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_CALLABLE", "make_app()")],
        &[("UWSGI_SCRIPT", "app:application"), CHDIR, HOME, ("UWSGI_SETENV", "A_1=x=y z")],
    ] {
        assert_eq!(place.asked(pairs, Some("root")), Ok(()), "{pairs:?}");
        assert_eq!(place.asked(pairs, None), Ok(()), "{pairs:?} without a root");
    }
}

#[test]
fn what_lies_elsewhere_is_not() {
    let place = Place::new();
    let huge = "x/".repeat(40_000);
    for (pairs, expected) in [
        (&[("UWSGI_FILE", "@/secret.py")][..], "UWSGI_FILE=\""),
        (
            &[("UWSGI_FILE", "@/root/../secret.py")],
            "does not lie below dynamic-apps-root; accepted: paths below",
        ),
        (&[("UWSGI_FILE", "@/root/site/link.py")], "does not lie below"),
        (&[("UWSGI_FILE", "@/root/up/secret.py")], "does not lie below"),
        (&[("UWSGI_FILE", "@/root-not/site/app.py")], "does not lie below"),
        (&[("UWSGI_FILE", "/proc/self/root@/secret.py")], "does not lie below"),
        (&[("UWSGI_FILE", "/proc/self/cwd/Cargo.toml")], "does not lie below"),
        (&[("UWSGI_FILE", "/etc/passwd")], "UWSGI_FILE=\"/etc/passwd\": does not lie below"),
        (&[("UWSGI_FILE", "app.py")], "is no absolute path"),
        (&[("UWSGI_FILE", "../../secret.py"), CHDIR], "does not lie below"),
        (&[("UWSGI_FILE", "@/root/site")], "is no file"),
        (&[("UWSGI_FILE", "@/root/site/pipe.py")], "is no file"),
        (&[("UWSGI_FILE", "@/root/site/none.py")], "cannot be found"),
        (&[("UWSGI_FILE", &huge)], "UWSGI_FILE=\"x/x/"),
        (&[("UWSGI_SCRIPT", "@/secret.py")], "UWSGI_SCRIPT=\""),
        (&[("UWSGI_SCRIPT", "secret.py")], "is no absolute path"),
        (&[("UWSGI_SCRIPT", "@/secret.py:app")], "does not lie below"),
        (&[("UWSGI_SCRIPT", "link.py:app"), CHDIR], "does not lie below"),
        (
            &[("UWSGI_SCRIPT", "app:os.system"), CHDIR],
            "UWSGI_SCRIPT=\"os.system\": leads out of its module",
        ),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_CALLABLE", "os.abort()")],
            "leads out of its module",
        ),
        (&[("UWSGI_SCRIPT", "os:system")], "is no module there"),
        (
            &[("UWSGI_MODULE", "os"), ("UWSGI_CALLABLE", "system")],
            "UWSGI_MODULE=\"os\": is no module there",
        ),
        (&[("UWSGI_MODULE", "os"), CHDIR], "is no module there"),
        (&[("UWSGI_MODULE", "os"), HOME], "is no module there"),
        (&[("UWSGI_MODULE", "link"), CHDIR], "UWSGI_MODULE=\"link\": does not lie below"),
        (&[("UWSGI_MODULE", "app"), ("UWSGI_CHDIR", "@/root-not/site")], "UWSGI_CHDIR=\""),
        (&[("UWSGI_MODULE", "app"), ("UWSGI_CHDIR", "/")], "UWSGI_CHDIR=\"/\": does not lie"),
        (&[("UWSGI_MODULE", "app"), ("UWSGI_CHDIR", "site")], "is no absolute path"),
        (&[("UWSGI_MODULE", "app"), ("UWSGI_CHDIR", "@/root/site/app.py")], "is no directory"),
        (&[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_PYHOME", "@/root/up")], "UWSGI_PYHOME=\""),
        (&[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_HOME", "/usr")], "UWSGI_PYHOME=\"/usr\""),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_TOUCH_RELOAD", "/etc/passwd")],
            "UWSGI_TOUCH_RELOAD",
        ),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_TOUCH_RELOAD", "../../x")],
            "UWSGI_TOUCH_RELOAD",
        ),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_TOUCH_RELOAD", "link.py")],
            "does not lie below",
        ),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_SETENV", "LD_PRELOAD=/x.so")],
            "accepted: any but LD_*",
        ),
        (
            &[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_SETENV", "PYTHONPATH=/x")],
            "UWSGI_SETENV=\"PYTHONPATH=/x\"",
        ),
        (&[("UWSGI_MODULE", "app"), CHDIR, ("UWSGI_SETENV", "PATH=/x")], "UWSGI_SETENV"),
    ] {
        let error = place.asked(pairs, Some("root")).unwrap_err();
        assert!(error.contains(expected) && error.len() < 800, "{pairs:?}: {error}");
    }
}

#[test]
fn what_is_never_right_is_refused_without_roots() {
    let place = Place::new();
    for pairs in [
        &[("UWSGI_MODULE", "../x")][..],
        &[("UWSGI_MODULE", "a/b")],
        &[("UWSGI_MODULE", "a..b")],
        &[("UWSGI_MODULE", ".a")],
        &[("UWSGI_MODULE", "a.")],
        &[("UWSGI_MODULE", "1a")],
        &[("UWSGI_MODULE", "a b")],
        &[("UWSGI_MODULE", "a;b")],
        &[("UWSGI_MODULE", "os:system")],
        &[("UWSGI_SCRIPT", "a b:c")],
        &[("UWSGI_SCRIPT", ":app")],
        &[("UWSGI_SCRIPT", "a:b:c")],
        &[("UWSGI_SCRIPT", "a:b(1)")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_CALLABLE", "__import__('os')")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_CALLABLE", "a.")],
        &[("UWSGI_SCRIPT", "a\n[pid: 1]")],
        &[("UWSGI_FILE", "/x\0y")],
        &[("UWSGI_FILE", "/x\ry")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_CALLABLE", "a\nb")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_CHDIR", "/\0")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_PYHOME", "/\n")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_APPID", "x\n")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_TOUCH_RELOAD", "x\n")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_SETENV", "A=1\n2")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_SETENV", "A")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_SETENV", "=1")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_SETENV", "A-B=1")],
        &[("UWSGI_MODULE", "app"), ("UWSGI_SETENV", "1A=1")],
    ] {
        let error = place.asked(pairs, None).unwrap_err();
        assert!(error.contains("accepted: ") && !error.contains('\n'), "{pairs:?}: {error}");
    }
    assert_eq!(place.asked(&[("UWSGI_SCRIPT", "/etc/passwd")], None), Ok(()), "the admin's wish");
}

#[test]
fn bytes_that_are_no_text_are_shown_escaped() {
    let mut vars = Vars::default();
    vars.set(b"", b"UWSGI_MODULE", b"a\xff\x1b");
    let site = Site::wanted(vars.view(b""), SiteRules::default()).unwrap();
    let error = approve(&site, &[]).unwrap_err().to_string();
    assert!(error.starts_with("UWSGI_MODULE=\"a\\xff\\x1b\": is no module; accepted: "), "{error}");
}

#[test]
fn a_root_that_is_not_there_holds_nothing() {
    let place = Place::new();
    let error = place.asked(&[("UWSGI_FILE", "@/root/site/app.py")], Some("none")).unwrap_err();
    assert!(error.contains("does not lie below"), "{error}");
}

/// Pieces of paths that go up, over links, in circles, or nowhere.
const PIECES: [&str; 11] =
    ["..", ".", "", "root", "root-not", "site", "up", "app.py", "link.py", "secret.py", "package"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is approved is opened by the same name; the kernel says where that lies.
    #[test]
    fn no_path_leads_out_of_a_root(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..9),
        chdir in prop::option::of(prop::collection::vec(prop::sample::select(&PIECES[..]), 0..5)),
    ) {
        thread_local!(static PLACE: Place = Place::new());
        PLACE.with(|place| {
            let below = |pieces: &[&str]| format!("@/{}", pieces.join("/"));
            let folder = chdir.map(|pieces| below(&pieces));
            let file = match folder {
                Some(_) => pieces.join("/"),
                None => below(&pieces),
            };
            prop_assume!(!file.is_empty(), "names nothing");
            let mut pairs = vec![("UWSGI_FILE", &*file)];
            pairs.extend(folder.as_deref().map(|folder| ("UWSGI_CHDIR", folder)));
            let base = place.dir.path();
            let real = |name: &str| name.replace('@', base.to_str().unwrap());
            let path = Path::new(&folder.as_deref().map(real).unwrap_or_default()).join(real(&file));
            let opened = path.is_file().then(|| std::fs::File::open(&path).unwrap());
            let found = opened.map(|file| {
                let number = std::os::fd::AsRawFd::as_raw_fd(&file);
                std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap()
            });
            let root = base.canonicalize().unwrap().join("root");
            let inside = |path: &Path| path.starts_with(&root);
            let folder_inside = folder.as_deref().is_none_or(|folder| {
                Path::new(&real(folder)).canonicalize().is_ok_and(|path| inside(&path) && path.is_dir())
            });
            let expected = folder_inside && found.as_deref().is_some_and(inside);
            let approved = place.asked(&pairs, Some("root"));
            prop_assert_eq!(approved.is_ok(), expected, "{:?}: {:?}", pairs, approved);
            Ok(())
        })?;
    }
}
