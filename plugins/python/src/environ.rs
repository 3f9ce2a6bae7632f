//! The environ (PEP 3333, behaviour note 5.2).
//!
//! What is the same for every request of a socket lies in a template; a request gets a copy of it and sets what
//! differs, with keys that were made once.

use uwsgi_plugin_api::{Chosen, Known, Listener, Name, Request, WireProtocol};

use crate::ffi::{Object, Py, Raised, Ref};
use crate::names::Names;

/// Facts that are the same for all requests of a core.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) host_name: Vec<u8>,
    pub(crate) multithread: bool,
    pub(crate) multiprocess: bool,
    /// `uwsgi.core`, where there is more than one.
    pub(crate) core: Option<u16>,
}

/// Builds environs on one thread.
pub(crate) struct Environs {
    facts: Facts,
    file_wrapper: Option<Object>,
    errors: Object,
    known: Vec<Object>,
    names: Names,
    templates: Vec<Option<Object>>,
    keys: Keys,
}

struct Keys {
    input: Object,
    terminated: Object,
    scheme: Object,
    http: Object,
    https: Object,
}

impl Environs {
    pub(crate) fn new(
        py: Py<'_>,
        facts: Facts,
        file_wrapper: Option<Object>,
        errors: Object,
    ) -> Result<Self, Raised> {
        let known =
            Known::ALL.iter().map(|known| py.interned(known.as_str())).collect::<Result<_, _>>()?;
        let keys = Keys {
            input: py.interned("wsgi.input")?,
            terminated: py.interned("wsgi.input_terminated")?,
            scheme: py.interned("wsgi.url_scheme")?,
            http: py.interned("http")?,
            https: py.interned("https")?,
        };
        let names = Names::default();
        Ok(Self { facts, file_wrapper, errors, known, names, templates: Vec::new(), keys })
    }

    /// The environ of a request.
    pub(crate) fn build(
        &mut self,
        py: Py<'_>,
        request: &Request<'_>,
        chosen: Chosen,
        input: Ref<'_>,
    ) -> Result<Object, Raised> {
        let template = self.template(py, request.listener)?;
        let environ = template.borrowed().copy_dict(py)?;
        let dict = environ.borrowed();
        dict.set_item(py, self.keys.input.borrowed(), input)?;
        for (name, value) in request.vars.iter() {
            let value = py.latin1(value)?;
            match name {
                Name::Known(known) => {
                    dict.set_item(py, self.known[known as usize].borrowed(), value.borrowed())?;
                }
                Name::Other(span) => {
                    let name = request.vars.bytes(span);
                    if let Some(key) = self.names.key(py, name)? {
                        dict.set_item(py, key, value.borrowed())?;
                    }
                }
            }
        }
        self.set_rest(py, dict, request, chosen)?;
        Ok(environ)
    }

    /// What follows from the variables.
    fn set_rest(
        &self,
        py: Py<'_>,
        dict: Ref<'_>,
        request: &Request<'_>,
        chosen: Chosen,
    ) -> Result<(), Raised> {
        if let Some(scheme) = self.scheme(py, request)? {
            dict.set_item(py, self.keys.scheme.borrowed(), scheme.borrowed())?;
        }
        if request.body.chunked() {
            dict.set_item(py, self.keys.terminated.borrowed(), py.boolean(true))?;
        }
        if let Some(moved) = chosen.moved {
            let path = request.vars.get(Known::PathInfo).unwrap_or_default();
            let (script, rest) = path.split_at(moved.min(path.len()));
            for (known, value) in [(Known::ScriptName, script), (Known::PathInfo, rest)] {
                let value = py.latin1(value)?;
                dict.set_item(py, self.known[known as usize].borrowed(), value.borrowed())?;
            }
        }
        Ok(())
    }

    /// `wsgi.url_scheme` where it is not `http`: as uWSGI decides it. What a front end says counts only on the uwsgi protocol, for
    /// on an HTTP socket any client could say it.
    fn scheme(&self, py: Py<'_>, request: &Request<'_>) -> Result<Option<Object>, Raised> {
        let vars = request.vars;
        if request.listener.protocol == WireProtocol::Uwsgi {
            if let Some(scheme) = vars.get(Known::UwsgiScheme).filter(|scheme| !scheme.is_empty()) {
                return py.latin1(scheme).map(Some);
            }
            match vars.get(Known::XForwardedProto) {
                Some(proto) if proto.eq_ignore_ascii_case(b"https") => {
                    return Ok(Some(self.keys.https.share(py)));
                }
                Some(proto) if proto.eq_ignore_ascii_case(b"http") => {
                    return Ok(Some(self.keys.http.share(py)));
                }
                _ => {}
            }
            if vars.get(Known::XForwardedSsl).is_some_and(is_on) {
                return Ok(Some(self.keys.https.share(py)));
            }
        }
        Ok(vars.get(Known::Https).is_some_and(is_on).then(|| self.keys.https.share(py)))
    }

    fn template(&mut self, py: Py<'_>, listener: &Listener) -> Result<&Object, Raised> {
        let id = usize::from(listener.id);
        if self.templates.len() <= id {
            self.templates.resize_with(id + 1, || None);
        }
        if self.templates[id].is_none() {
            self.templates[id] = Some(self.make_template(py, listener)?);
        }
        self.templates[id]
            .as_ref()
            .ok_or_else(|| py.raise(crate::ffi::Exception::RuntimeError, "no template"))
    }

    fn make_template(&self, py: Py<'_>, listener: &Listener) -> Result<Object, Raised> {
        /// Room for the variables of a browser's request, so that no copy has to grow.
        const ROOM: usize = 40;
        let template = py.roomy_dict(ROOM)?;
        let dict = template.borrowed();
        let known = |known: Known| self.known[known as usize].borrowed();
        dict.set_item(py, known(Known::QueryString), py.text("")?.borrowed())?;
        for (name, value) in &listener.static_vars {
            dict.set_item(py, known(*name), py.latin1(value)?.borrowed())?;
        }
        let truth = |value| py.boolean(value).own(py);
        for (key, value) in [
            ("wsgi.version", py.tuple(vec![py.integer(1)?, py.integer(0)?])?),
            ("wsgi.errors", self.errors.share(py)),
            ("wsgi.run_once", truth(false)),
            ("wsgi.multithread", truth(self.facts.multithread)),
            ("wsgi.multiprocess", truth(self.facts.multiprocess)),
            ("wsgi.url_scheme", self.keys.http.share(py)),
            ("uwsgi.version", py.bytes(b"2.0.31")?),
            ("uwsgi.node", py.bytes(&self.facts.host_name)?),
        ] {
            dict.set_item(py, py.interned(key)?.borrowed(), value.borrowed())?;
        }
        if let Some(wrapper) = &self.file_wrapper {
            dict.set_item(py, py.interned("wsgi.file_wrapper")?.borrowed(), wrapper.borrowed())?;
        }
        if let Some(core) = self.facts.core {
            let core = py.integer(core.into())?;
            dict.set_item(py, py.interned("uwsgi.core")?.borrowed(), core.borrowed())?;
        }
        Ok(template)
    }
}

fn is_on(value: &[u8]) -> bool {
    value == b"1" || value.eq_ignore_ascii_case(b"on")
}
