

# Applications that requests name, and interpreters of their own. This text follows that of boot.py, in the same module.

isolated = False  # this interpreter is not the main one

REFUSALS = (
    "does not support loading in subinterpreters",
    "cannot load module more than once per process",
    "may only be initialized once per interpreter process",
    "do not yet support subinterpreters",
    "does not properly support sub-interpreters",
    "Interpreter change detected",
)


def refusal(value):
    """What an extension module says that cannot be loaded in an interpreter of its own; None for other exceptions."""
    seen = set()
    while value is not None and id(value) not in seen:
        seen.add(id(value))
        if isinstance(value, (ImportError, RuntimeError, SystemError)):
            text = str(value)
            if any(words in text for words in REFUSALS):
                return text.strip().splitlines()[0]
        value = value.__cause__ or value.__context__
    return None


def explain_refusal(value):
    text = isolated and refusal(value)
    if text:
        print(
            "an extension module refuses to be loaded in an interpreter of its own (%s): "
            "set single-interpreter, so that all applications share one, or app-isolation = process, "
            "so that each has processes of its own" % text,
            file=sys.stderr,
        )


class Unfit(NotFound):
    """What a request names cannot be served as it is named."""


def virtualenv_config(home):
    """What pyvenv.cfg says; empty where there is none."""
    try:
        with open(os.path.join(home, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            lines = [line.partition("=") for line in file]
    except OSError:
        return {}
    return {key.strip(): value.strip() for key, _, value in lines}


def version_of(home):
    """The Python that a virtualenv was made for, as (3, 11); None where that is not said."""
    config = virtualenv_config(home)
    parts = config.get("version", config.get("version_info", "")).split(".")
    if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit():
        return int(parts[0]), int(parts[1])
    return None


def has_system_packages(home):
    return virtualenv_config(home).get("include-system-site-packages", "").lower() == "true"


def package_folder(prefix):
    return os.path.join(prefix, "lib", "python%d.%d" % sys.version_info[:2], "site-packages")


def check_virtualenv(home):
    if not os.path.isdir(home):
        raise Unfit("the virtualenv %s (UWSGI_PYHOME) does not exist" % home)
    version = version_of(home)
    if version is not None and version != sys.version_info[:2]:
        raise Unfit(
            "the virtualenv %s (UWSGI_PYHOME) is for Python %d.%d, this server runs %d.%d: with "
            "app-isolation = process each application has the Python of its virtualenv"
            % ((home,) + version + sys.version_info[:2])
        )
    if not os.path.isdir(package_folder(home)):
        raise Unfit(
            "the virtualenv %s (UWSGI_PYHOME) has no packages for Python %d.%d: there is no %s"
            % ((home,) + sys.version_info[:2] + (package_folder(home),))
        )


def use_virtualenv(home):
    """As if the interpreter had been started from this virtualenv: its packages, in place of those of the server's own."""
    import site

    check_virtualenv(home)
    if os.path.realpath(home) == os.path.realpath(sys.prefix):
        return
    if not isolated:
        share_virtualenv(home, site)
        return
    library = os.path.dirname(os.__file__)
    inherited = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]

    def is_standard(entry):
        archive = os.path.basename(entry) == "python%d%d.zip" % sys.version_info[:2]
        dynamic = os.path.basename(entry) == "lib-dynload"
        return archive or dynamic or entry == library or entry in inherited

    sys.path[:] = [entry for entry in sys.path if is_standard(entry)]
    sys.prefix = sys.exec_prefix = home
    for name in ("python", "python3"):
        program = os.path.join(home, "bin", name)
        if os.path.exists(program):
            sys.executable = program
            break
    site.PREFIXES[:] = [home]
    site.ENABLE_USER_SITE = False
    known = {os.path.abspath(entry) for entry in sys.path}
    site.addsitedir(package_folder(home), known)
    if has_system_packages(home):
        site.PREFIXES.append(sys.base_prefix)
        site.addsitepackages(known, [sys.base_prefix])


shared_virtualenv = None


def share_virtualenv(home, site):
    global shared_virtualenv
    if shared_virtualenv not in (None, home):
        raise Unfit(
            "the virtualenv %s (UWSGI_PYHOME) cannot be used beside %s in one interpreter: with "
            "app-isolation = interpreter or process each application has its own" % (home, shared_virtualenv)
        )
    if shared_virtualenv is None:
        before = list(sys.path)
        site.addsitedir(package_folder(home))
        added = [entry for entry in sys.path if entry not in before]
        sys.path[:] = added + before
        shared_virtualenv = home


def set_environment(pairs):
    """Variables of `UWSGI_SETENV`.

    In an interpreter of its own they are in `os.environ` alone: the environment of the process belongs to all interpreters,
    and C reads it in other threads without a lock. Programs that are started get them by `env=os.environ` only.
    """
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        if not name or b"\0" in pair:
            continue
        if isolated:
            os.environ._data[name] = value
        else:
            os.environb[name] = value


def set_site_path(folder, directories):
    """The application's directory first, then the configured ones."""
    front = [folder]
    for pattern in directories:
        front.extend(matching(pattern))
    if isolated:
        sys.path[:0] = front
        return
    sys.path[:0] = [entry for entry in front if entry not in sys.path]


first_path = None


def load_site(kind, place, name, default_name, point, folder, home, directories, environment):
    """Loads what a request names: the application, or what is raised with the files that could mend it."""
    global first_path
    try:
        if isolated and first_path is not None:
            sys.path[:] = first_path
        first_path = list(sys.path)
        set_environment(environment)
        if home is not None:
            use_virtualenv(os.path.abspath(home))
        set_site_path(folder or os.getcwd(), directories)
        module, place, name = site_module(kind, place, name)
        if name is None:
            applications = getattr(module, "applications", None)
            if default_name is None and isinstance(applications, dict):
                return choose_mounted(module, place, applications, point)
            name = default_name or "application"
        return find_application(module, place, name)
    except BaseException as error:
        remember_failed_files(place, error)
        raise


def site_module(kind, place, name):
    if kind == "script":
        place, named = split_source(place)
        name = name or named
        kind = "file" if "/" in place or place.endswith((".py", ".wsgi")) else "module"
        if kind == "file" and place.endswith(".wsgi") and not os.path.isfile(place):
            kind = "module"
    if kind == "module":
        return import_module_named(place), place, name
    place = os.path.abspath(place)
    if not os.path.isfile(place):
        raise Unfit("there is no file %s" % place)
    return run_file(place), place, name


def import_module_named(name):
    if not name or any(not part for part in name.split(".")):
        raise Unfit("%r is no name of a module" % name)
    __import__(name)
    return sys.modules[name]


def choose_mounted(module, place, applications, point):
    for key, value in applications.items():
        key, value = mounted(module, place, key, value)
        if key.rstrip("/") == point.rstrip("/"):
            return value
    raise NotFound("%s has no application at %r in applications" % (place, point))


def forget_site_module(kind, place):
    """Before an application is loaded anew in the interpreter that it shares with others."""
    if kind == "script":
        place = split_source(place)[0]
    sys.modules.pop(place, None)


def take_failed_files():
    files = [os.fsencode(file) for file in dict.fromkeys(failed_files)]
    del failed_files[:]
    return files


def foreign_extensions():
    """Top-level names of packages with extension modules that are not Python's own."""
    names = set()
    for name, module in list(sys.modules.items()):
        origin = getattr(getattr(module, "__spec__", None), "origin", None)
        if isinstance(origin, str) and origin.endswith(".so"):
            if os.path.basename(os.path.dirname(origin)) != "lib-dynload":
                names.add(name.partition(".")[0])
    return sorted(names)


def has_threads():
    """Whether threads of the application still run."""
    import _thread

    return _thread._count() > 0


def prepare_end():
    """Whether this interpreter can be ended: where not, the process might crash."""
    # Strings that interpreters share are freed with the first of them (python/cpython#116510).
    if has_threads() or foreign_extensions() or (3, 12) <= sys.version_info < (3, 13, 1):
        return False
    threading = sys.modules.get("threading")
    if threading is not None:
        # It is for the thread that imported the module, which may be another one.
        threading._shutdown = lambda: None
        # What 3.13 keeps there for each thread that it did not start needs the module when it goes.
        threading.__dict__.pop("_thread_local_info", None)
    return True


def purge():
    """Forgets what was loaded for an application, but for packages with extension modules, which cannot be loaded twice."""
    foreign = set(foreign_extensions())
    library = os.path.dirname(os.__file__) + os.sep
    for name, module in list(sys.modules.items()):
        file = module_file(module)
        if file is None or file == HERE or name.partition(".")[0] in foreign:
            continue
        if "site-packages" in file or "dist-packages" in file or not file.startswith(library):
            del sys.modules[name]
    logging = sys.modules.get("logging")
    if logging is not None:
        # Else each load adds its handlers to those of the one before.
        logging.root.handlers.clear()
        logging.root.manager.loggerDict.clear()
    import uwsgi

    for hook in ("post_fork_hook", "atexit"):
        uwsgi.__dict__.pop(hook, None)
