//! Which application answers a path.
//!
//! The rules are uWSGI's (behaviour note 4.4), without its mistake of taking whatever was loaded first for
//! the default application: a request that no mount point matches goes to the application without one.

use crate::site::is_host;

/// Where applications are mounted. Built once, asked for every request.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    /// Longest path first; of equal ones, those of a host first.
    points: Vec<Point>,
    /// The application without a mount point.
    default: Option<u16>,
    /// Those of the form `host|`.
    host_defaults: Vec<(Box<[u8]>, u16)>,
    rules: MountRules,
}

#[derive(Clone, Debug)]
struct Point {
    /// In lower case; `None` for all hosts.
    host: Option<Box<[u8]>>,
    path: Box<[u8]>,
    app: u16,
}

impl Point {
    fn is_of(&self, host: &[u8]) -> bool {
        self.host.as_deref().is_none_or(|own| is_host(host, own))
    }
}

/// How an application is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MountRules {
    /// `manage-script-name`: match mount points against PATH_INFO.
    pub manage_script_name: bool,
    /// `ignore-script-name`: SCRIPT_NAME does not choose the application.
    pub ignore_script_name: bool,
    /// `no-default-app`: what matches no mount point is not served.
    pub no_default: bool,
    /// `vhost`: mount points may have a host, as `host|/path`.
    pub by_host: bool,
}

/// What a request says about the application that it is for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// `UWSGI_APPID`.
    pub app_id: Option<&'a [u8]>,
    /// `SCRIPT_NAME`.
    pub script_name: Option<&'a [u8]>,
    /// `PATH_INFO`.
    pub path_info: &'a [u8],
    /// The host, as [`crate::site::mounted_host`] gives it.
    pub host: &'a [u8],
}

/// The application for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its number.
    pub app: u16,
    /// So many bytes at the start of PATH_INFO become SCRIPT_NAME; `None` leaves both as they came.
    pub moved: Option<usize>,
    /// Nothing names it: it answers what no other one does. What the request names itself comes before it.
    pub by_default: bool,
}

impl Mounts {
    /// Without any application.
    pub fn new(rules: MountRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Mounts application `app`. The empty mount point and `/` are the default application; of two at the
    /// same point the first stays, and the result is false.
    pub fn add(&mut self, point: &[u8], app: u16) -> bool {
        let (host, path) = self.split(point);
        let path = path.strip_suffix(b"/").unwrap_or(path);
        match (host, path.is_empty()) {
            (None, true) => {
                let free = self.default.is_none();
                self.default.get_or_insert(app);
                free
            }
            (Some(host), true) => {
                let free = self.host_default(&host).is_none();
                if free {
                    self.host_defaults.push((host, app));
                }
                free
            }
            (host, false) => self.add_point(Point { host, path: path.into(), app }),
        }
    }

    fn add_point(&mut self, point: Point) -> bool {
        if self.points.iter().any(|other| other.path == point.path && other.host == point.host) {
            return false;
        }
        let rank = |point: &Point| (point.path.len(), point.host.is_some());
        let place = self.points.partition_point(|other| rank(other) >= rank(&point));
        self.points.insert(place, point);
        true
    }

    /// Host, in lower case, and path of a mount point.
    fn split<'a>(&self, point: &'a [u8]) -> (Option<Box<[u8]>>, &'a [u8]) {
        let bar = point.iter().position(|byte| *byte == b'|').filter(|_| self.rules.by_host);
        let Some(bar) = bar else { return (None, point) };
        let mut host = Vec::new();
        crate::site::put_host(&point[..bar], &mut host);
        ((!host.is_empty()).then(|| host.into()), &point[bar + 1..])
    }

    /// Whether this application answers what no mount point matches.
    pub fn is_default(&self, app: u16) -> bool {
        self.default == Some(app) && !self.rules.no_default
    }

    /// The application for a request: by `UWSGI_APPID`, else by `SCRIPT_NAME`, each exactly; else by the longest
    /// mount point that PATH_INFO is or continues after a `/` (with `manage-script-name`); else the default, of the
    /// request's host or of all.
    #[inline]
    pub fn choose(&self, asked: Asked<'_>) -> Option<Chosen> {
        let script_name = if self.rules.ignore_script_name { None } else { asked.script_name };
        let key = asked.app_id.or(script_name).filter(|key| !key.is_empty());
        if self.points.is_empty() {
            return self.fallback(key, asked.host);
        }
        let exact = key.and_then(|key| self.exact(key, asked.host));
        if let Some(app) = exact {
            return Some(Chosen { app, moved: None, by_default: false });
        }
        if self.rules.manage_script_name {
            let mut points = self.points.iter();
            let under = points
                .find(|point| continues(asked.path_info, &point.path) && point.is_of(asked.host));
            if let Some(point) = under {
                let moved = Some(point.path.len());
                return Some(Chosen { app: point.app, moved, by_default: false });
            }
        }
        self.fallback(key, asked.host)
    }

    fn exact(&self, key: &[u8], host: &[u8]) -> Option<u16> {
        let key = key.strip_suffix(b"/").unwrap_or(key);
        let point = self.points.iter().find(|point| *point.path == *key && point.is_of(host));
        point.map(|point| point.app)
    }

    /// An application without a path is what an empty key names, where it has the key's host.
    #[inline]
    fn fallback(&self, key: Option<&[u8]>, host: &[u8]) -> Option<Chosen> {
        if self.rules.no_default {
            return None;
        }
        if let Some(app) = self.host_default(host) {
            return Some(Chosen { app, moved: None, by_default: key.is_some() });
        }
        let by_default = self.rules.by_host || key.is_some();
        self.default.map(|app| Chosen { app, moved: None, by_default })
    }

    fn host_default(&self, host: &[u8]) -> Option<u16> {
        self.host_defaults.iter().find(|(own, _)| is_host(host, own)).map(|(_, app)| *app)
    }
}

fn continues(path: &[u8], point: &[u8]) -> bool {
    path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(rules: MountRules) -> Mounts {
        let mut mounts = Mounts::new(rules);
        for (app, point) in ["/one", "", "/one/two", "/three/"].into_iter().enumerate() {
            assert!(mounts.add(point.as_bytes(), app as u16));
        }
        mounts
    }

    fn managed() -> Mounts {
        mounts(MountRules { manage_script_name: true, ..MountRules::default() })
    }

    fn asked<'a>(
        app_id: Option<&'a str>,
        script_name: Option<&'a str>,
        path_info: &'a str,
    ) -> Asked<'a> {
        Asked {
            app_id: app_id.map(str::as_bytes),
            script_name: script_name.map(str::as_bytes),
            path_info: path_info.as_bytes(),
            host: b"",
        }
    }

    fn app(chosen: Option<Chosen>) -> Option<u16> {
        chosen.map(|chosen| chosen.app)
    }

    #[test]
    fn the_longest_mount_point_wins_and_ends_at_a_slash() {
        for (path, expected, moved) in [
            ("/one", 0, Some(4)),
            ("/one/", 0, Some(4)),
            ("/one/x", 0, Some(4)),
            ("/one/two", 2, Some(8)),
            ("/one/twofold", 0, Some(4)),
            ("/onetwo", 1, None),
            ("/three/x", 3, Some(6)),
            ("/", 1, None),
            ("", 1, None),
        ] {
            let chosen = managed().choose(asked(None, Some(""), path)).unwrap();
            assert_eq!((chosen.app, chosen.moved), (expected, moved), "{path}");
        }
    }

    #[test]
    fn script_name_and_app_id_choose_exactly() {
        let mounts = mounts(MountRules::default());
        assert_eq!(app(mounts.choose(asked(None, Some("/one"), "/x"))), Some(0));
        assert_eq!(app(mounts.choose(asked(None, Some("/one/x"), "/x"))), Some(1));
        assert_eq!(app(mounts.choose(asked(Some("/one/two"), Some("/one"), "/x"))), Some(2));
        assert_eq!(
            app(mounts.choose(asked(None, None, "/one/x"))),
            Some(1),
            "without manage-script-name"
        );
        let ignoring =
            self::mounts(MountRules { ignore_script_name: true, ..MountRules::default() });
        assert_eq!(app(ignoring.choose(asked(None, Some("/one"), "/x"))), Some(1));
    }

    #[test]
    fn only_the_application_without_a_mount_point_is_the_default() {
        let mut mounts = Mounts::new(MountRules::default());
        mounts.add(b"/one", 0);
        assert_eq!(mounts.choose(asked(None, None, "/x")), None);
        assert!(mounts.add(b"/", 1));
        assert!(mounts.is_default(1) && !mounts.is_default(0));
        assert_eq!(app(mounts.choose(asked(None, None, "/x"))), Some(1));
        assert!(!mounts.add(b"", 2), "the first stays");
        assert!(!mounts.add(b"/one/", 3), "the first stays");
        let strict = self::mounts(MountRules { no_default: true, ..MountRules::default() });
        assert_eq!(strict.choose(asked(None, None, "/x")), None);
    }

    #[test]
    fn hosts_are_part_of_mount_points() {
        let rules = MountRules { by_host: true, manage_script_name: true, ..MountRules::default() };
        let mut mounts = Mounts::new(rules);
        let points = ["", "/x", "A.example:80|/x", "a.example|/x/y", "b.example|", "|/z"];
        for (app, point) in points.into_iter().enumerate() {
            assert!(mounts.add(point.as_bytes(), app as u16), "{point}");
        }
        assert!(!mounts.add(b"a.example|/x/", 9) && !mounts.add(b"B.example|/", 9));
        for (host, script_name, path, expected) in [
            ("a.example", "/x", "/", (2, false)),
            ("A.EXAMPLE:8080", "/x", "/", (2, false)),
            ("c.example", "/x", "/", (1, false)),
            ("a.example", "", "/x/y/z", (3, false)),
            ("a.example", "", "/x/z", (2, false)),
            ("c.example", "", "/x/y/z", (1, false)),
            ("c.example", "", "/z", (5, false)),
            ("b.example", "", "/", (4, false)),
            ("b.example", "/other", "/", (4, true)),
            ("c.example", "", "/", (0, true)),
            ("", "", "/", (0, true)),
        ] {
            let asked = Asked { host: host.as_bytes(), ..asked(None, Some(script_name), path) };
            let chosen = mounts.choose(asked).unwrap();
            assert_eq!((chosen.app, chosen.by_default), expected, "{host} {script_name} {path}");
        }
    }

    #[test]
    fn without_hosts_the_empty_key_names_the_application_without_a_mount_point() {
        let mut mounts = Mounts::new(MountRules::default());
        mounts.add(b"", 0);
        mounts.add(b"a|/x", 1);
        let chosen = |key| mounts.choose(asked(None, Some(key), "/")).unwrap();
        assert_eq!((chosen("").app, chosen("").by_default), (0, false));
        assert_eq!((chosen("/y").app, chosen("/y").by_default), (0, true));
        assert_eq!(chosen("a|/x").app, 1, "a bar is nothing special then");
    }
}
