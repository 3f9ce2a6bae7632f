//! Which exceptions of the application replace its worker: `reload-on-exception` and its family.

use uwsgi_plugin_api::Settings;

/// What an exception is compared with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monitored {
    /// Every exception.
    all: bool,
    types: Vec<String>,
    values: Vec<String>,
    representations: Vec<String>,
}

/// An exception, in words.
#[derive(Debug)]
pub(crate) struct Description {
    /// Its class, as `ValueError`.
    pub(crate) name: String,
    /// The module of its class, as `builtins`.
    pub(crate) module: String,
    /// `str()` of it.
    pub(crate) text: String,
}

impl Monitored {
    /// Reads the four options. Under `limit-as`, one that has no memory left replaces its worker too: the next request, of
    /// whichever application, would have none either.
    pub(crate) fn read(settings: &Settings) -> Self {
        let list = |name| settings.all(name).map(str::to_owned).collect::<Vec<_>>();
        let limited = settings.text("limit-as").is_some_and(|limit| limit != "0");
        let mut types = list("reload-on-exception-type");
        types.extend(limited.then(|| "MemoryError".to_owned()));
        Self {
            all: settings.flag("reload-on-exception"),
            types,
            values: list("reload-on-exception-value"),
            representations: list("reload-on-exception-repr"),
        }
    }

    /// Whether an exception could match, so that it is worth describing.
    pub(crate) fn looks_closer(&self) -> bool {
        !(self.types.is_empty() && self.values.is_empty() && self.representations.is_empty())
    }

    /// Whether every exception matches.
    pub(crate) fn takes_all(&self) -> bool {
        self.all
    }

    /// Whether this one does. A class may be named with its module, or without.
    pub(crate) fn matches(&self, exception: &Description) -> bool {
        let Description { name, module, text } = exception;
        let qualified = format!("{module}.{name}");
        let is_class = |class: &str| class == name || class == qualified;
        let is_representation = |wanted: &str| {
            wanted
                .strip_suffix(text.as_str())
                .and_then(|rest| rest.strip_suffix(": "))
                .is_some_and(is_class)
        };
        self.types.iter().any(|class| is_class(class))
            || self.values.iter().any(|value| value == text)
            || self.representations.iter().any(|wanted| is_representation(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monitored(option: &str, value: &str) -> Monitored {
        Monitored::read(&Settings::new(vec![(option.to_owned(), value.to_owned())]))
    }

    #[test]
    fn class_text_or_both_match() {
        let exception = Description {
            name: "Broken".into(),
            module: "shop.errors".into(),
            text: "no: good".into(),
        };
        for (option, value, matches) in [
            ("reload-on-exception-type", "Broken", true),
            ("reload-on-exception-type", "shop.errors.Broken", true),
            ("reload-on-exception-type", "errors.Broken", false),
            ("reload-on-exception-type", "Brok", false),
            ("reload-on-exception-value", "no: good", true),
            ("reload-on-exception-value", "no", false),
            ("reload-on-exception-repr", "Broken: no: good", true),
            ("reload-on-exception-repr", "shop.errors.Broken: no: good", true),
            ("reload-on-exception-repr", "Broken: good", false),
            ("reload-on-exception-repr", "no: good", false),
        ] {
            assert_eq!(monitored(option, value).matches(&exception), matches, "{option}={value}");
        }
    }

    #[test]
    fn a_worker_without_memory_is_replaced_where_it_is_limited() {
        let exception = Description {
            name: "MemoryError".into(),
            module: "builtins".into(),
            text: String::new(),
        };
        assert!(monitored("limit-as", "128").matches(&exception));
        assert!(!monitored("limit-as", "0").matches(&exception));
        assert!(!monitored("threads", "1").matches(&exception));
    }

    #[test]
    fn nothing_is_described_for_nothing() {
        assert!(!Monitored::default().looks_closer());
        assert!(!monitored("reload-on-exception", "1").looks_closer());
        assert!(monitored("reload-on-exception", "1").takes_all());
        assert!(monitored("reload-on-exception-type", "x").looks_closer());
    }
}
