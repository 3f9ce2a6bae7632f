//! Which application answers a path.
//!
//! The rules are uWSGI's (behaviour note 4.4), without its mistake of taking whatever was loaded first for
//! the default application: a request that no mount point matches goes to the application without one.

/// Where applications are mounted. Built once, asked for every request.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    /// Longest mount point first.
    points: Vec<(Box<[u8]>, u16)>,
    default: Option<u16>,
    manage_script_name: bool,
    ignore_script_name: bool,
    no_default: bool,
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
}

/// The application for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Its number.
    pub app: u16,
    /// So many bytes at the start of PATH_INFO become SCRIPT_NAME; `None` leaves both as they came.
    pub moved: Option<usize>,
}

impl Mounts {
    /// Without any application.
    pub fn new(rules: MountRules) -> Self {
        Self {
            manage_script_name: rules.manage_script_name,
            ignore_script_name: rules.ignore_script_name,
            no_default: rules.no_default,
            ..Self::default()
        }
    }

    /// Mounts application `app`. The empty mount point and `/` are the default application; of two at the
    /// same point the first stays, and the result is false.
    pub fn add(&mut self, point: &[u8], app: u16) -> bool {
        let point = point.strip_suffix(b"/").unwrap_or(point);
        if point.is_empty() {
            let free = self.default.is_none();
            self.default.get_or_insert(app);
            return free;
        }
        if self.points.iter().any(|(taken, _)| **taken == *point) {
            return false;
        }
        let place = self.points.partition_point(|(other, _)| other.len() >= point.len());
        self.points.insert(place, (point.into(), app));
        true
    }

    /// Whether this application answers what no mount point matches.
    pub fn is_default(&self, app: u16) -> bool {
        self.default == Some(app) && !self.no_default
    }

    /// The application for a request: by `UWSGI_APPID`, else by `SCRIPT_NAME`, each exactly; else by the longest
    /// mount point that PATH_INFO is or continues after a `/` (with `manage-script-name`); else the default.
    #[inline]
    pub fn choose(
        &self,
        app_id: Option<&[u8]>,
        script_name: Option<&[u8]>,
        path_info: &[u8],
    ) -> Option<Chosen> {
        if self.points.is_empty() {
            return self.fallback();
        }
        let script_name = if self.ignore_script_name { None } else { script_name };
        let key = app_id.or(script_name).filter(|key| !key.is_empty());
        if let Some(app) = key.and_then(|key| self.exact(key)) {
            return Some(Chosen { app, moved: None });
        }
        if self.manage_script_name {
            let under = self.points.iter().find(|(point, _)| continues(path_info, point));
            if let Some((point, app)) = under {
                return Some(Chosen { app: *app, moved: Some(point.len()) });
            }
        }
        self.fallback()
    }

    fn exact(&self, key: &[u8]) -> Option<u16> {
        let key = key.strip_suffix(b"/").unwrap_or(key);
        self.points.iter().find(|(point, _)| **point == *key).map(|(_, app)| *app)
    }

    fn fallback(&self) -> Option<Chosen> {
        self.default.filter(|_| !self.no_default).map(|app| Chosen { app, moved: None })
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
            let chosen = managed().choose(None, Some(b""), path.as_bytes()).unwrap();
            assert_eq!((chosen.app, chosen.moved), (expected, moved), "{path}");
        }
    }

    #[test]
    fn script_name_and_app_id_choose_exactly() {
        let mounts = mounts(MountRules::default());
        assert_eq!(app(mounts.choose(None, Some(b"/one"), b"/x")), Some(0));
        assert_eq!(app(mounts.choose(None, Some(b"/one/x"), b"/x")), Some(1));
        assert_eq!(app(mounts.choose(Some(b"/one/two"), Some(b"/one"), b"/x")), Some(2));
        assert_eq!(
            app(mounts.choose(None, None, b"/one/x")),
            Some(1),
            "without manage-script-name"
        );
        let ignoring =
            self::mounts(MountRules { ignore_script_name: true, ..MountRules::default() });
        assert_eq!(app(ignoring.choose(None, Some(b"/one"), b"/x")), Some(1));
    }

    #[test]
    fn only_the_application_without_a_mount_point_is_the_default() {
        let mut mounts = Mounts::new(MountRules::default());
        mounts.add(b"/one", 0);
        assert_eq!(mounts.choose(None, None, b"/x"), None);
        assert!(mounts.add(b"/", 1));
        assert!(mounts.is_default(1) && !mounts.is_default(0));
        assert_eq!(app(mounts.choose(None, None, b"/x")), Some(1));
        assert!(!mounts.add(b"", 2), "the first stays");
        assert!(!mounts.add(b"/one/", 3), "the first stays");
        let strict = self::mounts(MountRules { no_default: true, ..MountRules::default() });
        assert_eq!(strict.choose(None, None, b"/x"), None);
    }
}
