"""The parts of the Python plugin that are easier said in Python. None runs for every request."""

import os
import sys

HERE = __file__ = "<uwsgi-rs>"


def open_stdio():
    """Both standard streams go to descriptor 2, line by line, as under uWSGI."""
    for name in ("stdout", "stderr"):
        stream = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
        setattr(sys, name, stream)


def set_path(directories, log):
    """The current directory first, then each configured directory in front of it."""
    sys.path.insert(0, ".")
    for pattern in directories:
        for directory in matching(pattern):
            sys.path.insert(0, directory)
            if log is not None:
                log("added %s to pythonpath." % directory)


def matching(pattern):
    """The paths that a pattern matches, by name; itself where it matches none, as under uWSGI."""
    if not any(character in pattern for character in "*?["):
        return [pattern]
    import glob  # only here: most have no pattern, and it takes its time

    return sorted(glob.glob(pattern)) or [pattern]


def describe():
    """Version, prefix and executable for the start-up line."""
    return "%d.%d.%d" % sys.version_info[:3], sys.prefix, sys.executable


def import_module(name):
    """Imports a module by name, or runs a file as one."""
    # `shop.wsgi` is a module of a package unless there is such a file: Django's own layout.
    if name.endswith(".py") or "/" in name or (name.endswith(".wsgi") and os.path.isfile(name)):
        return run_file(name)
    __import__(name)
    return sys.modules[name]


def run_file(path):
    """Runs a file as the module `uwsgi_file_<path>`."""
    from types import ModuleType

    stem = path[:-3] if path.endswith(".py") else path[:-5] if path.endswith(".wsgi") else path
    name = "uwsgi_file_" + "".join(c if c.isalnum() and c.isascii() else "_" for c in stem)
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    module = ModuleType(name)
    module.__file__ = path
    sys.modules[name] = module
    try:
        exec(code, module.__dict__)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


class NotFound(Exception):
    """The module was loaded, but has no such application."""


def split_source(source):
    """`module`, `module:callable`, `file.py` or `file.py:callable`."""
    place, colon, name = source.rpartition(":")
    if not colon or "/" in name or name.endswith((".py", ".wsgi")):
        return source, None
    return place, name


def find_application(module, place, name):
    """A callable of a module by name; `name()` is a factory that is called once."""
    factory = name.endswith("()")
    found = module
    for part in (name[:-2] if factory else name).split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotFound("%s has no callable %r%s" % (place, name, suggestion(module))) from None
    if factory:
        found = found()
    if not callable(found):
        raise NotFound("%r of %s is not callable" % (name, place))
    return found


def suggestion(module):
    for name in ("application", "app", "wsgi"):
        if callable(getattr(module, name, None)):
            return "; it has %r: set callable = %s" % (name, name)
    return "; set callable to the name of the WSGI application"


def load(source, callable_name, mountpoint):
    """Loads what one option asks for: pairs of mount point and application."""
    place, name = split_source(source)
    module = import_module(place)
    name = name or callable_name
    if name is None:
        applications = getattr(module, "applications", None)
        if isinstance(applications, dict):
            return [mounted(module, place, point, value) for point, value in applications.items()]
        name = "application"
    return [(mountpoint, find_application(module, place, name))]


def load_raw(file, name):
    """The function of python-raw."""
    return find_application(run_file(file), file, name)


def take(function, connection, seconds):
    """Gives a raw connection to its function, and sends what that returns: bytes, or an iterable of bytes."""
    result = function(connection)
    if result is None:
        return
    import socket

    # A copy: the connection itself is the server's to close.
    with socket.socket(fileno=os.dup(connection)) as copy:
        copy.settimeout(seconds)
        try:
            for piece in [result] if isinstance(result, bytes) else result:
                copy.sendall(piece)
        finally:
            if hasattr(result, "close"):
                result.close()


def registered_applications():
    """What was put into `uwsgi.applications` while the modules were loaded."""
    import uwsgi

    applications = getattr(uwsgi, "applications", None)
    if not isinstance(applications, dict):
        return []
    main = sys.modules["uwsgi"]
    return [mounted(main, "uwsgi.applications", point, value) for point, value in applications.items()]


def mounted(module, place, point, value):
    if isinstance(point, bytes):
        point = point.decode("latin-1")
    if not isinstance(point, str):
        raise NotFound("mount points in applications must be strings, not %r" % (point,))
    if isinstance(value, str):
        value = find_application(module, place, value)
    elif not callable(value):
        raise NotFound("the application at %r is not callable" % point)
    return point, value


FAILED_FILES_MAX = 100
failed_files = []


def remember_failed_files(source, value):
    """For py-autoreload: what may be changed so that it loads the next time."""
    place = split_source(source)[0]
    files = [place, module_file(sys.modules.get(place)), getattr(value, "filename", None)]
    traceback = value.__traceback__
    while traceback is not None:
        files.append(traceback.tb_frame.f_code.co_filename)
        traceback = traceback.tb_next
    files = [file for file in files if isinstance(file, str) and os.path.isfile(file)]
    failed_files.extend(os.path.abspath(file) for file in files)
    del failed_files[FAILED_FILES_MAX:]


def report_load_failure(source, value):
    """Traceback, search path and what to do."""
    remember_failed_files(source, value)
    if isinstance(value, NotFound):
        print(value, file=sys.stderr)
    else:
        print_exception(value)
    if isinstance(value, (ImportError, NotFound, OSError)):
        print("cannot load %r; sys.path is:" % source, file=sys.stderr)
        for entry in sys.path:
            print("    %s" % (entry or "(current directory)"), file=sys.stderr)
    if isinstance(value, ModuleNotFoundError):
        print(
            "if the module %r lies elsewhere, name its folder with pythonpath or chdir; "
            "if it belongs to a virtualenv, name that with virtualenv" % value.name,
            file=sys.stderr,
        )


def without_own_frames(value):
    """The exception, with a traceback that begins in the user's code."""
    traceback = value.__traceback__
    while traceback is not None and traceback.tb_frame.f_code.co_filename == HERE:
        traceback = traceback.tb_next
    return value.with_traceback(traceback)


def print_exception(value):
    """As Python does for an uncaught exception: by `sys.excepthook`."""
    value = without_own_frames(value)
    try:
        sys.excepthook(type(value), value, value.__traceback__)
    except BaseException:
        sys.__excepthook__(type(value), value, value.__traceback__)
    explain_refusal(value)


def format_exception(value):
    """The traceback as bytes, for catch-exceptions."""
    import traceback

    lines = traceback.format_exception(type(value), value, value.__traceback__)
    return "".join(lines).encode("utf-8", "backslashreplace")


def freeze():
    """Before the first fork: what is alive now is never collected, so its pages stay shared."""
    import gc

    gc.collect()
    gc.freeze()


def other_threads():
    """Names of threads that the application has started."""
    threading = sys.modules.get("threading")
    if threading is None:
        return []
    return [t.name for t in threading.enumerate() if t is not threading.current_thread()]


def name_thread(name):
    import threading

    threading.current_thread().name = name


def module_file(module):
    """The source of a module, without asking one that makes its attributes on demand."""
    try:
        file = object.__getattribute__(module, "__dict__").get("__file__")
    except AttributeError:
        return None
    if not isinstance(file, str):
        return None
    if file.endswith(".pyc"):
        folder, name = os.path.split(file)
        if os.path.basename(folder) == "__pycache__":
            return os.path.join(os.path.dirname(folder), name.split(".")[0] + ".py")
        return file[:-1]
    return file


def module_files(ignored):
    """The files of all modules, and of those that could not be loaded, but for ignored modules and files."""
    modules = list(sys.modules.items())
    files = {module_file(module) for name, module in modules if name not in ignored}
    files.update(failed_files)
    files.discard(None)
    paths = {os.path.abspath(file) for file in files}
    return [os.fsencode(path) for path in paths - {os.path.abspath(file) for file in ignored}]


def module_count():
    return len(sys.modules)


def syntax_error(path):
    """What is wrong with a file of Python, None where it could be compiled."""
    if not path.endswith(".py"):
        return None
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return "%s: %s" % (type(error).__name__, error)
    except OSError:
        pass  # it is gone; the reload shows what becomes of that
    return None


def arm_stack_dump(number):
    import faulthandler

    faulthandler.unregister(number)
    faulthandler.register(number, file=2, all_threads=False, chain=False)


class RequestTimeout(BaseException):
    """Raised in a request that takes longer than harakiri-interrupt.

    Not an Exception, so that frameworks do not answer it: the client has its answer.
    """

    __module__ = "uwsgi"

    def __str__(self):
        return "the request took longer than harakiri-interrupt"


def arm_interrupt(number):
    import signal

    signal.signal(number, interrupted)  # noqa: F821, a native function of this module


def run_hook(name):
    """Calls a hook that the application put into the module `uwsgi`."""
    import uwsgi

    hook = getattr(uwsgi, name, None)
    if callable(hook):
        hook()


def run_exit_functions():
    import uwsgi

    try:
        # As under uWSGI, where it serves: a process that loads for workers runs it as worker 0 otherwise.
        if uwsgi.worker_id():
            run_hook("atexit")
    except BaseException as error:
        print_exception(error)
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        print_exception(error)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass


class FileWrapper:
    """`wsgi.file_wrapper`: an iterator over a file; the server sends regular files by sendfile."""

    def __init__(self, filelike, blksize=32768):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    def __next__(self):
        data = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration


def plain_file(file):
    """Whether a file reads exactly the bytes of its descriptor: not so for gzip, text or wrapped files."""
    import io

    temporary = sys.modules.get("tempfile")
    if temporary is not None and type(file) is temporary._TemporaryFileWrapper:
        file = file.file
    if isinstance(file, (io.BufferedReader, io.BufferedRandom)):
        if type(file).read not in (io.BufferedReader.read, io.BufferedRandom.read):
            return False
        file = file.raw
    if not isinstance(file, io.FileIO):
        return False
    return type(file).read is io.FileIO.read and type(file).readinto is io.FileIO.readinto


def file_span(wrapper):
    """(descriptor, position) of a file that can be sent by its descriptor, else None."""
    file = wrapper.filelike
    try:
        if not plain_file(file) or not file.readable():
            return None
        return file.fileno(), file.tell()
    except (OSError, ValueError):
        return None
