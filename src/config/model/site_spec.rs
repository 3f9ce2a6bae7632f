//! What a site is made of, as one process tells it to another.

use uwsgi_plugin_api::Site;
use uwsgi_plugin_api::site::{Source, put_host};

/// What a request has named, in owned texts: all of them are the peer's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteSpec {
    /// What tells it from others ([`Site::key`]).
    pub key: Vec<u8>,
    /// For people.
    pub name: String,
    /// Its host in lower case, without port; empty where hosts do not count.
    pub host: Vec<u8>,
    /// `UWSGI_FILE`, and not `UWSGI_SCRIPT` or `UWSGI_MODULE`.
    pub is_file: bool,
    /// What is to be loaded.
    pub source: Vec<u8>,
    /// `UWSGI_CALLABLE`; empty where it was not named, as all of the next.
    pub callable: Vec<u8>,
    /// `UWSGI_PYHOME`.
    pub home: Vec<u8>,
    /// `UWSGI_CHDIR`.
    pub chdir: Vec<u8>,
    /// `UWSGI_TOUCH_RELOAD`.
    pub touch: Vec<u8>,
    /// `UWSGI_SETENV`, each `NAME=VALUE`.
    pub environment: Vec<Vec<u8>>,
}

impl SiteSpec {
    /// What this request names.
    pub fn of(site: &Site<'_>) -> Self {
        let own = |part: Option<&[u8]>| part.unwrap_or_default().to_vec();
        let mut spec = Self {
            name: site.name(),
            is_file: matches!(site.source, Source::File(_)),
            source: site.source.text().to_vec(),
            callable: own(site.callable),
            home: own(site.home),
            chdir: own(site.chdir),
            touch: own(site.touch_reload()),
            environment: site.environment().map(<[u8]>::to_vec).collect(),
            ..Self::default()
        };
        site.key(&mut spec.key);
        put_host(site.host, &mut spec.host);
        spec
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let kind = [u8::from(self.is_file)];
        let mut parts: Vec<&[u8]> = vec![
            &self.key,
            self.name.as_bytes(),
            &self.host,
            &kind,
            &self.source,
            &self.callable,
            &self.home,
            &self.chdir,
            &self.touch,
        ];
        parts.extend(self.environment.iter().map(Vec::as_slice));
        join(&parts)
    }

    /// The one of these bytes; `None` for what no process of ours sends.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let parts = split(bytes)?;
        let [key, name, host, kind, source, callable, home, chdir, touch, environment @ ..] =
            parts.as_slice()
        else {
            return None;
        };
        Some(Self {
            key: key.to_vec(),
            name: String::from_utf8(name.to_vec()).ok()?,
            host: host.to_vec(),
            is_file: *kind == [1],
            source: source.to_vec(),
            callable: callable.to_vec(),
            home: home.to_vec(),
            chdir: chdir.to_vec(),
            touch: touch.to_vec(),
            environment: environment.iter().map(|one| one.to_vec()).collect(),
        })
    }
}

/// Byte strings one after the other, each behind its length.
pub fn join<T: AsRef<[u8]>>(parts: &[T]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in parts.iter().map(T::as_ref) {
        // Nothing that is passed on comes near to four gigabytes.
        bytes.extend_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// What [`join`] has joined; `None` for other bytes.
pub fn split(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        parts.push(part);
        bytes = rest;
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uwsgi_plugin_api::SiteRules;
    use uwsgi_protocol::Vars;

    use super::*;

    #[test]
    fn what_a_request_names_survives_its_bytes() {
        let mut vars = Vars::default();
        for (name, value) in [
            ("SERVER_NAME", "A.example:80"),
            ("UWSGI_FILE", "/srv/a.py"),
            ("UWSGI_CALLABLE", "app"),
            ("UWSGI_PYHOME", "/venv"),
            ("UWSGI_CHDIR", "/srv"),
            ("UWSGI_TOUCH_RELOAD", "/srv/touched"),
            ("UWSGI_SETENV", "A=1"),
        ] {
            vars.set(b"", name.as_bytes(), value.as_bytes());
        }
        let rules = SiteRules { by_host: true, ..SiteRules::default() };
        let spec = SiteSpec::of(&Site::wanted(vars.view(b""), rules).unwrap());
        assert_eq!((spec.host.as_slice(), spec.is_file), (&b"a.example"[..], true));
        assert_eq!(spec.environment, [b"A=1"]);
        assert_eq!(SiteSpec::decode(&spec.encode()), Some(spec));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(parts) = split(&bytes) {
                prop_assert_eq!(join(&parts), bytes.clone());
            }
            let _ = SiteSpec::decode(&bytes);
        }

        #[test]
        fn parts_survive(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9)) {
            let bytes = join(&parts);
            prop_assert_eq!(split(&bytes).unwrap(), parts);
        }
    }
}
