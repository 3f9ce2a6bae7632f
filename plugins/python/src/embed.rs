//! Starting the interpreter and setting it up as uWSGI's applications expect it.

use std::sync::Arc;

use uwsgi_plugin_api::Host;

use crate::ffi::{self, Object, Py, Raised, Start};
use crate::find::{self, Interpreter, Surroundings};
use crate::module;
use crate::options::Options;

const BOOT: &std::ffi::CStr = match std::ffi::CStr::from_bytes_with_nul(
    concat!(include_str!("boot.py"), include_str!("sites.py"), "\0").as_bytes(),
) {
    Ok(text) => text,
    Err(_) => panic!("boot.py holds a NUL"),
};

/// Finds, loads and starts the interpreter. `uwsgi` makes the module of this name, `finish` is given that of
/// `boot.py`.
///
/// # Errors
/// What the user is told.
pub(crate) fn start(
    options: &Options,
    host: &Arc<dyn Host>,
    uwsgi: impl FnOnce(Py<'_>) -> Result<(), Raised>,
    finish: impl FnOnce(Py<'_>, Object) -> Result<(), Raised>,
) -> Result<(), String> {
    let interpreter = find::find(options, &Surroundings::of_process())?;
    let version = ffi::start(&Start {
        library: &interpreter.library,
        version: &interpreter.version,
        program: &interpreter.program,
        home: interpreter.home.as_deref(),
        optimize: options.optimize,
    })?;
    host.log(&format!("Python version: {}", version.replace('\n', "")));
    ffi::with(|py| {
        set_up(py, options, host, &interpreter, uwsgi).and_then(|boot| finish(py, boot)).map_err(
            |raised| format!("the interpreter could not be set up: {}", raised.describe(py)),
        )
    })
}

fn set_up(
    py: Py<'_>,
    options: &Options,
    host: &Arc<dyn Host>,
    interpreter: &Interpreter,
    uwsgi: impl FnOnce(Py<'_>) -> Result<(), Raised>,
) -> Result<Object, Raised> {
    let boot = run_boot(py)?;
    host.log(&format!("Python main interpreter initialized at 0x{:x}", py.interpreter_address()));
    let facts = call(py, &boot, "describe", &[])?;
    let fact =
        |index| facts.borrowed().tuple_item(py, index).map_or_else(String::new, |f| f.text(py));
    host.log(&format!(
        "python interpreter: {} (version {}, prefix {}, library {}, named by {})",
        fact(2),
        fact(0),
        fact(1),
        interpreter.library.display(),
        interpreter.named_by,
    ));
    uwsgi(py)?;
    set_path(py, &boot, options, module::log_function(py)?.borrowed())?;
    arm_stack_dump(py, &boot)?;
    Ok(boot)
}

/// Runs `boot.py` in the current interpreter, and sets up what every application expects.
fn run_boot(py: Py<'_>) -> Result<Object, Raised> {
    let boot = py.run_module(c"_uwsgi_rs", c"<uwsgi-rs>", BOOT)?;
    call(py, &boot, "open_stdio", &[])?;
    py.set_sys(c"argv", py.list(vec![py.text("uwsgi")?])?.borrowed())?;
    Ok(boot)
}

/// As the start, for an interpreter that is not the main one. Its path is as Python makes it.
///
/// # Errors
/// What Python raises.
pub(crate) fn set_up_further(
    py: Py<'_>,
    uwsgi: impl FnOnce(Py<'_>) -> Result<(), Raised>,
) -> Result<Object, Raised> {
    let boot = run_boot(py)?;
    boot.borrowed().set_attribute(py, "isolated", py.boolean(true))?;
    uwsgi(py)?;
    Ok(boot)
}

/// Puts the configured directories in front of the path; `log` is told of each.
///
/// # Errors
/// What Python raises.
pub(crate) fn set_path(
    py: Py<'_>,
    boot: &Object,
    options: &Options,
    log: ffi::Ref<'_>,
) -> Result<(), Raised> {
    let directories = directories(py, options)?;
    call(py, boot, "set_path", &[directories.borrowed(), log]).map(drop)
}

/// The values of pythonpath as a list.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn directories(py: Py<'_>, options: &Options) -> Result<Object, Raised> {
    let directories = options.pythonpath.iter().map(|directory| py.path(directory.as_bytes()));
    py.list(directories.collect::<Result<Vec<_>, _>>()?)
}

/// Makes a signal print the Python stack of the thread that gets it, again where the handler was lost.
///
/// # Errors
/// What Python raises.
pub(crate) fn arm_stack_dump(py: Py<'_>, boot: &Object) -> Result<(), Raised> {
    let signal = py.integer(i64::from(ffi::stack_dump_signal()))?;
    call(py, boot, "arm_stack_dump", &[signal.borrowed()]).map(drop)
}

/// Calls a function of `boot.py`.
///
/// # Errors
/// What it raises.
pub(crate) fn call(
    py: Py<'_>,
    boot: &Object,
    name: &str,
    arguments: &[ffi::Ref<'_>],
) -> Result<Object, Raised> {
    boot.borrowed().call_method(py, name, arguments)
}
