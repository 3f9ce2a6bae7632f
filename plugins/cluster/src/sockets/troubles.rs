//! What the network did not do: counted always, told now and then.

use crate::id::Millis;

/// How often it is told, in milliseconds.
const EVERY: Millis = 30_000;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    count: u64,
    last: String,
    told: Option<Millis>,
}

impl Troubles {
    /// Something went wrong.
    pub(crate) fn note(&mut self, what: &str) {
        self.count += 1;
        if self.last != what {
            what.clone_into(&mut self.last);
        }
    }

    /// What is to be told now.
    pub(crate) fn line(&mut self, now: Millis) -> Option<String> {
        if self.count == 0 || self.told.is_some_and(|told| now < told + EVERY) {
            return None;
        }
        self.told = Some(now);
        let count = std::mem::take(&mut self.count);
        let last = std::mem::take(&mut self.last);
        Some(match count {
            1 => format!("cluster: {last}"),
            _ => format!("cluster: {count} times the network failed, the last time: {last}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_on_is_told_twice_a_minute() {
        let mut troubles = Troubles::default();
        assert_eq!(troubles.line(0), None);
        troubles.note("a");
        assert_eq!(troubles.line(5).as_deref(), Some("cluster: a"));
        troubles.note("b");
        troubles.note("c");
        assert_eq!(troubles.line(30_004), None);
        let line = troubles.line(30_005).expect("it is time");
        assert_eq!(line, "cluster: 2 times the network failed, the last time: c");
        assert_eq!(troubles.line(90_000), None);
    }
}
