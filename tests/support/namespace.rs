//! A network of hosts that only this test sees: a namespace for each, cables to a bridge in one more.
//!
//! Nothing of it is in the namespace of the test itself. What a test does on a host it does in [`Network::on`]: the thread that runs it
//! is there, and so is every process that it starts.

use std::fs::File;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{geteuid, sethostname};

/// Where `ip` keeps namespaces.
const PLACE: &str = "/run/netns";

/// A network; it is gone when it is dropped.
pub struct Network {
    name: String,
    hosts: u8,
}

impl Network {
    /// Whether this machine lets tests make one: who may not says so.
    pub fn permitted() -> bool {
        if !geteuid().is_root() {
            return false;
        }
        let name = unique();
        let made = try_ip(&["netns", "add", &name]).is_ok()
            && try_ip(&["-n", &name, "link", "add", "probe", "type", "bridge"]).is_ok();
        let _ = try_ip(&["netns", "del", &name]);
        made
    }

    /// Hosts 1 to `hosts`, with one link each, all up.
    #[track_caller]
    pub fn new(hosts: u8) -> Self {
        let network = Self { name: unique(), hosts };
        let bridge = network.bridge();
        ip(&["netns", "add", &bridge]);
        // Groups reach everybody without anybody who asks for members.
        ip(&[
            "-n",
            &bridge,
            "link",
            "add",
            "bridge",
            "type",
            "bridge",
            "mcast_snooping",
            "0",
            "stp_state",
            "0",
        ]);
        ip(&["-n", &bridge, "link", "set", "bridge", "up"]);
        for host in 1..=hosts {
            network.connect(host);
        }
        network
    }

    #[track_caller]
    fn connect(&self, host: u8) {
        let (name, bridge, cable) = (self.namespace(host), self.bridge(), cable(host));
        ip(&["netns", "add", &name]);
        ip(&[
            "-n", &bridge, "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "netns",
            &name,
        ]);
        ip(&["-n", &bridge, "link", "set", &cable, "master", "bridge", "up"]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        ip(&["-n", &name, "address", "add", &format!("{}/24", self.address(host)), "dev", "eth0"]);
        ip(&["-n", &name, "link", "set", "eth0", "up"]);
        ip(&["-n", &name, "route", "add", "224.0.0.0/4", "dev", "eth0"]);
    }

    /// The address of a host.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        assert!((1..=self.hosts).contains(&host), "there is no host {host}");
        Ipv4Addr::new(10, 71, 0, host)
    }

    /// Its name, for itself.
    pub fn hostname(host: u8) -> String {
        format!("host{host}")
    }

    /// Pulls the cable of a host, at the far end.
    #[track_caller]
    pub fn cut(&self, host: u8) {
        ip(&["-n", &self.bridge(), "link", "set", &cable(host), "down"]);
    }

    /// Puts it in again.
    #[track_caller]
    pub fn heal(&self, host: u8) {
        ip(&["-n", &self.bridge(), "link", "set", &cable(host), "up"]);
    }

    /// Does something on a host, by a thread that is there.
    #[track_caller]
    pub fn on<T: Send>(&self, host: u8, act: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(format!("{PLACE}/{}", self.namespace(host)));
        let namespace = namespace.expect("the namespace is there");
        let done = std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                setns(&namespace, CloneFlags::CLONE_NEWNET).expect("enter a network");
                unshare(CloneFlags::CLONE_NEWUTS).expect("have a name of its own");
                sethostname(Self::hostname(host)).expect("name a host");
                act()
            });
            thread.join()
        });
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn bridge(&self) -> String {
        format!("{}-b", self.name)
    }

    fn namespace(&self, host: u8) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // With its namespaces go its links.
        let namespaces = (1..=self.hosts).map(|host| self.namespace(host));
        for namespace in namespaces.chain([self.bridge()]) {
            let _ = try_ip(&["netns", "del", &namespace]);
        }
    }
}

fn cable(host: u8) -> String {
    format!("cable{host}")
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("uwsgi-t{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[track_caller]
fn ip(args: &[&str]) {
    if let Err(why) = try_ip(args) {
        panic!("ip {}: {why}", args.join(" "));
    }
}

fn try_ip(args: &[&str]) -> Result<(), String> {
    let output = Command::new("ip").args(args).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).into_owned())
}
