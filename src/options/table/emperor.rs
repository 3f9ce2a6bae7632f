//! The emperor, which starts an instance (a vassal) for each configuration file, and what vassals tell it.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const EMPEROR: &str = "start each application as a systemd service of its own (a template: uwsgi@.service with --ini /etc/uwsgi/%i.ini)";
const CONFIGURATION: &str = "let each configuration file read the common one (ini), or set the option in the service's ExecStart=";
const PROGRAM: &str = "name the program in the service's ExecStart=";
const USERS: &str = "give each service its User= and Group=";
const GROUPS: &str = "give the service SupplementaryGroups=; uid also takes the user's groups";
const CAPABILITIES: &str = "give the service CapabilityBoundingSet= and AmbientCapabilities=";
const NAMESPACES: &str = "give the service PrivateTmp=, PrivateNetwork= and the other sandboxing settings of systemd.exec";
const ON_DEMAND: &str =
    "start the service by its socket (a systemd .socket unit with ListenStream=)";
const RESTARTS: &str = "give the service RestartSec= and StartLimitIntervalSec=";
const SCANNING: &str = "nothing is scanned; systemctl enable and disable say which services run";
const STATE: &str = "ask systemctl status and systemctl list-units for the services";
const COMMANDS: &str = "start and stop the services with systemctl";
const FORKING: &str = "each service loads its application itself";
const ATTRIBUTES: &str = "write it into a drop-in of the service (systemctl edit)";
const REINFORCEMENT: &str = "run as many processes as the load needs at its highest";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Emperor,
    [
        list("emperor", "DIR",
            "Start, reload and stop an instance (a vassal) for each configuration file of this directory, glob or monitor (pg://, ...).")
            .unsupported(EMPEROR),
        list("vassals-inherit", "FILE",
            "Read this file, as inherit does, after the configuration file of each vassal.")
            .unsupported(CONFIGURATION),
        list("vassals-inherit-before", "FILE",
            "Read this file, as inherit does, before the configuration file of each vassal.")
            .unsupported(CONFIGURATION),
        list("vassals-include", "FILE",
            "Read this file, as include does, after the configuration file of each vassal.")
            .unsupported(CONFIGURATION),
        list("vassals-include-before", "FILE",
            "Read this file, as include does, before the configuration file of each vassal.")
            .unsupported(CONFIGURATION),
        list("vassals-set", "KEY=VALUE",
            "Set an option or placeholder of each vassal.").aliases(&["vassal-set"])
            .unsupported(CONFIGURATION),
        flag("emperor-tyrant",
            "Run each vassal as the user and group that own its configuration file.")
            .unsupported(USERS),
        flag("emperor-tyrant-nofollow",
            "For a symbolic link, take the owner of the link in tyrant mode, not that of the file.")
            .unsupported(USERS),
        flag("emperor-tyrant-initgroups",
            "Give vassals in tyrant mode the further groups of their user too (uWSGI 2.1).").extra()
            .unsupported(GROUPS),
        text("emperor-cap", "CAPABILITY[,CAPABILITY]",
            "Linux capabilities that vassals in tyrant mode keep.").aliases(&["vassal-cap", "vassals-cap"]).extra()
            .unsupported(CAPABILITIES),
        text("emperor-use-clone", "NAMESPACE[,NAMESPACE]",
            "Start vassals in Linux namespaces of their own (fs, ipc, net, pid, uts, ...).")
            .unsupported(NAMESPACES),
        integer("emperor-freq", "SECONDS",
            "Time between two scans of the Emperor (default 3).")
            .missing(SCANNING),
        flag("emperor-nofollow",
            "For a symbolic link, look at the link's own time of change, not at that of the file.")
            .missing(SCANNING),
        list("emperor-extra-extension", "SUFFIX",
            "Take files with this suffix for configurations too; vassals get them by --config.").aliases(&["emperor-extra-ext"])
            .unsupported(EMPEROR),
        flag("emperor-magic-exec",
            "Run configuration files that are executable and read what they print.")
            .unsupported("print the configuration to a file in the service's ExecStartPre="),
        integer("emperor-throttle", "MILLISECONDS",
            "First pause before a vassal that fails is started again (default 1000).")
            .missing(RESTARTS),
        integer("emperor-max-throttle", "MILLISECONDS",
            "Longest pause before a vassal that fails is started again (default 180000).")
            .missing(RESTARTS),
        flag("emperor-no-blacklist",
            "Keep no list of failing vassals, whose restarts are put off longer and longer.")
            .missing(RESTARTS),
        integer("emperor-required-heartbeat", "SECONDS",
            "Restart a vassal with heartbeats when it was silent for so long.")
            .missing("let a health check restart the service; a hanging request is ended by harakiri"),
        integer("emperor-curse-tolerance", "SECONDS",
            "Kill a vassal that was told to end and still runs after so long.")
            .missing("give the service TimeoutStopSec="),
        flag("emperor-graceful-shutdown",
            "Let vassals finish their requests when the Emperor ends.")
            .missing("take the instance out of the front end before it stops; a reload (SIGHUP) finishes requests"),
        text("emperor-on-demand-extension", "SUFFIX",
            "Start a vassal at the first connection to the socket named in the file with this added suffix.").aliases(&["emperor-on-demand-ext"])
            .unsupported(ON_DEMAND),
        text("emperor-on-demand-directory", "DIR",
            "Start a vassal at the first connection to DIR/NAME.socket.").aliases(&["emperor-on-demand-dir"])
            .unsupported(ON_DEMAND),
        text("emperor-on-demand-exec", "COMMAND",
            "Start a vassal at the first connection to the socket that this command prints for its name.")
            .unsupported(ON_DEMAND),
        text("emperor-wrapper", "PATH",
            "Program that vassals run instead of the Emperor's own.")
            .unsupported(PROGRAM),
        list("emperor-wrapper-override", "PATH",
            "Program that is tried before emperor-wrapper.")
            .unsupported(PROGRAM),
        list("emperor-wrapper-fallback", "PATH",
            "Program that is tried when no other could be run.")
            .unsupported(PROGRAM),
        text("vassals-start-hook", "COMMAND",
            "Command that is run before each vassal starts.")
            .missing("write it into the service's ExecStartPre="),
        text("vassals-stop-hook", "COMMAND",
            "Command that is run after each vassal ended.")
            .missing("write it into the service's ExecStopPost="),
        text("emperor-stats", "ADDRESS",
            "Answer each connection to this socket with a JSON document about the Emperor and its vassals.").aliases(&["emperor-stats-server"])
            .missing(STATE),
        text("emperor-pidfile", "PATH",
            "Write the Emperor's process id here.")
            .missing(STATE),
        text("emperor-procname", "NAME",
            "Name of the Emperor's process.")
            .missing(STATE),
        flag("imperial-monitor-list",
            "List the monitors that the Emperor can use.").aliases(&["imperial-monitors-list"])
            .no_effect("there are no monitors to list"),
        text("emperor-proxy-socket", "ADDRESS",
            "Make each vassal a proxy between the Emperor and an Emperor of its own on this socket.")
            .unsupported(EMPEROR),
        integer("emperor-broodlord", "N",
            "Start up to N further instances for vassals that ask for help (vassal-sos-backlog).")
            .missing(REINFORCEMENT),
        integer("vassal-sos", "SECONDS",
            "Ask the Emperor for a further instance when all workers are busy, at most this often.")
            .missing(REINFORCEMENT),
        integer("vassal-sos-backlog", "N",
            "Ask the Emperor for a further instance when more than N connections wait to be accepted.")
            .missing(REINFORCEMENT),
        text("emperor-command-socket", "ADDRESS",
            "Take commands such as spawn for the Emperor on this socket (uWSGI 2.1).").extra()
            .missing(COMMANDS),
        flag("emperor-wait-for-command",
            "Start a vassal only when the command spawn for it has come (uWSGI 2.1).").extra()
            .unsupported(COMMANDS),
        list("emperor-wait-for-command-ignore", "NAME",
            "Vassal that starts without waiting for a command (uWSGI 2.1).").extra()
            .missing(COMMANDS),
        text("emperor-trigger-socket", "ADDRESS",
            "Listen on this socket for triggers to the Emperor (uWSGI 2.1).").extra()
            .missing(COMMANDS),
        text("emperor-use-fork-server", "ADDRESS",
            "Fork vassals from the process behind this socket, which has the application loaded (uWSGI 2.1).").extra()
            .missing(FORKING),
        list("vassal-fork-base", "NAME",
            "Vassal that starts in the ordinary way, for others to be forked from it (uWSGI 2.1).").extra()
            .missing(FORKING),
        flag("emperor-subreaper",
            "Make the Emperor the parent of orphaned processes of its vassals (uWSGI 2.1).").extra()
            .no_effect("there is no Emperor, and systemd looks after orphans of a service"),
        list("emperor-collect-attr", "NAME",
            "Attribute that monitors collect for each vassal (uWSGI 2.1).").aliases(&["emperor-collect-attribute"]).extra()
            .missing(ATTRIBUTES),
        text("emperor-chdir-attr", "NAME",
            "Attribute of a vassal that names its working directory (uWSGI 2.1).").extra()
            .unsupported("give the service WorkingDirectory=, or set chdir in its file"),
        text("emperor-wrapper-attr", "NAME",
            "Attribute of a vassal that names the program it runs (uWSGI 2.1).").extra()
            .unsupported(PROGRAM),
        text("emperor-fork-server-attr", "NAME",
            "Attribute of a vassal that names the fork server it comes from (uWSGI 2.1).").extra()
            .missing(FORKING),
        text("zeus", "NAME",
            "Put the Emperor into Zeus mode, which never left the branch of uWSGI 2.1.").extra()
            .unsupported(EMPEROR),
        flag("early-emperor",
            "Start the Emperor before sockets are opened and privileges are dropped.")
            .unsupported(EMPEROR),
    ],
);
