//! Files that are served without the application.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const MAP: &str =
    "let nginx serve the files (location with alias), or the application (WhiteNoise)";
const CHECK: &str =
    "let nginx look for the file first (root and try_files), or the application (WhiteNoise)";
const SAFE: &str =
    "the server has no static files; nginx follows symbolic links by itself (disable_symlinks off)";
const EXPIRES: &str = "set it where the files are served (nginx: expires)";
const GZIP: &str = "set it where the files are served (nginx: gzip_static on)";
const CACHE: &str = "set it where the files are served (nginx: open_file_cache)";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Static,
    [
        list("static-map", "/MOUNT=PATH",
            "Serve what is requested under MOUNT from this directory or file; the rest of the path is looked up there.").reload(Workers)
            .unsupported(MAP),
        list("static-map2", "/MOUNT=DIR",
            "As static-map, but the whole path, MOUNT included, is looked up in the directory.").reload(Workers)
            .unsupported("let nginx serve the files (location with root), or the application (WhiteNoise)"),
        list("check-static", "DIR",
            "Serve the file that the path of a request names in this directory, where there is one.").aliases(&["static-check"]).reload(Workers)
            .unsupported(CHECK),
        flag("check-static-docroot",
            "As check-static, with the directory that the front end names in DOCUMENT_ROOT.").reload(Workers)
            .unsupported(CHECK),
        list("static-index", "NAME",
            "File that is served where a directory is requested, such as index.html.").reload(Workers)
            .missing("set it where the files are served (nginx: index)"),
        list("static-skip-ext", "SUFFIX",
            "Never serve files whose names end so; the application gets such requests.").reload(Workers)
            .no_effect("the application gets every request"),
        list("static-safe", "DIR",
            "Serve files of this directory too, where symbolic links lead out of the mapped one.").reload(Workers)
            .missing(SAFE),
        list("mime-file", "FILE",
            "File that gives suffixes their content types (default /etc/mime.types).").aliases(&["mimefile"]).reload(Workers)
            .missing("set it where the files are served (nginx: types)"),
        text("file-serve-mode", "MODE",
            "How files are sent: by the worker (default), or by the front end with x-sendfile or x-accel-redirect.").aliases(&["fileserve-mode"]).reload(Workers)
            .missing("let the application answer with X-Accel-Redirect or X-Sendfile itself"),
        list("static-expires", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose names match.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose names match.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-uri", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose REQUEST_URI matches.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-uri-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose REQUEST_URI matches.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-path-info", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose PATH_INFO matches.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-path-info-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose PATH_INFO matches.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-type", "TYPE=SECONDS",
            "Add Expires, this long after the request, to files of this content type.").reload(Workers)
            .missing(EXPIRES),
        list("static-expires-type-mtime", "TYPE=SECONDS",
            "Add Expires, this long after the file's last change, to files of this content type.").reload(Workers)
            .missing(EXPIRES),
        flag("static-gzip-all",
            "Send FILE.gz instead of FILE where it exists and the client accepts gzip.").reload(Workers)
            .missing(GZIP),
        list("static-gzip", "REGEX",
            "As static-gzip-all, for files whose names match.").reload(Workers)
            .missing(GZIP),
        list("static-gzip-dir", "DIR",
            "As static-gzip-all, for files whose names begin so.").aliases(&["static-gzip-prefix"]).reload(Workers)
            .missing(GZIP),
        list("static-gzip-ext", "SUFFIX",
            "As static-gzip-all, for files whose names end so.").aliases(&["static-gzip-suffix"]).reload(Workers)
            .missing(GZIP),
        integer("static-cache-paths", "SECONDS",
            "Keep the resolved names of files in a cache for so long.").implies(&["master"])
            .missing(CACHE),
        text("static-cache-paths-name", "NAME",
            "The cache2 that static-cache-paths uses (default the first one).").implies(&["master"])
            .missing(CACHE),
    ],
);
