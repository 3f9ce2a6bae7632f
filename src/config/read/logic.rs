//! Conditions and loops: `if-env` ... `endif`, `for` ... `endfor` (behaviour note 2.6).
//!
//! The lines of a block are collected until its end and then read as if they stood there, once for each item
//! of a loop, with the item or the tested value in place of `%(_)`. As in uWSGI a loop repeats line by line
//! (all items of the first line, then all of the second); a loop with blocks inside, which uWSGI refuses,
//! repeats as a whole. Inside of an inner block `%(__)` is the value of the block around it, and so on.

use uwsgi_plugin_api::settings::leading_number;

use super::{Diagnostic, Directive, PathKind, Reader};

/// Items of one loop, and times that blocks may multiply lines.
const ITEMS_MAX: usize = 10_000;
/// Blocks may stand in each other this deep.
const DEPTH_MAX: usize = 16;

/// A block whose end has not been read.
#[derive(Debug)]
pub(super) struct Block {
    opener: Directive,
    /// What was read since, inner blocks included.
    lines: Vec<Directive>,
    /// Inner blocks that are open.
    inner: usize,
}

/// What a directive is to the blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Opens,
    Closes,
    Else,
    Plain,
}

/// How often the lines of a block are read, and with which value of `%(_)`.
enum Runs {
    /// A condition that holds, with the tested value where there is one.
    Once(Option<String>),
    /// A condition that does not hold.
    Never,
    /// A loop.
    Each(Vec<String>),
}

fn role(key: &str) -> Role {
    match key {
        "for" | "for-glob" | "for-times" | "for-readline" | "ifenv" | "ifexists" | "ifdir"
        | "ifplugin" => Role::Opens,
        "endif" | "end-if" | "endfor" | "end-for" => Role::Closes,
        "else" => Role::Else,
        key if key.starts_with("if-") => Role::Opens,
        _ => Role::Plain,
    }
}

impl Reader<'_> {
    /// Takes the directive where it belongs to a block; gives it back where it is to be read now.
    pub(super) fn collect(&mut self, directive: Directive) -> Option<Directive> {
        let role = match self.registry.find(&directive.key) {
            Some(_) => role(&directive.key),
            None => Role::Plain,
        };
        let Some(block) = &mut self.block else {
            return self.begin(directive, role);
        };
        match role {
            Role::Closes if block.inner == 0 => {
                let block = self.block.take().expect("the block was just looked at");
                self.run(block);
                return Some(directive);
            }
            Role::Closes => block.inner -= 1,
            Role::Opens => block.inner += 1,
            Role::Else | Role::Plain => {}
        }
        block.lines.push(directive);
        None
    }

    /// A directive outside of all blocks.
    fn begin(&mut self, directive: Directive, role: Role) -> Option<Directive> {
        match role {
            Role::Opens if self.block_depth >= DEPTH_MAX => {
                let text = format!("blocks stand in each other more than {DEPTH_MAX} deep");
                self.problem(Diagnostic::error(&directive, text));
                None
            }
            Role::Opens => {
                self.reading.add(Directive { consumed: true, ..directive.clone() });
                self.block = Some(Block { opener: directive, lines: Vec::new(), inner: 0 });
                None
            }
            Role::Closes | Role::Else => {
                let text = "there is no open if- or for block here; it is ignored";
                self.problem(Diagnostic::warning(&directive, text).at_key(&directive));
                Some(directive)
            }
            Role::Plain => Some(directive),
        }
    }

    /// Ends a block that was left open. uWSGI lets it reach to the end of everything, too.
    pub(super) fn close_block(&mut self) {
        while let Some(block) = self.block.take() {
            let text = "the block is never closed: it reaches to the end; accepted: endif, endfor";
            self.problem(Diagnostic::warning(&block.opener, text).at_key(&block.opener));
            self.run(block);
        }
    }

    fn run(&mut self, block: Block) {
        let runs = match self.evaluate(&block.opener) {
            Ok(runs) => runs,
            Err(message) => return self.problem(Diagnostic::error(&block.opener, message)),
        };
        let (then, otherwise) = split_at_else(block.lines);
        self.block_depth += 1;
        let plain = then.iter().all(|line| role(&line.key) == Role::Plain);
        match runs {
            Runs::Once(_)
                if plain && ["if-opt", "if-not-opt"].contains(&block.opener.key.as_str()) =>
            {
                self.while_it_holds(&block.opener, &then);
            }
            Runs::Once(value) => self.lines(&then, value.as_deref()),
            Runs::Never => self.lines(&otherwise, None),
            Runs::Each(items) if self.takes(items.len() / 10, &block.opener) => {}
            Runs::Each(items) if !plain => self.each(&items, &then),
            Runs::Each(items) => {
                then.iter().for_each(|line| self.each(&items, std::slice::from_ref(line)));
            }
        }
        self.block_depth -= 1;
    }

    /// As in uWSGI a condition is tested for each line, and the lines themselves may set the option that it is
    /// about: the rest of the block is then not read, which nobody expects, so it is said.
    fn while_it_holds(&mut self, opener: &Directive, lines: &[Directive]) {
        for line in lines {
            match self.evaluate(opener) {
                Ok(Runs::Once(value)) => self.lines(std::slice::from_ref(line), value.as_deref()),
                _ => {
                    let text = format!(
                        "is not read: {} = {} does not hold any more, since a line of its block set the option",
                        opener.key,
                        opener.text()
                    );
                    return self.problem(Diagnostic::warning(line, text).at_key(line));
                }
            }
        }
    }

    fn each(&mut self, items: &[String], lines: &[Directive]) {
        for item in items {
            if self.overflown {
                return;
            }
            self.lines(lines, Some(item));
        }
    }

    /// Reads the lines of a block with `value` in place of `%(_)`.
    fn lines(&mut self, lines: &[Directive], value: Option<&str>) {
        let mut depth = 0usize;
        for line in lines {
            let role = role(&line.key);
            if role == Role::Closes {
                depth = depth.saturating_sub(1);
            }
            self.push(filled(line, depth, value));
            if role == Role::Opens {
                depth += 1;
            }
            if self.overflown {
                return;
            }
        }
        self.close_inner();
    }

    /// A block of these lines that they do not close themselves ends with them.
    fn close_inner(&mut self) {
        if let Some(block) = self.block.take() {
            let text = "the block is not closed inside of the block around it";
            self.problem(Diagnostic::error(&block.opener, text).at_key(&block.opener));
        }
    }

    fn evaluate(&self, opener: &Directive) -> Result<Runs, String> {
        let value = opener.text();
        let name = opener.key.as_str();
        let negative = name.starts_with("if-not-");
        let condition = name.trim_start_matches("if-not-").trim_start_matches("if-");
        let (holds, tested) = match condition.strip_prefix("if").unwrap_or(condition) {
            "for" => return Ok(Runs::Each(words(value))),
            "for-times" => return times(value),
            "for-glob" => return self.globbed(value),
            "for-readline" => return self.lines_of(value),
            "env" => compared(value, |name| self.source.variable(name)),
            "opt" => compared(value, |key| self.first_value(key)),
            "exists" => (self.window.kind(value)? != PathKind::Nothing, Some(value.to_owned())),
            "file" => (self.window.kind(value)? == PathKind::File, Some(value.to_owned())),
            "dir" | "directory" => {
                (self.window.kind(value)? == PathKind::Folder, Some(value.to_owned()))
            }
            "reload" => (self.source.variable("UWSGI_RELOADS").is_some(), None),
            "hostname" => (self.machine.hostname == value, Some(value.to_owned())),
            "hostname-match" => (matches(value, &self.machine.hostname)?, Some(value.to_owned())),
            "plugin" => (super::plugins::is_built_in(value), Some(value.to_owned())),
            _ => return Err("there is no such condition".to_owned()),
        };
        Ok(if holds != negative { Runs::Once(tested) } else { Runs::Never })
    }

    /// First value of an option so far. A flag of the command line has none, as in uWSGI.
    fn first_value(&self, key: &str) -> Option<String> {
        let first = *self.reading.firsts.get(key)?;
        let with_value = |directive: &&Directive| directive.key == key && directive.value.is_some();
        self.reading.directives[first..].iter().find(with_value)?.value.clone()
    }

    /// Paths in alphabetical order; a pattern that matches nothing is its own item, as in uWSGI.
    fn globbed(&self, pattern: &str) -> Result<Runs, String> {
        let mut items = self.window.paths(pattern, ITEMS_MAX)?;
        if items.is_empty() {
            items.push(pattern.to_owned());
        }
        Ok(Runs::Each(items))
    }

    /// Lines of a file. Unlike in uWSGI, a file that cannot be read is an error.
    fn lines_of(&self, file: &str) -> Result<Runs, String> {
        let bytes = self.window.content(file);
        let bytes = bytes.map_err(|error| format!("cannot read {file}: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{file} is not valid UTF-8"))?;
        let lines: Vec<_> = text.lines().take(ITEMS_MAX + 1).map(str::to_owned).collect();
        if lines.len() > ITEMS_MAX {
            return Err(format!("{file} has more than {ITEMS_MAX} lines"));
        }
        Ok(Runs::Each(lines))
    }
}

/// `%(_)` of a line in a block; `%(__)` of one in an inner block.
fn filled(line: &Directive, depth: usize, value: Option<&str>) -> Directive {
    let mut line = line.clone();
    if let (Some(value), Some(text)) = (value, &mut line.value) {
        let placeholder = format!("%({})", "_".repeat(depth + 1));
        if text.contains(&placeholder) {
            *text = text.replace(&placeholder, value);
        }
    }
    line
}

/// The lines before and after the block's own `else`.
fn split_at_else(mut lines: Vec<Directive>) -> (Vec<Directive>, Vec<Directive>) {
    let mut depth = 0i32;
    let position = lines.iter().position(|line| {
        match role(&line.key) {
            Role::Opens => depth += 1,
            Role::Closes => depth -= 1,
            Role::Else if depth == 0 => return true,
            Role::Else | Role::Plain => {}
        }
        false
    });
    let otherwise = position.map(|position| lines.split_off(position).split_off(1));
    (lines, otherwise.unwrap_or_default())
}

/// `NAME` is there, or `NAME=VALUE` is its value; what was tested is its value either way.
fn compared(value: &str, find: impl Fn(&str) -> Option<String>) -> (bool, Option<String>) {
    match value.split_once('=') {
        None => {
            let found = find(value);
            (found.is_some(), found)
        }
        Some((name, wanted)) => {
            let found = find(name);
            (found.as_deref() == Some(wanted), found)
        }
    }
}

fn matches(pattern: &str, text: &str) -> Result<bool, String> {
    let regex = regex::Regex::new(pattern).map_err(|error| {
        let reason = error.to_string();
        format!("no valid regular expression: {}", reason.lines().last().unwrap_or_default())
    })?;
    Ok(regex.is_match(text))
}

fn words(value: &str) -> Vec<String> {
    value.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn times(value: &str) -> Result<Runs, String> {
    let number = leading_number(value);
    if number > ITEMS_MAX as u64 {
        return Err(format!("accepted: a number from 0 to {ITEMS_MAX}"));
    }
    Ok(Runs::Each((1..=number).map(|number| number.to_string()).collect()))
}
