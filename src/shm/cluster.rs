//! What an instance and its node in a cluster share: what the node tells all processes, whether they are to get requests,
//! and the options that the instance runs with or is to run with.
//!
//! All of it outlives generations, images of the program and the node's process. The node is the one writer of what it
//! tells and of the staged options (before it is started, the instance's first process is); the master writes what runs.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use serde::{Deserialize, Serialize};
use uwsgi_plugin_api::cluster::{ClusterMessage, ClusterView, NodeState, Options, Outgoing};

use super::arena::{Arena, Layout, Place};
use super::{Document, SeqBytes};

/// Changed with every change of what lies where.
const LAYOUT: u64 = 0x7577_7367_636c_0001;
/// Longest view in words of 8 bytes: 192 KiB, some 500 nodes.
const VIEW_WORDS: usize = 24 << 10;
/// What the node told counts for so long, in milliseconds. It tells it anew each second: one that is silent is dead or hangs,
/// and who is there by now nobody knows.
const FRESH_MS: u64 = 10_000;

/// Messages of applications that are kept for others to come for.
const MESSAGES_MAX: usize = 64;
/// Bytes of all of them; a larger one is kept alone.
const MESSAGES_BYTES_MAX: usize = 64 << 10;

/// Names between images of the program.
const BOARD: &str = "cluster-board";
const STAGED: &str = "cluster-staged";
const RUNNING: &str = "cluster-running";
const KEPT: &str = "cluster-kept";
const MAIL: &str = "cluster-mail";
const MESSAGES: &str = "cluster-messages";

/// What the node tells. Writer of every field: the node.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct ClusterHeader {
    /// [`LAYOUT`]. Writer: who made the memory, at once.
    layout: AtomicU64,
    /// The instance leads until then, by the monotonic clock; 0: it does not.
    leads_until_ms: AtomicU64,
    /// 1: it is to get no new requests.
    draining: AtomicU64,
    /// When the view was told, by the monotonic clock.
    told_ms: AtomicU64,
    /// A [`ClusterView`] in JSON; empty before the first.
    view: SeqBytes<VIEW_WORDS>,
}

/// What the node of an instance tells all its processes. Cheap to share, as [`super::Board`].
#[derive(Debug)]
pub struct ClusterBoard {
    arena: Arena,
    header: Place<ClusterHeader>,
}

impl ClusterBoard {
    /// Makes the memory.
    ///
    /// # Errors
    /// The error of the mapping.
    pub fn new() -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let header = layout.place(1);
        let board = Self { arena: layout.map()?, header };
        board.header().layout.store(LAYOUT, Relaxed);
        Ok(Arc::new(board))
    }

    /// The memory that another process has made.
    ///
    /// # Errors
    /// `InvalidData` where it is none, or of another layout.
    pub fn adopt(file: OwnedFd) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let header = layout.place(1);
        let board = Self { arena: layout.map_existing(file)?, header };
        match board.header().layout.load(Relaxed) {
            LAYOUT => Ok(Arc::new(board)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The memory, for another process.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.arena.file()
    }

    /// Whether the instance leads the cluster at `now_ms` of the monotonic clock.
    pub fn leads(&self, now_ms: u64) -> bool {
        now_ms < self.header().leads_until_ms.load(Relaxed)
    }

    /// Whether the instance is to get no new requests.
    pub fn is_draining(&self) -> bool {
        self.header().draining.load(Relaxed) != 0
    }

    /// Says whether it is.
    pub fn set_draining(&self, on: bool) {
        self.header().draining.store(on.into(), Relaxed);
    }

    /// Whether what the node said last still counts at `now_ms` of the monotonic clock.
    pub fn speaks(&self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.header().told_ms.load(Relaxed)) < FRESH_MS
    }

    /// What the node said last, in JSON; `None` where it has not spoken yet, or was killed while it did.
    pub fn text(&self) -> Option<Vec<u8>> {
        self.header().view.read().filter(|text| !text.is_empty())
    }

    /// Another number whenever the node has spoken.
    pub fn version(&self) -> u64 {
        self.header().view.version()
    }

    /// The same, where it still counts.
    pub fn view(&self, now_ms: u64) -> Option<ClusterView> {
        let text = self.text().filter(|_| self.speaks(now_ms))?;
        serde_json::from_slice(&text).ok()
    }

    /// Tells a view at `now_ms` of the monotonic clock, and until when the instance leads. Of more nodes than there is room
    /// for, those that are gone are left out first, but never this node or the leader.
    pub fn publish(&self, view: &ClusterView, leads_until_ms: u64, now_ms: u64) {
        let header = self.header();
        header.leads_until_ms.store(leads_until_ms, Relaxed);
        if let Some(text) = fitting(view, SeqBytes::<VIEW_WORDS>::CAPACITY) {
            header.view.write(&[&text]);
            header.told_ms.store(now_ms, Relaxed);
        }
    }

    fn header(&self) -> &ClusterHeader {
        &self.arena.slice(&self.header)[0]
    }
}

/// The view in JSON of at most so many bytes.
fn fitting(view: &ClusterView, most: usize) -> Option<Vec<u8>> {
    let mut text = serde_json::to_vec(view).ok()?;
    let mut view = view.clone();
    while text.len() > most {
        let gone = |state| matches!(state, NodeState::Down | NodeState::Left);
        // A share that is sure to fit, and less each time.
        let keep = (view.nodes.len() * most / text.len()).min(view.nodes.len().checked_sub(1)?);
        view.nodes.sort_by_key(|node| (!(node.own || node.leader), gone(node.state)));
        view.nodes.truncate(keep);
        view.nodes.sort_by_key(|node| node.endpoint);
        text = serde_json::to_vec(&view).ok()?;
    }
    Some(text)
}

/// Options that came from the cluster: what the instance is to run with from its next reload on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StagedOptions {
    /// Which change brought them.
    pub version: u64,
    /// In their order.
    pub options: Options,
}

/// What the instance runs with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningOptions {
    /// Those that it shares, and which change brought them: 0 for its own files.
    pub shared: StagedOptions,
    /// Those that stay on this node: how the cluster is reached.
    pub own: Options,
    /// It was started with options of its own, whatever has come since.
    pub is_founder: bool,
    /// Where it serves, as others can reach it; without a host where it listens on all interfaces; empty where it has no
    /// socket.
    pub address: String,
}

/// All that an instance and its node share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterMemory {
    /// What the node tells.
    pub board: Arc<ClusterBoard>,
    staged: Arc<Document>,
    running: Arc<Document>,
    /// What applications of other nodes have sent. Writer: the node.
    messages: Arc<Document>,
    /// What the node's next process is to know.
    kept: Arc<Document>,
    /// Where processes put what the node is to tell others.
    mail: Arc<UnixDatagram>,
    /// Where the node finds it: its standard input, kept for its next process.
    inbox: Option<Arc<UnixDatagram>>,
}

impl ClusterMemory {
    /// Name of what is the node's standard input.
    pub const INBOX: &'static str = "cluster-inbox";

    /// Makes it.
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let (staged, running) = (Document::new()?.into(), Document::new()?.into());
        let messages = Document::named(c"uwsgi-messages")?.into();
        let kept = Document::new()?.into();
        let (mail, inbox) = UnixDatagram::pair()?;
        mail.set_nonblocking(true)?;
        inbox.set_nonblocking(true)?;
        let (mail, inbox) = (mail.into(), Some(inbox.into()));
        Ok(Self { board: ClusterBoard::new()?, staged, running, kept, messages, mail, inbox })
    }

    /// What was passed to this image of the program, and stays there; `None` where it was not, or is another version's.
    pub fn adopt(passed: &HashMap<String, OwnedFd>) -> Option<Self> {
        let copy = |name: &str| passed.get(name)?.try_clone().ok();
        let document = |name: &str| Document::adopt(copy(name)?).ok().map(Arc::new);
        let socket = |name: &str| copy(name).map(UnixDatagram::from).map(Arc::new);
        let board = ClusterBoard::adopt(copy(BOARD)?).ok()?;
        let (staged, running) = (document(STAGED)?, document(RUNNING)?);
        let (kept, messages) = (document(KEPT)?, document(MESSAGES)?);
        let (mail, inbox) = (socket(MAIL)?, socket(Self::INBOX));
        Some(Self { board, staged, running, kept, messages, mail, inbox })
    }

    /// The names under which it is passed on to the node. [`Self::INBOX`] it has as its standard input.
    pub const fn passed_as() -> [&'static str; 6] {
        [BOARD, STAGED, RUNNING, KEPT, MESSAGES, MAIL]
    }

    /// All descriptors with their names.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn named_descriptors(&self) -> io::Result<Vec<(String, Arc<OwnedFd>)>> {
        let documents = [&self.staged, &self.running, &self.kept, &self.messages];
        let documents = documents.into_iter().map(|document| document.descriptor());
        let memory = [self.board.descriptor()].into_iter().chain(documents);
        let all = memory.chain([self.mail.as_fd()]);
        let inbox = self.inbox.iter().map(|inbox| (Self::INBOX, inbox.as_fd()));
        let named = Self::passed_as().into_iter().zip(all).chain(inbox);
        named.map(|(name, fd)| Ok((name.to_owned(), Arc::new(fd.try_clone_to_owned()?)))).collect()
    }

    /// What applications may have of it: not the options, among which are secrets.
    pub fn for_workers(&self) -> ClusterEnd {
        let (board, messages) = (self.board.clone(), self.messages.clone());
        ClusterEnd { board, messages, mail: self.mail.clone() }
    }

    /// Takes the rest out of what a generation was given, so that its workers do not have it.
    pub fn withhold(passed: &mut HashMap<String, OwnedFd>) {
        [STAGED, RUNNING, KEPT, Self::INBOX].iter().for_each(|name| drop(passed.remove(*name)));
    }

    /// What the instance is to run with from its next reload on; `None`: what its own files say.
    pub fn staged(&self) -> Option<StagedOptions> {
        serde_json::from_slice(&self.staged.read()?).ok()
    }

    /// Says what that is.
    ///
    /// # Errors
    /// It is longer than a [`Document`] may be, or out of memory.
    pub fn stage(&self, staged: Option<&StagedOptions>) -> io::Result<()> {
        let text = staged.map(serde_json::to_vec).transpose()?;
        self.staged.write(&text.unwrap_or_default())
    }

    /// Keeps a message for the applications, and forgets the oldest ones.
    ///
    /// # Errors
    /// As [`Self::stage`].
    pub fn deliver(&self, from: &str, bytes: &[u8]) -> io::Result<()> {
        let mut kept = messages(&self.messages);
        let number = kept.last().map_or(1, |last| last.number + 1);
        kept.push(ClusterMessage { number, from: from.to_owned(), bytes: bytes.to_vec() });
        let size = |kept: &[ClusterMessage]| -> usize {
            kept.iter().map(|message| message.bytes.len() + message.from.len()).sum()
        };
        while kept.len() > 1 && (kept.len() > MESSAGES_MAX || size(&kept) > MESSAGES_BYTES_MAX) {
            kept.remove(0);
        }
        self.messages.write(&serde_json::to_vec(&kept)?)
    }

    /// Keeps something for the node's next process.
    ///
    /// # Errors
    /// As [`Self::stage`].
    pub fn keep(&self, state: &[u8]) -> io::Result<()> {
        self.kept.write(state)
    }

    /// What was kept.
    pub fn kept(&self) -> Option<Vec<u8>> {
        self.kept.read().filter(|state| !state.is_empty())
    }

    /// What the instance runs with; `None` before it does.
    pub fn running(&self) -> Option<RunningOptions> {
        serde_json::from_slice(&self.running.read()?).ok()
    }

    /// Says what that is.
    ///
    /// # Errors
    /// As [`Self::stage`].
    pub fn run(&self, running: &RunningOptions) -> io::Result<()> {
        self.running.write(&serde_json::to_vec(running)?)
    }
}

/// What a worker shares with the node of its instance. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClusterEnd {
    /// What the node tells.
    pub board: Arc<ClusterBoard>,
    messages: Arc<Document>,
    mail: Arc<UnixDatagram>,
}

impl ClusterEnd {
    /// The last messages of other nodes' applications, those with a larger number than `after`.
    pub fn messages(&self, after: u64) -> Vec<ClusterMessage> {
        let mut all = messages(&self.messages);
        all.retain(|message| message.number > after);
        all
    }

    /// Gives the node something to tell others. False where it has not come to what it has already, or where it is too long.
    pub fn tell(&self, message: &Outgoing) -> bool {
        serde_json::to_vec(message).is_ok_and(|text| self.mail.send(&text).is_ok())
    }
}

fn messages(document: &Document) -> Vec<ClusterMessage> {
    document.read().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use uwsgi_plugin_api::cluster::{ClusterNode, ConfigMark, Load};

    fn node(number: u16, state: NodeState) -> ClusterNode {
        ClusterNode {
            hostname: format!("node{number}.example"),
            address: format!("192.0.2.1:{number}"),
            endpoint: SocketAddr::from(([192, 0, 2, 1], number)),
            state,
            incarnation: 1,
            load: Load::default(),
            version: "0.1.0".to_owned(),
            config: ConfigMark::default(),
            silent_ms: 0,
            observer: false,
            own: false,
            leader: false,
        }
    }

    fn again(memory: &ClusterMemory) -> ClusterMemory {
        let fds = memory.named_descriptors().unwrap().into_iter();
        let passed = fds.map(|(name, fd)| (name, fd.try_clone().unwrap())).collect();
        ClusterMemory::adopt(&passed).unwrap()
    }

    #[test]
    fn what_the_node_tells_is_seen_by_all() {
        let memory = ClusterMemory::new().unwrap();
        let other = again(&memory).board;
        assert_eq!(other.view(1), None);
        assert!(!other.leads(0) && !other.is_draining());
        let nodes = vec![node(1, NodeState::Alive), node(2, NodeState::Down)];
        let view = ClusterView { group: "225.1.1.1:1717".into(), nodes, ..ClusterView::default() };
        memory.board.publish(&view, 1_000, 1);
        memory.board.set_draining(true);
        assert_eq!(other.view(1), Some(view));
        assert!(other.leads(999) && !other.leads(1_000) && other.is_draining());
    }

    #[test]
    fn a_view_of_a_silent_node_is_none() {
        let board = ClusterBoard::new().unwrap();
        let view = ClusterView { nodes: vec![node(1, NodeState::Alive)], ..ClusterView::default() };
        board.publish(&view, 0, 1_000);
        assert!(board.view(10_999).is_some());
        assert_eq!(board.view(11_000), None);
        board.publish(&view, 0, 11_500);
        assert!(board.view(11_500).is_some());
    }

    #[test]
    fn of_too_many_nodes_those_that_are_gone_are_left_out_first() {
        let mut nodes: Vec<_> = (0..900).map(|number| node(number, NodeState::Down)).collect();
        (10..300).for_each(|number| nodes[number].state = NodeState::Alive);
        nodes[3].leader = true;
        nodes[7].own = true;
        let view = ClusterView { nodes, ..ClusterView::default() };
        let board = ClusterBoard::new().unwrap();
        board.publish(&view, 0, 1);
        let seen = board.view(1).unwrap();
        assert!(board.text().unwrap().len() <= SeqBytes::<VIEW_WORDS>::CAPACITY);
        let alive = seen.nodes.iter().filter(|node| node.state == NodeState::Alive).count();
        assert_eq!(alive, 290);
        assert!(seen.own().is_some() && seen.leader().is_some());
        assert!(seen.nodes.is_sorted_by_key(|node| node.endpoint));
    }

    #[test]
    fn the_last_messages_are_kept_with_their_numbers() {
        let memory = ClusterMemory::new().unwrap();
        let workers = again(&memory).for_workers();
        assert_eq!(workers.messages(0), []);
        (0..100).for_each(|number| memory.deliver("a", &[number]).unwrap());
        let kept = workers.messages(0);
        assert_eq!((kept.len(), kept[0].number, kept[0].bytes[0]), (64, 37, 36));
        // The node's next process counts on.
        again(&memory).deliver("b", &[0xff; 70_000]).unwrap();
        let kept = workers.messages(100);
        assert_eq!((kept.len(), kept[0].number, kept[0].from.as_str()), (1, 101, "b"));
        assert_eq!(workers.messages(0).len(), 1, "a large one leaves no room for others");
    }

    #[test]
    fn options_are_staged_for_every_later_image() {
        let memory = ClusterMemory::new().unwrap();
        assert_eq!((again(&memory).staged(), again(&memory).running()), (None, None));
        let options = vec![("socket".to_owned(), ":3031".to_owned())];
        let staged = StagedOptions { version: 7, options };
        memory.stage(Some(&staged)).unwrap();
        let running = RunningOptions { shared: staged.clone(), ..RunningOptions::default() };
        memory.run(&running).unwrap();
        assert_eq!(again(&memory).staged(), Some(staged));
        assert_eq!(again(&memory).running(), Some(running));
        assert_eq!(memory.kept(), None);
        memory.keep(b"votes").unwrap();
        assert_eq!(again(&memory).kept().as_deref(), Some(&b"votes"[..]));
        memory.stage(None).unwrap();
        assert_eq!(again(&memory).staged(), None);
    }

    #[test]
    fn workers_have_no_secrets() {
        let fds = ClusterMemory::new().unwrap().named_descriptors().unwrap().into_iter();
        let mut passed = fds.map(|(name, fd)| (name, fd.try_clone().unwrap())).collect();
        ClusterMemory::withhold(&mut passed);
        let mut left: Vec<_> = passed.keys().map(String::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, [BOARD, MAIL, MESSAGES]);
    }

    #[test]
    fn what_others_are_to_hear_comes_to_the_node() {
        let memory = ClusterMemory::new().unwrap();
        let (worker, node) = (again(&memory).for_workers(), again(&memory));
        let message = Outgoing::Message(vec![0, 255, 10]);
        assert!(worker.tell(&message) && worker.tell(&Outgoing::Log("a\n".into())));
        let mut bytes = [0; 4096];
        let length = node.inbox.unwrap().recv(&mut bytes).unwrap();
        assert_eq!(serde_json::from_slice::<Outgoing>(&bytes[..length]).unwrap(), message);
        let sent = (0..100_000).take_while(|_| worker.tell(&message)).count();
        assert!(sent < 100_000, "nobody waits for a node that does not read");
    }

    #[test]
    fn memory_of_others_is_no_board() {
        let file = crate::sys::memory::file_of(c"x", &[1; 1 << 18]).unwrap();
        assert!(ClusterBoard::adopt(file.into()).is_err());
        assert!(ClusterMemory::adopt(&HashMap::new()).is_none());
    }
}
