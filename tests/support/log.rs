//! What the server wrote, collected while it runs.

use std::io::{PipeReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::{PATIENCE, pattern};

/// The log of one server; grows on a thread of its own until the last process closes the pipe.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    text: String,
    ended: bool,
}

impl Log {
    pub fn collect(mut pipe: PipeReader) -> Self {
        let log = Self::default();
        let writer = log.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                writer.change(|state| {
                    state.text.push_str(&String::from_utf8_lossy(&buffer[..count]))
                });
            }
            writer.change(|state| state.ended = true);
        });
        log
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    pub fn text(&self) -> String {
        self.0.0.lock().unwrap().text.clone()
    }

    /// What was written since `mark`.
    pub fn since(&self, mark: usize) -> String {
        self.0.0.lock().unwrap().text[mark..].to_owned()
    }

    /// How many bytes were written so far: lines after it are what happened since.
    pub fn mark(&self) -> usize {
        self.0.0.lock().unwrap().text.len()
    }

    /// Waits until `found` sees something in the complete lines written since `mark`.
    pub fn wait<T>(
        &self,
        mark: usize,
        found: impl Fn(&str) -> Option<T>,
    ) -> Result<T, &'static str> {
        let start = Instant::now();
        let mut state = self.0.0.lock().unwrap();
        loop {
            let end = state.text.rfind('\n').map_or(mark, |at| (at + 1).max(mark));
            if let Some(found) = found(&state.text[mark..end]) {
                return Ok(found);
            }
            if state.ended {
                return Err("the server ended");
            }
            let Some(left) = PATIENCE.checked_sub(start.elapsed()) else {
                return Err("waited in vain");
            };
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits for a whole line of the shape of `wanted` written since `mark`, and returns it.
    #[track_caller]
    pub fn wait_for_since(&self, mark: usize, wanted: &str) -> String {
        let line = |text: &str| {
            text.lines().find(|line| pattern::matches(wanted, line)).map(str::to_owned)
        };
        match self.wait(mark, line) {
            Ok(line) => line,
            Err(why) => panic!("{why}: no log line {wanted:?} in\n{}", &self.text()[mark..]),
        }
    }
}
