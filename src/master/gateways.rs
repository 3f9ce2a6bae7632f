//! How a gateway is started: this program once more, with what it needs of the instance.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use uwsgi_plugin_api::Cargo;

use super::context::MasterContext;
use super::handover::NODE;
use crate::config::model::jobs::Gateway;
use crate::log::channel::Channel;
use crate::shm::{ClusterBoard, ClusterMemory};
use crate::sys::handover;
use crate::sys::spawn::{Input, Program};

/// The variable by which a gateway gets what nobody may read in a list of processes: names and values, in JSON.
pub const GATEWAY_SECRETS: &str = "UWSGI_RS_SECRETS";

/// What gateways are made of.
pub(super) struct Ours {
    /// The file of this program.
    pub(super) program: PathBuf,
    /// Listening sockets and what all generations share, with their names.
    pub(super) descriptors: Vec<(String, Arc<OwnedFd>)>,
    /// What the node of a cluster tells.
    pub(super) cluster: Option<Arc<ClusterBoard>>,
}

impl From<&MasterContext> for Ours {
    fn from(context: &MasterContext) -> Self {
        let all = context.listeners.iter().chain(&context.shared).cloned();
        let cluster = context.cluster.as_ref().map(|memory| memory.board.clone());
        Self { program: context.origin.program.clone(), descriptors: all.collect(), cluster }
    }
}

impl Ours {
    /// This program, with a descriptor of the instance as its standard input.
    pub(super) fn gateway<'a>(&'a self, gateway: &'a Gateway) -> io::Result<Program<'a>> {
        let find = |wanted: &str| {
            let found = self.descriptors.iter().find(|(name, _)| name == wanted);
            found.map(|(_, fd)| fd.as_fd()).ok_or(io::ErrorKind::NotConnected)
        };
        let arguments = gateway.arguments.iter().map(String::as_str).collect();
        let stdin = Input::Given(find(&gateway.input)?);
        // What it has to say of the log must not come back to it.
        let carries_log = gateway.cargo == Cargo::Log;
        let output = carries_log.then(|| find(Channel::BEFORE)).transpose()?;
        let program = Program { stdin, output, ..Program::new(&self.program, arguments) };
        if gateway.cargo != Cargo::Cluster {
            return Ok(program);
        }
        let names = ClusterMemory::passed_as();
        let kept = names.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let passed = names.into_iter().map(str::to_owned).zip(kept.iter().map(AsRawFd::as_raw_fd));
        let mut variables = handover::variables(NODE, &passed.collect::<Vec<_>>());
        if !gateway.secrets.is_empty() {
            let secrets = serde_json::to_string(&gateway.secrets)?;
            variables.push((GATEWAY_SECRETS, Some(secrets)));
        }
        // Others hold a node that is late for dead.
        Ok(Program { kept, variables, session: false, ..program })
    }
}
