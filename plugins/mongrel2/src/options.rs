//! The options.

use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

/// Requests and answers of one Mongrel2.
pub(crate) const ZEROMQ: &str = "zeromq";
pub(crate) const SCRIPT_NAME: &str = "mongrel2-script-name";
pub(crate) const CHROOT: &str = "mongrel2-chroot";
pub(crate) const UPLOAD_ROOT: &str = "mongrel2-upload-root";
pub(crate) const UPLOAD_EARLY: &str = "mongrel2-upload-early";
pub(crate) const UPLOAD_REMOVE: &str = "mongrel2-upload-remove";
pub(crate) const CURVE_SERVER: &str = "zeromq-curve-server-key";
pub(crate) const CURVE_SECRET: &str = "zeromq-curve-secret-key";

/// All of them.
pub const ROWS: &[OptionRow] = &chapter(
    Section::Gateways,
    [
        list(ZEROMQ, "REQUESTS,ANSWERS",
            "Take requests from Mongrel2: the ZeroMQ endpoints of a handler, its send_spec and its recv_spec. Several may be given; \
             other sockets may be there besides.")
            .aliases(&["zmq", "zeromq-socket", "zmq-socket", "mongrel2"]).implies(&["master"]).extra(),
        flag(SCRIPT_NAME,
            "Requests of Mongrel2 have the fixed part of their route as SCRIPT_NAME, and the rest of the path as PATH_INFO.").extra(),
        text(CHROOT, "DIR",
            "Mongrel2's chroot directory as this server sees it; it stands before the paths of uploads.").extra(),
        text(UPLOAD_ROOT, "DIR",
            "Accept uploads that Mongrel2 has stored beneath this directory (upload.temp_store), as this server sees it. Without it \
             uploads are refused.").extra(),
        flag(UPLOAD_EARLY,
            "Run the application when an upload begins to arrive; it reads the file while that grows. A slow upload then holds a \
             thread.").extra(),
        flag(UPLOAD_REMOVE,
            "Remove the file of an upload when its request is over.").extra(),
        text(CURVE_SERVER, "FILE",
            "Encrypt the connections of zeromq (CURVE): this file holds the public key of the other side, in Z85.").extra(),
        text(CURVE_SECRET, "FILE",
            "This server's own secret key for zeromq-curve-server-key, in Z85; a new one at each start where it is not given.").extra(),
    ],
);
