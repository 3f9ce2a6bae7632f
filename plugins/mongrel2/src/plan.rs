//! The settings of a handler, checked.

use std::fs;
use std::path::{Component, Path, PathBuf};

use uwsgi_plugin_api::{PluginError, Settings};

use crate::options;

/// What a handler is asked to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// One for each Mongrel2.
    pub(crate) pairs: Vec<Endpoints>,
    /// `mongrel2-script-name`.
    pub(crate) script_name: bool,
    /// Where uploads may be; `None` refuses them.
    pub(crate) uploads: Option<UploadRules>,
    /// Keys of encrypted connections.
    pub(crate) curve: Option<Curve>,
}

/// Where requests come from and where answers go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    /// Mongrel2's `send_spec`.
    pub(crate) requests: String,
    /// Mongrel2's `recv_spec`.
    pub(crate) answers: String,
}

/// What is done with uploads that Mongrel2 has stored.
#[derive(Clone, Debug)]
pub(crate) struct UploadRules {
    /// Stands before the paths that Mongrel2 names.
    pub(crate) chroot: Option<PathBuf>,
    /// Files must be beneath it.
    pub(crate) root: PathBuf,
    /// The application may run while the file grows.
    pub(crate) early: bool,
    /// The file goes with its request.
    pub(crate) remove: bool,
}

/// Keys in Z85, as libzmq reads them.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    pub(crate) server: [u8; 32],
    pub(crate) public: [u8; 32],
    pub(crate) secret: [u8; 32],
}

const ACCEPTED: &str = "accepted: REQUESTS,ANSWERS, two ZeroMQ endpoints such as \
                        tcp://127.0.0.1:9999,tcp://127.0.0.1:9998 (send_spec and recv_spec of the handler in Mongrel2)";

impl Plan {
    /// Reads the settings.
    ///
    /// # Errors
    /// The first one that cannot be used, with what is accepted.
    pub(crate) fn read(settings: &Settings) -> Result<Self, PluginError> {
        let pairs = settings.all(options::ZEROMQ).map(endpoints).collect::<Result<_, _>>()?;
        let uploads = settings.text(options::UPLOAD_ROOT).map(|root| upload_rules(root, settings));
        for needs_root in [options::UPLOAD_EARLY, options::UPLOAD_REMOVE] {
            if uploads.is_none() && settings.flag(needs_root) {
                let root = options::UPLOAD_ROOT;
                return Err(fault(needs_root, "1", &format!("needs {root}")));
            }
        }
        Ok(Self {
            pairs,
            script_name: settings.flag(options::SCRIPT_NAME),
            uploads: uploads.transpose()?,
            curve: curve(settings)?,
        })
    }
}

fn fault(option: &str, value: &str, why: &str) -> PluginError {
    PluginError(format!("{option} = {value}: {why}"))
}

fn endpoints(text: &str) -> Result<Endpoints, PluginError> {
    let wrong = |why: &str| fault(options::ZEROMQ, text, &format!("{why}; {ACCEPTED}"));
    let (requests, answers) =
        text.split_once(',').ok_or_else(|| wrong("invalid zeromq address"))?;
    let (requests, answers) = (requests.trim(), answers.trim());
    for endpoint in [requests, answers] {
        let (transport, address) =
            endpoint.split_once("://").ok_or_else(|| wrong("an endpoint without a transport"))?;
        match transport {
            "tcp" if !address.contains(':') => return Err(wrong("tcp without a port")),
            "tcp" | "ipc" if !address.is_empty() => {}
            "tcp" | "ipc" => return Err(wrong("an endpoint without an address")),
            _ => return Err(wrong(&format!("{transport} is no transport of Mongrel2"))),
        }
    }
    if requests == answers {
        return Err(wrong("requests and answers cannot have the same endpoint"));
    }
    Ok(Endpoints { requests: requests.to_owned(), answers: answers.to_owned() })
}

fn upload_rules(root: &str, settings: &Settings) -> Result<UploadRules, PluginError> {
    let directory = |option: &str, text: &str| {
        let path = Path::new(text);
        let clean = path.is_absolute()
            && path
                .components()
                .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        // Whether it is there is another question: hooks may make it before the handler starts.
        match clean {
            true => Ok(path.to_owned()),
            false => Err(fault(option, text, "accepted: the absolute path of a directory")),
        }
    };
    let chroot = settings.text(options::CHROOT);
    Ok(UploadRules {
        chroot: chroot.map(|text| directory(options::CHROOT, text)).transpose()?,
        root: directory(options::UPLOAD_ROOT, root)?,
        early: settings.flag(options::UPLOAD_EARLY),
        remove: settings.flag(options::UPLOAD_REMOVE),
    })
}

fn curve(settings: &Settings) -> Result<Option<Curve>, PluginError> {
    let (server, secret) = (options::CURVE_SERVER, options::CURVE_SECRET);
    let Some(file) = settings.text(server) else {
        return match settings.text(secret) {
            Some(file) => Err(fault(secret, file, &format!("needs {server}"))),
            None => Ok(None),
        };
    };
    if zmq::has("curve") != Some(true) {
        let why = "the ZeroMQ library of this program has no CURVE: build it against the system's libzmq, which has \
                   (docs/mongrel2.md)";
        return Err(fault(server, file, why));
    }
    let server_key = key(server, file)?;
    let pair = match settings.text(secret) {
        Some(file) => {
            let secret_key = key(secret, file)?;
            let public = crate::ffi::curve_public(&secret_key)
                .ok_or_else(|| fault(secret, file, "no secret key of CURVE"))?;
            (public, secret_key)
        }
        None => {
            let pair = zmq::CurveKeyPair::new()
                .map_err(|error| fault(server, file, &format!("no key can be made: {error}")))?;
            (pair.public_key, pair.secret_key)
        }
    };
    Ok(Some(Curve { server: server_key, public: pair.0, secret: pair.1 }))
}

/// A key of 40 characters in a file.
fn key(option: &str, file: &str) -> Result<[u8; 32], PluginError> {
    let text = fs::read_to_string(file).map_err(|error| fault(option, file, &error.to_string()))?;
    let key = zmq::z85_decode(text.trim()).ok().and_then(|key| <[u8; 32]>::try_from(key).ok());
    key.ok_or_else(|| {
        fault(option, file, "accepted: a file with the 40 characters of a key in Z85")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pairs: &[(&str, &str)]) -> Result<Plan, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Plan::read(&Settings::new(pairs.collect())).map_err(|error| error.to_string())
    }

    #[test]
    fn each_occurrence_is_a_mongrel2() {
        let two = plan(&[("zeromq", "tcp://a:1, tcp://a:2"), ("zeromq", "ipc://x,ipc://y")]);
        let two = two.expect("they are good").pairs;
        assert_eq!((&*two[0].requests, &*two[0].answers), ("tcp://a:1", "tcp://a:2"));
        assert_eq!((&*two[1].requests, &*two[1].answers), ("ipc://x", "ipc://y"));
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        for (value, why) in [
            ("tcp://a:1", "invalid zeromq address"),
            ("a:1,b:2", "without a transport"),
            ("tcp://a,tcp://b:1", "tcp without a port"),
            ("ipc://,ipc://x", "without an address"),
            ("udp://a:1,udp://b:2", "udp is no transport"),
            ("ipc://x,ipc://x", "the same endpoint"),
        ] {
            let error = plan(&[("zeromq", value)]).expect_err(value);
            assert!(error.contains(why) && error.contains(ACCEPTED), "{error}");
        }
        for (pairs, why) in [
            ([("mongrel2-upload-root", "relative")], "the absolute path of a directory"),
            ([("mongrel2-upload-root", "/usr/../tmp")], "the absolute path of a directory"),
            ([("mongrel2-upload-early", "1")], "needs mongrel2-upload-root"),
            ([("zeromq-curve-secret-key", "/x")], "needs zeromq-curve-server-key"),
            ([("zeromq-curve-server-key", "/nonexistent")], ""),
        ] {
            let error = plan(&pairs).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
    }
}
