//! Options that a configuration declares itself (`declare-option`, `declare-option2`).
//!
//! `declare-option = app=module=$1;processes=$2` makes `app = shop 4` stand for two options. As in uWSGI, an
//! option declared by `declare-option` acts where it is read, so that everything that is applied later wins over
//! it; one declared by `declare-option2` acts at its place in the list. `show-config` shows neither's meaning.

use super::{Diagnostic, Directive, Reader, Reading};
use crate::options::Registry;

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
}

/// Options may make options that make options this deep.
const MADE_DEPTH_MAX: usize = 16;

/// Puts the meaning of options that `declare-option2` declares, or `declare-option` below them, behind them.
pub(in crate::config) fn declared_later(reading: &mut Reading, registry: &Registry) {
    let declares = |directive: &Directive| {
        let row = registry.find(&directive.key);
        row.is_some_and(|row| row.name == "declare-option2")
    };
    let mut templates = reading.declared.clone();
    if templates.is_empty() && !reading.directives.iter().any(declares) {
        return;
    }
    reading.firsts.clear();
    for (position, directive) in std::mem::take(&mut reading.directives).into_iter().enumerate() {
        if declares(&directive) {
            match declaration(&directive) {
                Ok((name, template)) => drop(templates.insert(name, template)),
                Err(problem) => reading.problems.push(problem),
            }
        }
        let meaning = templates
            .get(&directive.key)
            .filter(|_| !reading.applied.contains(&position))
            .filter(|_| registry.find(&directive.key).is_none())
            .map(|template| template.fill(&directive));
        if meaning.is_some() {
            reading.placeholders.insert(directive.key.clone());
        }
        reading.add(directive);
        meaning.into_iter().flatten().for_each(|option| reading.add(option));
    }
}

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
