//! What an application raises: logged, and seen by those who watch for it.

use uwsgi_plugin_api::Outcome;

use crate::embed::call;
use crate::ffi::{Caught, Exception, Object, Py, Raised};
use crate::options::Description;
use crate::{Running, Shared, module};

/// See the module.
pub(crate) struct Failures<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) running: &'a Running,
}

impl Failures<'_> {
    /// Logs an exception; returns its text where the client is to see it.
    pub(crate) fn report(
        &self,
        py: Py<'_>,
        raised: Raised,
        outcome: &mut Outcome,
    ) -> Option<Object> {
        outcome.exception = true;
        let caught = raised.take(py);
        if caught.is(py, Exception::SystemExit) {
            outcome.end_worker = true;
            module::log_line("the application called sys.exit(): this worker ends");
            return None;
        }
        outcome.interrupted |= caught.is_a(py, self.running.timeout.borrowed());
        outcome.replace_worker |= self.is_monitored(py, &caught, outcome.interrupted);
        let value = caught.value.borrowed();
        if let Err(raised) = call(py, &self.running.boot, "print_exception", &[value]) {
            module::log_line(&format!(
                "an exception that cannot be shown: {}",
                raised.describe(py)
            ));
        }
        if !self.shared.options.catch_exceptions {
            return None;
        }
        let text = call(py, &self.running.boot, "format_exception", &[value]);
        text.map_err(|raised| raised.forget(py)).ok()
    }

    /// Whether a worker is replaced for this exception (`reload-on-exception` and its family). The one that spares
    /// the worker only counts where it is named.
    fn is_monitored(&self, py: Py<'_>, caught: &Caught, interrupted: bool) -> bool {
        let monitored = &self.shared.options.monitored;
        if monitored.takes_all() && !interrupted {
            return true;
        }
        monitored.looks_closer() && {
            let class = |name| {
                let attribute = py
                    .interned(name)
                    .and_then(|name| caught.kind.borrowed().attribute(py, name.borrowed()));
                attribute.map_or_else(
                    |raised| {
                        raised.forget(py);
                        String::new()
                    },
                    |value| value.borrowed().text(py),
                )
            };
            let (name, module) = (class("__name__"), class("__module__"));
            monitored.matches(&Description { name, module, text: caught.value.borrowed().text(py) })
        }
    }
}
