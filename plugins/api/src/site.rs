//! Which application a request asks for by its variables, and which site that makes it part of.
//!
//! A front end names applications by `UWSGI_SCRIPT` and its like (behaviour notes 4.3 and 4.4). uWSGI tells them apart by
//! host and `SCRIPT_NAME` alone, so that of two locations of one nginx server that name different applications and no
//! `SCRIPT_NAME`, whichever is asked for first answers both. Here what is named is part of the key.
//!
//! Deliberately absent: whether a peer may name applications, which the server decides before a plugin sees the request
//! ([`crate::Request::wish`]).

use uwsgi_protocol::{Known, VarsView};

/// How sites are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SiteRules {
    /// `vhost`: by the host as well.
    pub by_host: bool,
    /// `vhost-host`: the host is what the client says, never `SERVER_NAME`.
    pub host_header_only: bool,
    /// `ignore-script-name`: SCRIPT_NAME does not choose.
    pub ignore_script_name: bool,
}

/// Where an application comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source<'a> {
    /// `UWSGI_SCRIPT`: `module`, `module:callable` or a file.
    Script(&'a [u8]),
    /// `UWSGI_MODULE`: a module.
    Module(&'a [u8]),
    /// `UWSGI_FILE`: a file.
    File(&'a [u8]),
}

impl<'a> Source<'a> {
    /// As it was named.
    pub fn text(self) -> &'a [u8] {
        match self {
            Self::Script(text) | Self::Module(text) | Self::File(text) => text,
        }
    }

    /// The module or file, and the callable behind a colon, which only a script has: a colon in a path begins none. As
    /// `split_source` in the Python plugin.
    pub fn parts(self) -> (&'a [u8], Option<&'a [u8]>) {
        let Self::Script(text) = self else { return (self.text(), None) };
        let Some(colon) = text.iter().rposition(|byte| *byte == b':') else { return (text, None) };
        let name = &text[colon + 1..];
        match name.contains(&b'/') || ends_as_file(name) {
            true => (text, None),
            false => (&text[..colon], Some(name)),
        }
    }
}

/// Whether a name ends as files with applications do. A module of a package may be called `wsgi`, too.
pub fn ends_as_file(name: &[u8]) -> bool {
    name.ends_with(b".py") || name.ends_with(b".wsgi")
}

/// What a request asks for. All texts are the peer's; none is checked.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The host in lower case without port is part of the key; this is as it came. Empty without `vhost`.
    pub host: &'a [u8],
    /// `UWSGI_APPID`, else `SCRIPT_NAME`: where it is mounted. May be empty.
    pub point: &'a [u8],
    /// What is to be loaded.
    pub source: Source<'a>,
    /// `UWSGI_CALLABLE`.
    pub callable: Option<&'a [u8]>,
    /// `UWSGI_PYHOME` or `UWSGI_HOME`: its virtualenv.
    pub home: Option<&'a [u8]>,
    /// `UWSGI_CHDIR`: the directory that it runs in.
    pub chdir: Option<&'a [u8]>,
    vars: VarsView<'a>,
}

impl<'a> Site<'a> {
    /// What these variables ask for; `None` where they name no application.
    #[inline]
    pub fn wanted(vars: VarsView<'a>, rules: SiteRules) -> Option<Self> {
        let some = |known| vars.get(known).filter(|value| !value.is_empty());
        let source = some(Known::UwsgiScript)
            .map(Source::Script)
            .or_else(|| some(Known::UwsgiModule).map(Source::Module))
            .or_else(|| some(Known::UwsgiFile).map(Source::File))?;
        let script_name = || some(Known::ScriptName).filter(|_| !rules.ignore_script_name);
        Some(Self {
            host: named_host(vars, rules),
            point: some(Known::UwsgiAppid).or_else(script_name).unwrap_or_default(),
            source,
            callable: some(Known::UwsgiCallable),
            home: some(Known::UwsgiPyhome).or_else(|| some(Known::UwsgiHome)),
            chdir: some(Known::UwsgiChdir),
            vars,
        })
    }

    /// `UWSGI_TOUCH_RELOAD`: the application is loaded again when this file changes.
    pub fn touch_reload(&self) -> Option<&'a [u8]> {
        self.vars.find(b"UWSGI_TOUCH_RELOAD").filter(|value| !value.is_empty())
    }

    /// `UWSGI_SETENV`, each `NAME=VALUE`, in their order.
    pub fn environment(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let vars = self.vars;
        vars.iter()
            .filter(move |(name, _)| vars.name(*name) == b"UWSGI_SETENV")
            .map(|(_, value)| value)
    }

    /// Puts the key into `out`, in place of what is there: equal for the same site, and for no other.
    pub fn key(&self, out: &mut Vec<u8>) {
        out.clear();
        let (kind, source) = match self.source {
            Source::Script(text) => (b's', text),
            Source::Module(text) => (b'm', text),
            Source::File(text) => (b'f', text),
        };
        out.push(kind);
        put_host(self.host, out);
        let of = |part: Option<&'a [u8]>| part.unwrap_or_default();
        for part in [self.point, source, of(self.callable), of(self.home), of(self.chdir)] {
            out.push(0);
            out.extend_from_slice(part);
        }
    }

    /// For people: `example.com|/shop shop.wsgi:app`, as far as there is something of each.
    pub fn name(&self) -> String {
        let mut text = Vec::new();
        put_host(self.host, &mut text);
        if !text.is_empty() {
            text.push(b'|');
        }
        text.extend_from_slice(self.point);
        if !text.is_empty() {
            text.push(b' ');
        }
        text.extend_from_slice(self.source.text());
        if let Some(callable) = self.callable {
            text.push(b':');
            text.extend_from_slice(callable);
        }
        String::from_utf8_lossy(&text).escape_debug().to_string()
    }
}

/// The host of a request where hosts tell sites apart, as it came; empty where they do not, or there is none. Mount points
/// of the form `host|/path` are compared with what the client says; see [`mounted_host`].
pub fn named_host(vars: VarsView<'_>, rules: SiteRules) -> &[u8] {
    if !rules.by_host {
        return &[];
    }
    // The front end's own name of the server comes first: a client that invents hosts would have an application loaded for
    // each.
    let own = vars.get(Known::ServerName).filter(|name| !name.is_empty() && *name != b"_");
    let own = own.filter(|_| !rules.host_header_only);
    own.or_else(|| vars.get(Known::Host)).unwrap_or_default()
}

/// The host that a client asks for, as mount points of the form `host|/path` have it: `HTTP_HOST`, else `SERVER_NAME`; empty
/// where hosts do not count.
pub fn mounted_host(vars: VarsView<'_>, rules: SiteRules) -> &[u8] {
    if !rules.by_host {
        return &[];
    }
    let host = vars.get(Known::Host).filter(|host| !host.is_empty());
    host.or_else(|| vars.get(Known::ServerName)).unwrap_or_default()
}

/// Appends a host in lower case, without its port and a last dot.
pub fn put_host(host: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    out.extend(without_port(host).iter().map(u8::to_ascii_lowercase));
    if out.len() > begin && out.last() == Some(&b'.') {
        out.pop();
    }
}

/// Whether a host as it came is this one, which [`put_host`] wrote.
pub fn is_host(host: &[u8], written: &[u8]) -> bool {
    let host = without_port(host);
    host.strip_suffix(b".").unwrap_or(host).eq_ignore_ascii_case(written)
}

fn without_port(host: &[u8]) -> &[u8] {
    let Some(colon) = host.iter().rposition(|byte| *byte == b':') else { return host };
    // An IPv6 address is written in brackets (RFC 3986, 3.2.2).
    if host[colon + 1..].iter().all(u8::is_ascii_digit) { &host[..colon] } else { host }
}

#[cfg(test)]
mod tests {
    use uwsgi_protocol::Vars;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> Vars {
        let mut vars = Vars::default();
        for (name, value) in pairs {
            vars.set(b"", name.as_bytes(), value.as_bytes());
        }
        vars
    }

    fn key(pairs: &[(&str, &str)], rules: SiteRules) -> Option<Vec<u8>> {
        let vars = vars(pairs);
        let mut key = Vec::new();
        Site::wanted(vars.view(b""), rules)?.key(&mut key);
        Some(key)
    }

    const BY_HOST: SiteRules =
        SiteRules { by_host: true, host_header_only: false, ignore_script_name: false };

    #[test]
    fn locations_of_one_server_are_sites_of_their_own() {
        let one = [("SERVER_NAME", "a.example"), ("UWSGI_SCRIPT", "one")];
        let of = |extra: &[(&'static str, &'static str)]| key(&[&one[..], extra].concat(), BY_HOST);
        let plain = of(&[]);
        assert!(plain.is_some());
        for other in [
            ("UWSGI_SCRIPT", "two"),
            ("UWSGI_CALLABLE", "app"),
            ("UWSGI_PYHOME", "/venv"),
            ("UWSGI_CHDIR", "/srv"),
            ("SCRIPT_NAME", "/x"),
            ("UWSGI_APPID", "x"),
            ("SERVER_NAME", "b.example"),
        ] {
            assert_ne!(of(&[other]), plain, "{other:?}");
        }
        for same in [
            ("SERVER_NAME", "A.Example."),
            ("SERVER_NAME", "a.example:8080"),
            ("HTTP_HOST", "z"),
            ("SCRIPT_NAME", ""),
        ] {
            assert_eq!(of(&[same]), plain, "{same:?}");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = key(&[("UWSGI_SCRIPT", "a"), ("UWSGI_CALLABLE", "b")], BY_HOST);
        let other = key(&[("UWSGI_SCRIPT", "ab")], BY_HOST);
        assert_ne!(one, other);
        assert_ne!(key(&[("UWSGI_FILE", "a")], BY_HOST), key(&[("UWSGI_MODULE", "a")], BY_HOST));
    }

    #[test]
    fn nothing_is_wanted_where_nothing_is_named() {
        assert_eq!(key(&[("UWSGI_CHDIR", "/srv"), ("UWSGI_APPID", "x")], BY_HOST), None);
        assert_eq!(key(&[("UWSGI_SCRIPT", "")], BY_HOST), None);
    }

    #[test]
    fn a_script_may_name_a_callable() {
        let parts = |source: Source<'static>| {
            let (place, callable) = source.parts();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            (text(place), callable.map(text))
        };
        let named = |place: &str, callable: &str| (place.to_owned(), Some(callable.to_owned()));
        assert_eq!(parts(Source::Script(b"shop.wsgi:app")), named("shop.wsgi", "app"));
        assert_eq!(parts(Source::Script(b"/srv/a.py:make()")), named("/srv/a.py", "make()"));
        for whole in ["shop", "/srv/a:b/c", "a:b.py", "a:b.wsgi"] {
            assert_eq!(parts(Source::Script(whole.as_bytes())), (whole.to_owned(), None));
        }
        assert_eq!(parts(Source::File(b"a:b")), ("a:b".to_owned(), None));
    }

    #[test]
    fn hosts_are_compared_without_case_port_and_last_dot() {
        for (host, expected) in [
            ("Example.COM", "example.com"),
            ("example.com:80", "example.com"),
            ("example.com.", "example.com"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("", ""),
            (".", ""),
        ] {
            let mut out = Vec::new();
            put_host(host.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{host}");
            assert!(is_host(host.as_bytes(), &out) && !is_host(b"other", &out), "{host}");
        }
    }

    #[test]
    fn a_name_is_for_people() {
        let vars = vars(&[
            ("SERVER_NAME", "a.example"),
            ("SCRIPT_NAME", "/shop"),
            ("UWSGI_MODULE", "shop"),
            ("UWSGI_CALLABLE", "app"),
            ("UWSGI_SETENV", "A=1"),
        ]);
        let site = Site::wanted(vars.view(b""), BY_HOST).unwrap();
        assert_eq!(site.name(), "a.example|/shop shop:app");
        assert_eq!(site.environment().collect::<Vec<_>>(), [b"A=1"]);
        assert_eq!(Site::wanted(vars.view(b""), SiteRules::default()).unwrap().host, b"");
    }

    #[test]
    fn mount_points_go_by_what_the_client_says() {
        let vars = vars(&[("SERVER_NAME", "a"), ("HTTP_HOST", "b")]);
        assert_eq!(mounted_host(vars.view(b""), BY_HOST), b"b");
        assert_eq!(mounted_host(vars.view(b""), SiteRules::default()), b"");
    }
}
