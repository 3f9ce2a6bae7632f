//! The environ (PEP 3333, behaviour note 5.2).
//!
//! What is the same for every request of a socket lies in a template; a request gets a copy of it and sets what
//! differs, with keys that were made once.

use uwsgi_plugin_api::{Chosen, Known, Listener, Name, Request, VarsView};

use crate::ffi::{Object, Py, Raised, Ref};
use crate::names::Names;
use crate::shapes::{Entry, Seen, Shape, Shapes, may_keep};

/// About how many items an environ has besides the request's variables.
const BASE_ITEMS: usize = 14;

/// Facts that are the same for all requests of a core.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) host_name: Vec<u8>,
    pub(crate) multithread: bool,
    pub(crate) multiprocess: bool,
    /// `uwsgi.core`, where there is more than one.
    pub(crate) core: Option<u16>,
    /// `uwsgi.cluster`, where the instance is in one.
    pub(crate) cluster: Option<String>,
}

/// Builds environs on one thread.
#[derive(Debug)]
pub(crate) struct Environs {
    facts: Facts,
    file_wrapper: Option<Object>,
    errors: Object,
    known: Vec<Object>,
    names: Names,
    shapes: Shapes,
    templates: Vec<Option<Object>>,
    keys: Keys,
}

#[derive(Debug)]
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
        Ok(Self {
            facts,
            file_wrapper,
            errors,
            known,
            names: Names::default(),
            shapes: Shapes::default(),
            templates: Vec::new(),
            keys,
        })
    }

    /// The environ of a request.
    #[inline]
    pub(crate) fn build(
        &mut self,
        py: Py<'_>,
        request: &Request<'_>,
        chosen: Chosen,
        input: Ref<'_>,
    ) -> Result<Object, Raised> {
        let environ = match self.shapes.look_up(request.listener.id, request.vars) {
            Seen::Remembered(shape) => shape.environ(py, request.vars)?,
            Seen::New => self.fresh(py, request)?,
            Seen::Again(hash) => self.remember(py, request, hash)?,
        };
        environ.borrowed().set_item(py, self.keys.input.borrowed(), input)?;
        self.set_rest(py, environ.borrowed(), request, chosen)?;
        Ok(environ)
    }

    fn fresh(&mut self, py: Py<'_>, request: &Request<'_>) -> Result<Object, Raised> {
        let environ = self.template(py, request.listener)?.borrowed().copy_dict(py)?;
        for (name, value) in request.vars.iter() {
            if let Some(key) = self.key(py, request.vars, name)? {
                let value = py.latin1(value)?;
                environ.borrowed().set_item(py, key, value.borrowed())?;
            }
        }
        Ok(environ)
    }

    /// Builds an environ and keeps another one for requests of the same shape.
    fn remember(&mut self, py: Py<'_>, request: &Request<'_>, hash: u64) -> Result<Object, Raised> {
        /// What applications and frameworks add.
        const ROOM: usize = 8;
        let vars = request.vars;
        let size = BASE_ITEMS + vars.len() + ROOM;
        let kept = self.base(py, request.listener, size)?;
        let mut entries = Vec::with_capacity(vars.len());
        for (name, value) in vars.iter() {
            let key = self.key(py, vars, name)?.map(|key| key.own(py));
            let value = Some(value).filter(|value| may_keep(name, value));
            if let Some(key) = &key {
                let object =
                    value.map_or_else(|| Ok(py.none().own(py)), |value| py.latin1(value))?;
                kept.borrowed().set_item(py, key.borrowed(), object.borrowed())?;
            }
            entries.push(Entry::new(vars, name, key, value));
        }
        match Shape::new(hash, request.listener.id, entries, kept) {
            Some(mut shape) => {
                let environ = shape.environ(py, vars);
                self.shapes.remember(shape);
                environ
            }
            None => self.fresh(py, request),
        }
    }

    /// The key of a variable; `None` for one that the environ does not show.
    #[inline]
    fn key(
        &mut self,
        py: Py<'_>,
        vars: VarsView<'_>,
        name: Name,
    ) -> Result<Option<Ref<'_>>, Raised> {
        match name {
            Name::Known(known) => Ok(Some(self.known[known as usize].borrowed())),
            Name::Other(span) => self.names.key(py, vars.bytes(span)),
        }
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
        if request.body.unannounced() {
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

    /// `wsgi.url_scheme` where it is not `http`.
    fn scheme(&self, py: Py<'_>, request: &Request<'_>) -> Result<Option<Object>, Raised> {
        match request.url_scheme {
            b"http" => Ok(None),
            b"https" => Ok(Some(self.keys.https.share(py))),
            other => py.latin1(other).map(Some),
        }
    }

    fn template(&mut self, py: Py<'_>, listener: &Listener) -> Result<&Object, Raised> {
        let id = usize::from(listener.id);
        if self.templates.len() <= id {
            self.templates.resize_with(id + 1, || None);
        }
        if self.templates[id].is_none() {
            /// Room for the variables of a browser's request, so that no copy has to grow.
            const SIZE: usize = BASE_ITEMS + 28;
            self.templates[id] = Some(self.base(py, listener, SIZE)?);
        }
        self.templates[id]
            .as_ref()
            .ok_or_else(|| py.raise(crate::ffi::Exception::RuntimeError, "no template"))
    }

    /// A new environ with everything but the request's own, and room for `size` items.
    fn base(&self, py: Py<'_>, listener: &Listener, size: usize) -> Result<Object, Raised> {
        let template = py.roomy_dict(size)?;
        let dict = template.borrowed();
        let known = |known: Known| self.known[known as usize].borrowed();
        dict.set_item(py, known(Known::QueryString), py.text("")?.borrowed())?;
        for (name, value) in &listener.static_vars {
            dict.set_item(py, known(*name), py.latin1(value)?.borrowed())?;
        }
        let truth = |value| py.boolean(value).own(py);
        for (key, value) in [
            ("wsgi.version", py.tuple(vec![py.integer(1)?, py.integer(0)?])?),
            ("wsgi.input", py.none().own(py)),
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
        if let Some(group) = &self.facts.cluster {
            for (key, value) in [
                ("uwsgi.cluster", py.bytes(group.as_bytes())?),
                ("uwsgi.cluster_node", py.bytes(&self.facts.host_name)?),
            ] {
                dict.set_item(py, py.interned(key)?.borrowed(), value.borrowed())?;
            }
        }
        Ok(template)
    }
}
