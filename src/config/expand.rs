//! Placeholders in values: `$(NAME)`, `@(FILE)`, `%(KEY)` (behaviour note 2.4).
//!
//! Each kind is one pass over the whole list, in this order. What cannot be resolved stays as it is, but a
//! file that cannot be read is an error. Keys are never changed, nor the values of options that have acted where
//! they stand, nor placeholders made by `set-ph`. Unlike in uWSGI, a placeholder at the very beginning of what
//! replaced another one is replaced too.

use super::read::Window;
use super::{Diagnostic, Reading, Source};
use uwsgi_plugin_api::settings::leading_number;

/// More replacements than this in one value, or a longer value, mean that it contains itself.
const REPLACEMENTS_MAX: usize = 1000;
const VALUE_BYTES_MAX: usize = 1 << 20;
/// More text than this in all replacements together is a configuration that never comes to an end.
const TEXT_BYTES_MAX: usize = 1 << 26;

/// Replaces all placeholders of `reading` from this directive on, and notes which keys they refer to.
pub(super) fn expand(reading: &mut Reading, source: &Source, window: &Window, from: usize) {
    let mut left = TEXT_BYTES_MAX;
    pass(reading, from, "$(", &mut left, |_, name| Ok(source.variable(name)));
    pass(reading, from, "@(", &mut left, |_, file| contents(window, file).map(Some));
    pass(reading, from, "%(", &mut left, |reading, expression| Ok(resolve(reading, expression)));
}

type Resolve<'a> = dyn FnMut(&mut Reading, &str) -> Result<Option<String>, String> + 'a;

/// Text of a file, or of whatever a scheme names, without its last line break.
fn contents(window: &Window, file: &str) -> Result<String, String> {
    let bytes = window.content(file);
    let bytes = bytes.map_err(|error| format!("cannot read the file {file}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{file} is not valid UTF-8"))?;
    Ok(text.strip_suffix('\n').map(str::to_owned).unwrap_or(text))
}

fn pass(
    reading: &mut Reading,
    from: usize,
    opening: &str,
    left: &mut usize,
    mut resolve: impl FnMut(&mut Reading, &str) -> Result<Option<String>, String>,
) {
    for position in from..reading.directives.len() {
        let directive = &reading.directives[position];
        let Some(value) = directive.value.clone() else { continue };
        if directive.consumed || !value.contains(opening) {
            continue;
        }
        let replaced = replace_all(reading, position, value, opening, left, &mut resolve);
        if let Err(message) = replaced {
            let problem = Diagnostic::error(&reading.directives[position], message);
            reading.problems.push(problem);
        }
        if *left == 0 {
            break;
        }
    }
}

/// Replaces from the left and from the inside; what was put in is looked at again. The directive has its new value
/// after each step, as a value that refers to its own key sees in uWSGI.
fn replace_all(
    reading: &mut Reading,
    position: usize,
    mut value: String,
    opening: &str,
    left: &mut usize,
    resolve: &mut Resolve<'_>,
) -> Result<(), String> {
    let (mut from, mut replacements) = (0, 0);
    while let Some(end) = value[from..].find(')').map(|end| from + end) {
        let Some(start) = value[from..end].rfind(opening).map(|start| from + start) else {
            from = end + 1;
            continue;
        };
        match resolve(reading, &value[start + opening.len()..end])? {
            Some(text) => {
                value.replace_range(start..=end, &text);
                reading.directives[position].value = Some(value.clone());
            }
            None => from = end + 1,
        }
        replacements += 1;
        *left = left.saturating_sub(value.len());
        if *left == 0 {
            let text = format!("placeholders make more than {} MB of text", TEXT_BYTES_MAX >> 20);
            return Err(text);
        }
        if replacements > REPLACEMENTS_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(format!(
                "the placeholder leads back to itself, or there are more than {REPLACEMENTS_MAX} in the value, or more \
                 than {} MB",
                VALUE_BYTES_MAX >> 20
            ));
        }
    }
    Ok(())
}

/// The first value of a key as it was written (aliases are other keys), as text. A flag of the command line is `true`.
fn lookup(reading: &mut Reading, key: &str) -> Option<String> {
    let value = reading.first(key)?;
    reading.referred.insert(key.to_owned());
    Some(value)
}

/// One key, or several words that are joined or calculated from the left.
fn resolve(reading: &mut Reading, expression: &str) -> Option<String> {
    if !expression.contains(' ') {
        return lookup(reading, expression);
    }
    let words: Vec<&str> = expression.split(' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        return None;
    }
    let (mut result, mut operator) = (String::new(), None);
    for word in words {
        match word {
            "+" | "-" | "*" | "/" => operator = Some(word),
            "++" => result = number(&result).saturating_add(1).to_string(),
            "--" => result = number(&result).saturating_sub(1).to_string(),
            _ => {
                let literal =
                    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.to_owned());
                let operand = lookup(reading, word).or(literal).unwrap_or_default();
                match operator.take() {
                    Some(operator) => result = calculate(&result, operator, &operand).to_string(),
                    None => result.push_str(&operand),
                }
            }
        }
    }
    Some(result)
}

fn number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    sign * i64::try_from(leading_number(digits)).unwrap_or(i64::MAX)
}

/// Saturates; a division by zero is 0.
fn calculate(left: &str, operator: &str, right: &str) -> i64 {
    let (left, right) = (number(left), number(right));
    match operator {
        "+" => left.saturating_add(right),
        "-" => left.saturating_sub(right),
        "*" => left.saturating_mul(right),
        _ => left.checked_div(right).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::directive::{FileText, Position, Spot};
    use crate::config::{Directive, Origin};

    /// Values after the expansion; the pairs are a file's lines.
    fn expanded(pairs: &[(&str, &str)]) -> (Vec<String>, Reading) {
        let file = std::sync::Arc::new(FileText::new("a.ini", ""));
        let at = Position { line: 1, column: 1 };
        let origin = Origin::File(Spot { file, key: at, value: at });
        let line = |(key, value): &(&str, &str)| {
            Directive::new(*key, Some((*value).to_owned()), origin.clone())
        };
        let mut reading = Reading::default();
        pairs.iter().map(line).for_each(|line| reading.add(line));
        let environment = vec![("HOME".into(), "/root".into()), ("KEY".into(), "two".into())];
        let source = Source { environment, ..Source::default() };
        expand(&mut reading, &source, &Window::Open, 0);
        (reading.directives.iter().map(|directive| directive.text().to_owned()).collect(), reading)
    }

    /// Seen with uWSGI 2.0.21.
    #[test]
    fn expressions_have_uwsgis_values() {
        for (value, expected) in [
            ("%(two)|%(lit)", "2|5"),
            ("%(two + two)", "4"),
            ("%(two + nope)", "2"),
            ("%(nope two)", "2"),
            ("%(two + 3 two)", "52"),
            ("%(two  +  3)", "5"),
            ("%(3)", "%(3)"),
            ("%(3 3)", "33"),
            ("%(two --)", "1"),
            ("%(two ++)", "3"),
            ("%(two * 3 + 1)", "7"),
            ("%(two / 0) %(two - 5)", "0 -3"),
            ("%(two two) %(two abc)", "22 2"),
            ("%(9223372036854775807 ++)", "9223372036854775807"),
            ("%(two", "%(two"),
            ("$(HOME", "$(HOME"),
            ("x%(two)y%(two)z$(HOME)$(NOPE)", "x2y2z/root$(NOPE)"),
            ("%(nope)%(two)", "%(nope)2"),
            ("%()", "%()"),
            ("%( two )", "2"),
            ("<%( nope )|%(3 )>", "<|3>"),
            ("%(two+3)", "%(two+3)"),
            ("%(%(key))|%(t%(rest))|%(x%(nope))", "2|2|%(x%(nope))"),
            ("%(%(two + 3)", "%(5"),
            ("%($(KEY))", "2"),
            ("%(commented + 1)", "3"),
        ] {
            let pairs = [
                ("v", value),
                ("two", "2"),
                ("lit", "%(3 + two)"),
                ("two", "9"),
                ("commented", "2 # x"),
                ("key", "two"),
                ("rest", "wo"),
            ];
            let (values, reading) = expanded(&pairs);
            assert_eq!(values[0], expected, "{value}");
            assert_eq!(reading.problems, []);
        }
    }

    #[test]
    fn keys_that_values_refer_to_are_known_afterwards() {
        let (_, reading) = expanded(&[("a", "%(b)"), ("b", "1"), ("c", "2")]);
        assert!(reading.referred.contains("b") && !reading.referred.contains("c"));
    }

    #[test]
    fn a_placeholder_in_itself_is_an_error() {
        for pairs in [&[("a", "%(a)")][..], &[("a", "x%(a)")], &[("a", "%(b)"), ("b", "%(a)")]] {
            let (_, reading) = expanded(pairs);
            assert!(reading.problems[0].to_string().contains("leads back to itself"), "{pairs:?}");
        }
    }

    #[test]
    fn a_file_is_put_in_without_its_last_line_break() {
        let path = std::env::temp_dir().join(format!("uwsgi-expand-{}", std::process::id()));
        std::fs::write(&path, "one\ntwo\n").expect("file is written");
        let (values, _) = expanded(&[("a", &format!("<@({})>", path.display()))]);
        std::fs::remove_file(&path).expect("file is removed");
        assert_eq!(values, ["<one\ntwo>"]);
        let (_, reading) = expanded(&[("a", "@(/no/such/file)")]);
        assert_eq!(
            reading.problems[0].to_string(),
            "error: a.ini:1: a = @(/no/such/file): cannot read the file /no/such/file: No such file or \
             directory (os error 2)"
        );
    }
}
