//! A text whose magic variables are filled in, and where each part of it was in the file.

use super::{Position, count};
use crate::config::magic::{Magic, Piece};

/// Marks in long lines, this many characters apart: [`Written::at`] counts from the nearest.
const MARK_CHARACTERS: usize = 256;

/// More than files are indented.
pub(super) const BLANKS: &str = "                                ";

/// The text as parsers see it. Lines are those of the file but where a variable's value contains line breaks.
pub(super) struct Written {
    pub text: String,
    /// By rising offset; the first is at 0.
    marks: Vec<Mark>,
}

/// From this offset of the text on, what stood at `position`.
struct Mark {
    offset: usize,
    position: Position,
    /// The text up to the next mark takes a variable's place: all of it stood at `position`.
    variable: bool,
}

impl Written {
    /// `text` with its variables replaced. A `%` at the end of a line stays.
    pub(super) fn new(text: &str, magic: &Magic<'_>) -> Self {
        let mut written = Self { text: String::with_capacity(text.len()), marks: Vec::new() };
        for (line, whole) in (1..).zip(text.split_inclusive('\n')) {
            let content = whole.trim_end_matches(['\r', '\n']);
            let mut position = Position { line, column: 1 };
            written.append(content, magic, &mut position);
            written.keep(&whole[content.len()..], &mut position);
        }
        written
    }

    /// One line, or a part of it that begins at `position`.
    pub(super) fn line(line: &str, magic: &Magic<'_>, mut position: Position) -> Self {
        let mut written = Self { text: String::new(), marks: Vec::new() };
        written.append(line, magic, &mut position);
        written
    }

    fn append(&mut self, line: &str, magic: &Magic<'_>, position: &mut Position) {
        for piece in magic.pieces(line) {
            match piece {
                Piece::Text(text) => self.keep(text, position),
                Piece::Variable { written, value } => {
                    self.mark(self.text.len(), *position, true);
                    self.text.push_str(&value);
                    position.column =
                        position.column.saturating_add(count(written.chars().count()) - 1);
                }
            }
        }
        self.mark(self.text.len(), *position, false);
    }

    fn keep(&mut self, text: &str, position: &mut Position) {
        for (number, (at, _)) in text.char_indices().enumerate() {
            if number % MARK_CHARACTERS == 0 {
                self.mark(self.text.len() + at, *position, false);
            }
            position.column = position.column.saturating_add(1);
        }
        self.text.push_str(text);
    }

    fn mark(&mut self, offset: usize, position: Position, variable: bool) {
        self.marks.push(Mark { offset, position, variable });
    }

    /// Where the byte at `offset` stood. The end of the text is the end of its last line that is not empty.
    pub(super) fn at(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.trim_end_matches(['\r', '\n']).len());
        let after = self.marks.partition_point(|mark| mark.offset <= offset);
        let Some(mark) = after.checked_sub(1).and_then(|at| self.marks.get(at)) else {
            return Position { line: 1, column: 1 };
        };
        if mark.variable {
            return mark.position;
        }
        let between = &self.text.as_bytes()[mark.offset..offset];
        let characters = between.iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        let column = mark.position.column.saturating_add(count(characters) - 1);
        Position { line: mark.position.line, column }
    }

    /// Puts blanks before `offset`. What comes after them still stands where it stood.
    pub(super) fn insert_blanks(&mut self, offset: usize) {
        let position = self.at(offset);
        let after = self.marks.partition_point(|mark| mark.offset < offset);
        let within = self.marks[..after].last().is_some_and(|mark| mark.variable);
        let variable = self.marks.get(after).filter(|mark| mark.offset == offset);
        let variable = variable.map_or(within, |mark| mark.variable);
        self.text.insert_str(offset, BLANKS);
        for mark in &mut self.marks[after..] {
            mark.offset += BLANKS.len();
        }
        let end = offset + BLANKS.len();
        let around =
            [Mark { offset, position, variable: true }, Mark { offset: end, position, variable }];
        self.marks.splice(after..after, around);
    }
}
