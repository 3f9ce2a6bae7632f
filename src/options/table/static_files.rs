//! Files that are served without the application.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, integer, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const CACHE: &str =
    "names are looked up for each request, which the kernel's own cache makes cheap";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Static,
    [
        list("static-map", "/MOUNT=PATH",
            "Serve what is requested under MOUNT from this directory or file; the rest of the path is looked up there.").reload(Workers),
        list("static-map2", "/MOUNT=DIR",
            "As static-map, but the whole path, MOUNT included, is looked up in the directory.").reload(Workers),
        list("check-static", "DIR",
            "Serve the file that the path of a request names in this directory, where there is one.").aliases(&["static-check"]).reload(Workers),
        flag("check-static-docroot",
            "As check-static, with the directory that the front end names in DOCUMENT_ROOT.").reload(Workers),
        list("static-index", "NAME",
            "File that is served where a directory is requested, such as index.html.").reload(Workers),
        list("static-skip-ext", "SUFFIX",
            "Never serve files whose names end so; the application gets such requests.").reload(Workers),
        list("static-safe", "DIR",
            "Serve files of this directory too, where symbolic links lead out of the mapped one.").reload(Workers),
        list("mime-file", "FILE",
            "File that gives suffixes their content types (default /etc/mime.types).").aliases(&["mimefile"]).reload(Workers),
        text("file-serve-mode", "MODE",
            "Have the front end send static files: answer with X-Accel-Redirect (nginx or x-accel-redirect) or X-Sendfile (x-sendfile) in place of them (default: the worker sends them).").aliases(&["fileserve-mode"]).reload(Workers),
        list("static-internal", "/MOUNT=DIR",
            "Send a file of this directory where the application answers with X-Accel-Redirect: /MOUNT/FILE or with X-Sendfile: DIR/FILE; clients cannot ask for it.").reload(Workers).extra(),
        list("static-expires", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose names match.").reload(Workers),
        list("static-expires-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose names match.").reload(Workers),
        list("static-expires-uri", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose REQUEST_URI matches.").reload(Workers),
        list("static-expires-uri-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose REQUEST_URI matches.").reload(Workers),
        list("static-expires-path-info", "REGEX SECONDS",
            "Add Expires, this long after the request, to files whose PATH_INFO matches.").reload(Workers),
        list("static-expires-path-info-mtime", "REGEX SECONDS",
            "Add Expires, this long after the file's last change, to files whose PATH_INFO matches.").reload(Workers),
        list("static-expires-type", "TYPE=SECONDS",
            "Add Expires, this long after the request, to files of this content type.").reload(Workers),
        list("static-expires-type-mtime", "TYPE=SECONDS",
            "Add Expires, this long after the file's last change, to files of this content type.").reload(Workers),
        flag("static-gzip-all",
            "Send FILE.gz instead of FILE where it exists and the client accepts gzip.").reload(Workers),
        list("static-gzip", "REGEX",
            "As static-gzip-all, for files whose names match.").reload(Workers),
        list("static-gzip-dir", "DIR",
            "As static-gzip-all, for files whose names begin so.").aliases(&["static-gzip-prefix"]).reload(Workers),
        list("static-gzip-ext", "SUFFIX",
            "As static-gzip-all, for files whose names end so.").aliases(&["static-gzip-suffix"]).reload(Workers),
        list("static-precompressed", "br,zst,gz",
            "Send FILE.br, FILE.zst or FILE.gz instead of FILE where it exists and the client accepts it; the first one counts most.").reload(Workers).extra(),
        integer("static-cache-paths", "SECONDS",
            "Keep the resolved names of files in a cache for so long.").implies(&["master"])
            .no_effect(CACHE),
        text("static-cache-paths-name", "NAME",
            "The cache2 that static-cache-paths uses (default the first one).").implies(&["master"])
            .no_effect(CACHE),
    ],
);
