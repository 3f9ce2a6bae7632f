//! The plugin's option rows.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(crate) const ROWS: &[OptionRow] = &chapter(
    Section::Python,
    [
        text("module", "MODULE[:CALLABLE]",
            "Load the WSGI application of this module. The callable's name may end with () for a factory.").short('w').aliases(&["wsgi"]).reload(Workers),
        text("wsgi-file", "PATH",
            "Load the WSGI application of this file.").aliases(&["file"]).reload(Workers),
        text("callable", "NAME",
            "Name of the application in its module; default: application.").reload(Workers),
        text("home", "DIR",
            "The virtualenv (or the prefix) whose Python runs the application.").short('H').aliases(&["virtualenv", "venv", "pyhome"]),
        text("python", "PATH",
            "The Python interpreter to use where no virtualenv is given; default: python3 in PATH."),
        list("pythonpath", "DIR",
            "Put this directory, or all that match a pattern, in front of sys.path.").aliases(&["python-path", "pp"]).reload(Workers),
        list("mount", "POINT=APP",
            "Serve an application (module:callable, file.py or file.wsgi) under this path, or with vhost under HOST|PATH.").reload(Workers),
        flag("manage-script-name",
            "Find the application by the longest mount point that PATH_INFO begins with, and move it to SCRIPT_NAME.").reload(Workers),
        flag("ignore-script-name",
            "Do not choose the application by SCRIPT_NAME.").reload(Workers),
        flag("no-default-app",
            "Requests that no mount point matches are not given to the default application.").reload(Workers),
        list("import", "MODULE",
            "Import this module (or run this file) before the applications are loaded.").aliases(&["pyimport", "py-import", "python-import"]).reload(Workers),
        flag("catch-exceptions",
            "Answer an exception of the application with its traceback. Only for development.").reload(Workers),
        flag("wsgi-disable-file-wrapper",
            "Leave wsgi.file_wrapper out of the environ.").reload(Workers),
        flag("wsgi-accept-buffer",
            "Accept body items that are no bytes but have the buffer protocol (bytearray, memoryview).").aliases(&["wsgi-accept-buffers"]).reload(Workers),
        integer("optimize", "LEVEL",
            "As python's -O (1) and -OO (2).").short('O'),
        flag("single-interpreter",
            "Run all applications in one interpreter; else the second and each further one has its own.").short('i').reload(Workers),
        flag("py-call-osafterfork",
            "Tell Python about forks, so that its signal handlers work.").reload(Workers)
            .no_effect("Python is always told about forks"),
        flag("py-call-uwsgi-fork-hooks",
            "Hold Python's locks while a worker is forked.").reload(Workers)
            .no_effect("Python is always told about forks"),
        text("wsgi-env-behaviour", "cheat|holy",
            "Whether requests share one environ dictionary (cheat) or have one each (holy).").aliases(&["wsgi-env-behavior"]).reload(Workers)
            .no_effect("every request has an environ of its own"),
        flag("wsgi-strict",
            "Keep strictly to the WSGI specification.").reload(Workers)
            .no_effect("PEP 3333 is always kept to"),
        flag("wsgi-manage-chunked-input",
            "Decode chunked request bodies in wsgi.input.").reload(Workers)
            .no_effect("chunked request bodies are always decoded").extra(),
        flag("python-version",
            "Print the version of the Python that would be loaded and exit.").immediate(),
        integer("py-autoreload", "SECONDS",
            "Reload when the file of a loaded module changes. Seen at once; this often it is looked what was loaded meanwhile. Only for development.").reload(Workers)
            .aliases(&["py-auto-reload", "python-autoreload", "python-auto-reload"]).implies(&["master"]),
        list("py-auto-reload-ignore", "MODULE",
            "Leave this module, or this file, out of py-autoreload.").reload(Workers).implies(&["master"]),
        text("py-tracebacker", "PREFIX",
            "Write the Python stacks of a worker to whoever connects to the unix socket PREFIX and its number.").implies(&["master"])
            .missing("look into the running worker with py-spy; harakiri writes the stack of a stuck request to the log"),
        text("py-sys-executable", "PATH",
            "Value of sys.executable.").aliases(&["py-executable"])
            .missing("sys.executable is the python of the virtualenv"),
        text("py-programname", "PATH",
            "Name of the program that Python is told.").aliases(&["py-program-name"])
            .missing("Python is told the python of the virtualenv"),
        text("pyargv", "ARGUMENTS",
            "Set sys.argv from words divided by blanks.")
            .unsupported("give the application its settings in the environment (env)"),
        flag("py-master-check-signals",
            "Let Python handle its signals in the master too.")
            .missing("signal handlers of the application run in workers").extra(),
        flag("no-site",
            "Do not import Python's site module.")
            .missing("site is always imported"),
        flag("start_response-nodelay",
            "Send the head when start_response is called.").reload(Workers)
            .missing("the head leaves with the first piece of the body, as PEP 3333 wants it"),
        flag("reload-os-env",
            "Fill os.environ again before each request.").reload(Workers)
            .missing("change os.environ in the application"),
        list("shared-import", "MODULE",
            "Import this module in the master, before the fork.").aliases(&["shared-pyimport", "shared-py-import", "shared-python-import"])
            .unsupported("use import; it runs before the fork where lazy-apps is not given"),
        list("spooler-import", "MODULE",
            "Import this module in the spoolers.").aliases(&["spooler-pyimport", "spooler-py-import", "spooler-python-import"])
            .no_effect("there are no spoolers"),
        text("eval", "CODE",
            "Take the application from this piece of Python.")
            .unsupported("write the code to a file and name it with wsgi-file"),
        text("paste", "config:PATH",
            "Load a PasteDeploy application.")
            .unsupported("write a module that calls paste.deploy.loadapp and name it with module"),
        text("ini-paste", "FILE",
            "Read the options of a PasteDeploy file, and load its application.").immediate()
            .unsupported("write a module that calls paste.deploy.loadapp and name it with module"),
        text("ini-paste-logged", "FILE",
            "As ini-paste, with the logging that the file sets up.").immediate()
            .unsupported("write a module that calls paste.deploy.loadapp and name it with module"),
        flag("paste-logger",
            "Set logging up as the PasteDeploy file says.")
            .missing("call logging.config.fileConfig in the application's module"),
        text("paste-name", "NAME",
            "Name of the application in the PasteDeploy file.")
            .missing("give the name to paste.deploy.loadapp").extra(),
        text("pecan", "FILE",
            "Load a Pecan application of this configuration.")
            .unsupported("write a module that calls pecan.deploy.deploy and name it with module"),
        text("web3", "MODULE:CALLABLE",
            "Load a Web3 application (PEP 444).")
            .unsupported("use WSGI: the specification was withdrawn"),
        text("pump", "MODULE:CALLABLE",
            "Load a Pump application.")
            .unsupported("use WSGI: the specification was given up"),
        text("wsgi-lite", "MODULE:CALLABLE",
            "Load a WSGI Lite application.")
            .unsupported("use WSGI: the specification was given up"),
        text("python-raw", "FILE",
            "Call the function application (or callable) of this file for each connection of raw-socket, with its descriptor.").reload(Workers),
        list("pymodule-alias", "NAME=MODULE",
            "Let a module be imported by another name, before applications are loaded.")
            .unsupported("set sys.modules in a module named by import"),
        list("post-pymodule-alias", "NAME=MODULE",
            "Let a module be imported by another name, after applications were loaded.")
            .unsupported("set sys.modules at the end of the application's module"),
        list("py-sharedarea", "SIZE",
            "Make a shared area of a Python buffer.")
            .unsupported("use multiprocessing.shared_memory"),
        text("pyrun", "FILE",
            "Run a Python script in the server's environment and exit.").aliases(&["py"])
            .unsupported("run the script with the virtualenv's python"),
        optional_text("pyshell", "CODE",
            "Run a Python shell in the first worker.")
            .unsupported("run the virtualenv's python and import the application"),
        optional_text("pyshell-oneshot", "CODE",
            "Run a Python shell once in the first worker.")
            .unsupported("run the virtualenv's python and import the application"),
        text("test", "MODULE",
            "Import this module and exit with 0 where it can be imported.").short('J')
            .unsupported("run python -c 'import MODULE' with the virtualenv's python"),
        text("python-worker-override", "FILE",
            "Run this script in each worker in place of the request loop.")
            .unsupported("run the script as a service of its own"),
        flag("early-python",
            "Start Python while the configuration is read.").immediate()
            .no_effect("Python is started before anything needs it").extra(),
        list("early-pythonpath", "DIR",
            "Put a directory into sys.path while the configuration is read.").aliases(&["early-python-path"]).immediate()
            .unsupported("use pythonpath").extra(),
        list("early-pyimport", "MODULE",
            "Import a module while the configuration is read.").aliases(&["early-python-import"]).immediate()
            .unsupported("use import").extra(),
    ],
);
