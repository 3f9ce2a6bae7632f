//! Options that a configuration declares itself (`declare-option`, `declare-option2`).
//!
//! `declare-option = app=module=$1;processes=$2` makes `app = shop 4` stand for two options. As in uWSGI, an
//! option declared by `declare-option` acts where it is read, so that everything that is applied later wins over
//! it; one declared by `declare-option2` acts at its place in the list. `show-config` shows neither's meaning.

use std::collections::HashMap;

use super::{Diagnostic, Directive, Reader};

/// What a declared option stands for.
#[derive(Clone, Debug)]
pub(super) struct Template(Vec<(String, Option<String>)>);

/// Reads `name=template`.
fn declaration(directive: &Directive) -> Result<(String, Template), Diagnostic> {
    let text = directive.text();
    let Some((name, template)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
        let message = format!("invalid {text} syntax, must be newoption=template");
        return Err(Diagnostic::error(directive, message));
    };
    let options = template.split(';').filter(|option| !option.is_empty());
    let options = options.map(|option| match option.split_once('=') {
        Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
        None => (option.to_owned(), None),
    });
    Ok((name.to_owned(), Template(options.collect())))
}

impl Template {
    /// The options that `directive` stands for: `$1` is the first word of its value.
    fn fill(&self, directive: &Directive) -> Vec<Directive> {
        let words: Vec<&str> =
            directive.text().split(' ').filter(|word| !word.is_empty()).collect();
        let filled = self.0.iter().map(|(key, value)| Directive {
            derived: true,
            ..Directive::new(
                key.clone(),
                Some(
                    value.as_deref().map_or_else(|| "true".to_owned(), |value| fill(value, &words)),
                ),
                directive.origin.clone(),
            )
        });
        filled.collect()
    }
}

/// `text` with `$1`, `$2`, ... replaced; a number without a word stays as it is.
fn fill(text: &str, words: &[&str]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let number: Option<usize> = rest[at + 1..at + 1 + digits].parse().ok();
        filled.push_str(&rest[..at]);
        match number.and_then(|number| words.get(number.checked_sub(1)?)) {
            Some(word) => filled.push_str(word),
            None => filled.push_str(&rest[at..at + 1 + digits]),
        }
        rest = &rest[at + 1 + digits..];
    }
    filled.push_str(rest);
    filled
}

impl Reader<'_> {
    /// `declare-option`.
    pub(super) fn declare(&mut self, directive: &Directive) {
        match declaration(directive) {
            Ok((name, _)) if self.registry.find(&name).is_some() => {
                let text = format!("{name} is an option already and keeps its meaning");
                self.problem(Diagnostic::warning(directive, text));
            }
            Ok((name, template)) => {
                self.custom.insert(name, template);
            }
            Err(problem) => self.problem(problem),
        }
    }

    /// Applies an option that `declare-option` declared before.
    pub(super) fn apply_custom(&mut self, directive: &Directive) {
        let Some(template) = self.custom.get(&directive.key).cloned() else { return };
        self.made_by(directive, |reader| {
            for option in template.fill(directive) {
                reader.act(&option);
                reader.reading.early.push(option);
            }
        });
    }

    /// Reads options that `directive` makes; it may make such as make others, but not without end.
    pub(super) fn made_by(&mut self, directive: &Directive, read: impl FnOnce(&mut Self)) {
        if self.made_depth >= MADE_DEPTH_MAX {
            let text = "the option leads back to itself";
            return self.problem(Diagnostic::error(directive, text));
        }
        self.made_depth += 1;
        read(self);
        self.made_depth -= 1;
    }

    /// Puts the meaning of options that `declare-option2` declares, or `declare-option` below them, behind them.
    /// What acts at once there (`set`, `ini`) puts its own at the end, as in uWSGI, where it may be such an option.
    pub(super) fn declared_later(&mut self) {
        let mut templates = self.custom.clone();
        let mut from = 0;
        for round in 0.. {
            let acting = self.fill_later(from, &mut templates);
            let Some(first) = acting.first() else { return };
            if round >= MADE_DEPTH_MAX {
                return self.problem(Diagnostic::error(first, "the option leads back to itself"));
            }
            from = self.reading.directives.len();
            acting.iter().for_each(|option| self.act(option));
            self.close_block();
            self.expand(from);
        }
    }

    /// The same for the directives from this one on; gives what is to act.
    fn fill_later(
        &mut self,
        from: usize,
        templates: &mut HashMap<String, Template>,
    ) -> Vec<Directive> {
        let (registry, reading) = (self.registry, &mut self.reading);
        let declares = |directive: &Directive| {
            let row = registry.find(&directive.key);
            row.is_some_and(|row| row.name == "declare-option2")
        };
        let mut acting = Vec::new();
        if templates.is_empty() && !reading.directives[from..].iter().any(declares) {
            return acting;
        }
        let applied = std::mem::take(&mut reading.applied);
        for (position, directive) in (from..).zip(reading.take(from)) {
            if declares(&directive) {
                match declaration(&directive) {
                    Ok((name, template)) => drop(templates.insert(name, template)),
                    Err(problem) => reading.problems.push(problem),
                }
            }
            let meaning = templates
                .get(&directive.key)
                .filter(|_| !applied.contains(&position))
                .filter(|_| registry.find(&directive.key).is_none())
                .map(|template| template.fill(&directive));
            if meaning.is_some() {
                reading.placeholders.insert(directive.key.clone());
            }
            reading.add(directive);
            for option in meaning.into_iter().flatten() {
                if registry.find(&option.key).is_some_and(|row| row.immediate) {
                    acting.push(option.clone());
                }
                reading.add(option);
            }
        }
        acting
    }
}

/// Options may make options that make options this deep.
const MADE_DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn words_take_the_place_of_their_numbers() {
        for (text, expected) in [
            ("a-$1-$2", "a-x-y"),
            ("$2$1$1", "yxx"),
            ("$3 $ $0 $1x", "$3 $ $0 xx"),
            ("$", "$"),
            ("$12", "$12"),
            ("$99999999999999999999999", "$99999999999999999999999"),
        ] {
            assert_eq!(fill(text, &["x", "y"]), expected, "{text}");
        }
    }
}
