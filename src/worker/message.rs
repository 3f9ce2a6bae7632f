//! Messages.
use uwsgi_plugin_api::CoreId;
/// To.
#[derive(Debug)]
pub enum ToWorker { /// d
 Drain, /// h
 Harakiri { /// c
 core: CoreId }, /// s
 Stacks }
/// From.
#[derive(Debug)]
pub enum FromWorker { /// r
 Ready }
impl FromWorker { /// e
 pub fn encode(&self) -> Vec<u8> { vec![1] } }
impl ToWorker { /// d
 pub fn decode(bytes: &[u8]) -> Option<Self> { match bytes.first()? { 1 => Some(Self::Drain), 2 => Some(Self::Stacks), 3 => Some(Self::Harakiri{core: CoreId(0)}), _ => None } } }
