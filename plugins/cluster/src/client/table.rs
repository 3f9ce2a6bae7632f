//! A view of the cluster for people.

use std::collections::HashMap;
use std::fmt::Write as _;

use uwsgi_plugin_api::cluster::{ClusterNode, ClusterView, NodeState};

/// Titles of the columns.
const TITLES: [&str; 10] =
    ["", "NODE", "HOST", "ADDRESS", "STATE", "BUSY", "REQUESTS", "CONFIG", "VERSION", "HEARD"];
const COLUMNS: usize = TITLES.len();

/// The whole answer of `nodes`.
pub(super) fn render(view: &ClusterView) -> String {
    let common = most_common(view);
    let mut rows = vec![TITLES.map(str::to_owned)];
    rows.extend(view.nodes.iter().map(|node| row(node, common)));
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(line, "{cell:<width$}  "); // a string takes all
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&summary(view));
    text
}

/// The configuration that most nodes run, among those that take part.
fn most_common(view: &ClusterView) -> Option<u64> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    for node in view.nodes.iter().filter(|node| !node.observer && node.config.hash != 0) {
        *counts.entry(node.config.hash).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(hash, count)| (*count, *hash)).map(|(hash, _)| hash)
}

fn row(node: &ClusterNode, common: Option<u64>) -> [String; COLUMNS] {
    let silent = matches!(node.state, NodeState::Down | NodeState::Left);
    let config = match node.config.hash {
        0 => "-".to_owned(),
        hash => {
            let differs = !node.observer && common.is_some_and(|common| common != hash);
            format!("{:08x}{}", hash >> 32, if differs { " !" } else { "" })
        }
    };
    let load = node.load;
    let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    [
        if node.leader { "*" } else { "" }.to_owned(),
        node.endpoint.to_string(),
        known(&node.hostname),
        known(&node.address),
        format!("{}{}", node.state.name(), if node.observer { ", looks on" } else { "" }),
        if silent { "-".to_owned() } else { format!("{}/{}", load.busy, load.threads) },
        load.requests.to_string(),
        config,
        known(&node.version),
        heard(node),
    ]
}

fn heard(node: &ClusterNode) -> String {
    match node.silent_ms / 1_000 {
        _ if node.own => "-".to_owned(),
        0..=2 => "now".to_owned(),
        seconds @ 3..=119 => format!("{seconds} s ago"),
        seconds @ 120..=7_199 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}

fn summary(view: &ClusterView) -> String {
    let mut text = match view.leader() {
        Some(leader) => format!("leader: {} ({})", leader.endpoint, leader.hostname),
        None => "no leader".to_owned(),
    };
    // The old protocol has no votes.
    match view.quorum {
        0 => text.clear(),
        votes => drop(writeln!(text, "; it needs {votes} of {} votes", view.voters)),
    }
    let refused = view.refused;
    let counts = [
        ("forged", refused.forged),
        ("replayed", refused.replayed),
        ("with another clock", refused.skewed),
        ("malformed", refused.malformed),
        ("oversized", refused.oversized),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<_> = counts.map(|(what, count)| format!("{count} {what}")).collect();
    if !counts.is_empty() {
        let _ = writeln!(text, "datagrams not taken: {}", counts.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::cluster::{ConfigMark, Load, Refused};

    use super::*;

    fn node(last: u8, state: NodeState, hash: u64) -> ClusterNode {
        ClusterNode {
            hostname: format!("host{last}"),
            address: format!("10.0.0.{last}:3031"),
            endpoint: ([10, 0, 0, last], 1717).into(),
            state,
            incarnation: 1,
            load: Load { workers: 1, threads: 4, busy: 1, queue: 0, requests: 1_234 },
            version: "0.1.0".to_owned(),
            config: ConfigMark { version: 0, hash },
            silent_ms: 90_500,
            observer: false,
            own: last == 1,
            leader: last == 1,
        }
    }

    #[test]
    fn a_table_for_people() {
        let (most, other) = (0xabcd_ef01_0000_0000, 0x1234_5678_0000_0000);
        let nodes = vec![
            node(1, NodeState::Alive, most),
            node(2, NodeState::Draining, most),
            node(3, NodeState::Down, other),
        ];
        let refused = Refused { forged: 7, ..Refused::default() };
        let view = ClusterView { nodes, voters: 3, quorum: 2, refused, ..ClusterView::default() };
        let wanted = "
   NODE           HOST   ADDRESS        STATE     BUSY  REQUESTS  CONFIG      VERSION  HEARD
*  10.0.0.1:1717  host1  10.0.0.1:3031  alive     1/4   1234      abcdef01    0.1.0    -
   10.0.0.2:1717  host2  10.0.0.2:3031  draining  1/4   1234      abcdef01    0.1.0    90 s ago
   10.0.0.3:1717  host3  10.0.0.3:3031  down      -     1234      12345678 !  0.1.0    90 s ago
leader: 10.0.0.1:1717 (host1); it needs 2 of 3 votes
datagrams not taken: 7 forged
";
        assert_eq!(format!("\n{}", render(&view)), wanted);
    }
}
