//! What a plugin sees of the server, and what the server sees of a plugin.
//!
//! A plugin never depends on the server. It is given [`Request`]s with a [`Body`], answers through a
//! [`Response`], asks for services through [`Host`], and brings its own [`OptionRow`]s.
#![deny(unsafe_code)]

pub mod cluster;
pub mod gateway;
pub mod host;
pub mod mounts;
pub mod option;
pub mod plugin;
pub mod request;
pub mod response;
pub mod section;
pub mod settings;
pub mod site;
pub mod websocket;

pub use cluster::{ClusterView, Clustering, Instance};
pub use gateway::{Cargo, Gateway, Post};
pub use host::{AppStatus, Host, WorkerStatus};
pub use mounts::{Asked, Chosen, MountRules, Mounts};
pub use option::{Argument, OptionKind, OptionRow, Reload, Status};
pub use plugin::{Handler, LoadReport, LoadedApp, Outcome, Plugin, PluginError};
pub use request::{Body, BodyError, CoreId, Fill, Listener, Request, WireProtocol, Wish, WorkerId};
pub use response::{Flow, HeadError, Response, WriteError};
pub use section::Section;
pub use settings::Settings;
pub use site::{Site, SiteRules};
pub use uwsgi_protocol::{Known, Name, Vars, VarsView};
pub use websocket::WebSocket;
