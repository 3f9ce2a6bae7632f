//! Languages other than Python, and other things that plugins of uWSGI serve.

use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text, unsigned64};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

const PERL: &str = "run the Perl application under its own server (starman, gazelle) behind nginx";
const NO_PERL: &str = "there is no Perl here";
const RUBY: &str = "run the Ruby application under its own server (puma, unicorn) behind nginx";
const NO_RUBY: &str = "there is no Ruby here";
const PHP: &str = "run the PHP scripts under PHP-FPM behind nginx (fastcgi_pass)";
const NO_PHP: &str = "there is no PHP here";
const LUA: &str = "run the Lua application under OpenResty or another Lua server";
const NO_LUA: &str = "there is no Lua here";
const CGI: &str = "run the CGI scripts through fcgiwrap or another web server";
const NO_CGI: &str = "there are no CGI scripts here";
const MONO: &str = "run the ASP.NET application under its own server";
const NO_MONO: &str = "there is no Mono here";
const JAVA: &str = "run the application under a Java server (Jetty, Tomcat)";
const GO: &str = "build the Go program with net/http and run it as a service of its own";
const WEBDAV: &str = "let nginx or Apache serve WebDAV";
const NO_WEBDAV: &str = "there is no WebDAV here";
const XSLT: &str = "transform in the application, or with nginx's xslt module";
const STORAGE: &str = "mount the storage as a file system, or let its own gateway serve it";
const SYMBOLS: &str = "native functions cannot be called; write a plugin or use the application";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Languages,
    [
        // Perl
        text("psgi", "FILE", "Load a PSGI application of Perl from this file.").extra().unsupported(PERL),
        flag("psgi-enable-psgix-io", "Give PSGI applications the raw connection as psgix.io.").extra().missing(NO_PERL),
        text("perl-local-lib", "DIR", "Put a local::lib directory in front of Perl's module path.").extra().missing(NO_PERL),
        flag("perl-version", "Print the version of Perl and exit.").immediate().extra().unsupported(NO_PERL),
        text("perl-args", "ARGUMENTS", "Set Perl's @ARGV from words divided by blanks.").extra().missing(NO_PERL),
        list("perl-arg", "ARGUMENT", "Add one word to Perl's @ARGV.").extra().missing(NO_PERL),
        list("perl-exec", "FILE", "Run a Perl file before the fork.").extra().unsupported(PERL),
        list("perl-exec-post-fork", "FILE", "Run a Perl file in each worker after the fork.").extra().unsupported(PERL),
        integer("perl-auto-reload", "SECONDS", "Look at loaded Perl modules this often, and reload where one changed.").implies(&["master"]).extra().missing(NO_PERL),
        list("perl-auto-reload-ignore", "FILE", "Leave this file out of perl-auto-reload.").implies(&["master"]).extra().missing(NO_PERL),
        optional_text("plshell", "FILE", "Run a Perl shell in the first worker.").extra().unsupported(PERL),
        flag("plshell-oneshot", "Run a Perl shell once in the first worker.").extra().unsupported(PERL),
        flag("perl-no-plack", "Load PSGI files with Perl's do, without Plack.").extra().missing(NO_PERL),
        flag("perl-no-die-catch", "Do not catch Perl's die to log it.").extra().missing(NO_PERL),
        text("early-perl", "FILE", "Start Perl while the configuration is read, and run this file.").immediate().extra().unsupported(PERL),
        text("early-psgi", "FILE", "Load a PSGI application while the configuration is read.").immediate().extra().unsupported(PERL),
        text("early-perl-exec", "FILE", "Run a Perl file while the configuration is read.").immediate().extra().unsupported(PERL),
        // Ruby
        text("rack", "FILE", "Load a Rack application of Ruby from this config.ru.").extra().unsupported(RUBY),
        text("rails", "DIR", "Load a Ruby on Rails application of version 2 or older from this directory.").extra().unsupported(RUBY),
        list("ruby-require", "FILE", "Require a Ruby file in each worker.").aliases(&["rb-require", "rbrequire", "rubyrequire", "require"]).extra().missing(NO_RUBY),
        list("shared-ruby-require", "FILE", "Require a Ruby file before the fork.").aliases(&["shared-rb-require", "shared-rbrequire", "shared-rubyrequire", "shared-require"]).extra().missing(NO_RUBY),
        integer("ruby-gc-freq", "N", "Run Ruby's garbage collector after every N requests.").aliases(&["rb-gc-freq"]).extra().missing(NO_RUBY),
        list("ruby-lib", "DIR", "Put a directory into Ruby's load path.").aliases(&["rb-lib"]).extra().missing(NO_RUBY),
        optional_text("rbshell", "COMMAND", "Run a Ruby shell in the first worker.").extra().unsupported(RUBY),
        optional_text("rbshell-oneshot", "COMMAND", "Run a Ruby shell once in the first worker.").argument(Argument::None).extra().unsupported(RUBY),
        text("gemset", "NAME", "Use this gem set of rvm.").aliases(&["rvm"]).extra().missing(NO_RUBY),
        list("rvm-path", "DIR", "Look for rvm in this directory.").extra().missing(NO_RUBY),
        // PHP
        text("php-app", "FILE", "Give every PHP request to this script.").extra().unsupported(PHP),
        text("php-docroot", "DIR", "Folder that PHP scripts are looked for in.").extra().unsupported(PHP),
        list("php-mount", "POINT=DIR", "Serve the PHP scripts of a directory under a path.").extra().unsupported(PHP),
        text("php-ini", "FILE", "Read this php.ini.").aliases(&["php-config"]).extra().missing(NO_PHP),
        list("php-ini-append", "FILE", "Read one more php.ini.").aliases(&["php-config-append"]).extra().missing(NO_PHP),
        list("php-set", "KEY=VALUE", "Set a value of php.ini.").extra().missing(NO_PHP),
        list("php-index", "NAME", "File that is served for a directory.").extra().missing(NO_PHP),
        text("php-fallback", "FILE", "Script that runs where the asked one is not there.").extra().unsupported(PHP),
        text("php-fallback2", "FILE", "As php-fallback, without changing SCRIPT_NAME.").extra().unsupported(PHP),
        text("php-fallback-qs", "NAME", "Give php-fallback the path in this parameter of the query.").extra().missing(NO_PHP),
        text("php-app-qs", "NAME", "Give php-app the path in this parameter of the query.").extra().missing(NO_PHP),
        list("php-app-bypass", "REGEX", "Do not give requests of these paths to php-app.").extra().missing(NO_PHP),
        list("php-allowed-docroot", "DIR", "Serve PHP scripts only from this directory.").extra().unsupported(PHP),
        list("php-allowed-ext", "SUFFIX", "Run only scripts whose names end so.").extra().unsupported(PHP),
        list("php-allowed-script", "FILE", "Run only this script.").extra().unsupported(PHP),
        list("php-var", "NAME=VALUE", "Add a variable to PHP's environment of a request.").extra().missing(NO_PHP),
        list("php-constant", "NAME=VALUE", "Define a constant of PHP.").extra().missing(NO_PHP),
        flag("php-dump-config", "Print the settings of PHP at the start.").extra().missing(NO_PHP),
        text("php-server-software", "TEXT", "Value of SERVER_SOFTWARE in PHP.").extra().missing(NO_PHP),
        text("php-sapi-name", "NAME", "Name of the server interface that PHP reports.").extra().missing(NO_PHP),
        flag("early-php", "Start PHP while the configuration is read.").immediate().extra().unsupported(PHP),
        text("early-php-sapi-name", "NAME", "As php-sapi-name, for early-php.").immediate().extra().missing(NO_PHP),
        list("php-exec-before", "CODE", "Run PHP code before each request.").aliases(&["php-exec-begin"]).extra().unsupported(PHP),
        list("php-exec-after", "CODE", "Run PHP code after each request.").aliases(&["php-exec-end"]).extra().unsupported(PHP),
        // Lua
        text("lua", "FILE", "Load a WSAPI application of Lua from this file.").extra().unsupported(LUA),
        list("lua-load", "FILE", "Run a Lua file before the application is loaded.").extra().missing(NO_LUA),
        list("lua-postload", "FILE", "Run a Lua file after the application was loaded.").extra().missing(NO_LUA),
        list("lua-postfork-worker", "FILE", "Run a Lua file in each worker after the fork.").extra().missing(NO_LUA),
        list("lua-postfork-mule", "FILE", "Run a Lua file in each mule after the fork.").extra().missing(NO_LUA),
        list("lua-postfork-spooler", "FILE", "Run a Lua file in each spooler after the fork.").extra().missing(NO_LUA),
        integer("lua-gc-freq", "N", "Run Lua's garbage collector after every N requests.").argument(Argument::None).extra().missing(NO_LUA),
        integer("lua-gc-full", "N", "Let the garbage collector of Lua make a full round each time.").argument(Argument::None).extra().missing(NO_LUA),
        flag("luashell", "Run a Lua shell in the first worker.").aliases(&["lua-shell"]).extra().unsupported(LUA),
        flag("luashell-oneshot", "Run a Lua shell once in the first worker.").aliases(&["lua-shell-oneshot"]).extra().unsupported(LUA),
        // CGI
        list("cgi", "[POINT=]PATH", "Run CGI scripts of a directory, or one script, under a path.").extra().unsupported(CGI),
        list("cgi-helper", "SUFFIX=PROGRAM", "Run scripts of this suffix with a program.").aliases(&["cgi-map-helper"]).extra().missing(NO_CGI),
        list("cgi-index", "NAME", "Script that runs for a directory.").extra().missing(NO_CGI),
        list("cgi-allowed-ext", "SUFFIX", "Run only scripts whose names end so.").extra().unsupported(CGI),
        list("cgi-unset", "NAME", "Remove a variable from the environment of scripts.").extra().missing(NO_CGI),
        list("cgi-safe", "DIR", "Allow links from the scripts' directory into this one.").extra().missing(NO_CGI),
        list("cgi-loadlib", "PATH:SYMBOL", "Load a library into scripts that run in the worker.").extra().missing(NO_CGI),
        unsigned64("cgi-buffer-size", "BYTES", "Size of the buffer for answers of scripts (default 65536).").extra().missing(NO_CGI),
        integer("cgi-timeout", "SECONDS", "Longest wait for a script's next output (default 60).").extra().missing(NO_CGI),
        integer("cgi-async-max-attempts", "N", "How often the end of a script is waited for in the async mode.").argument(Argument::None).extra().missing(NO_CGI),
        flag("cgi-optimize", "Start scripts with vfork where it is possible.").aliases(&["cgi-optimized"]).extra().missing(NO_CGI),
        flag("cgi-path-info", "Leave the script's own name out of PATH_INFO.").extra().missing(NO_CGI),
        flag("cgi-do-not-kill-on-error", "Let a script go on where its client went away.").extra().missing(NO_CGI),
        flag("cgi-close-stdin-on-eof", "Close a script's input when the request's body ends.").extra().missing(NO_CGI),
        flag("cgi-dontresolve", "Run a script without resolving the links in its path.").extra().missing(NO_CGI),
        flag("cgi-from-docroot", "Look for scripts in the DOCUMENT_ROOT of the request.").extra().unsupported(CGI),
        // Mono
        list("mono-app", "DIR", "Load an ASP.NET application of this directory.").extra().unsupported(MONO),
        list("mono-exec", "FILE", "Run the main function of an assembly in each worker.").extra().unsupported(MONO),
        text("mono-config", "FILE", "Read this configuration of Mono.").extra().missing(NO_MONO),
        text("mono-version", "VERSION", "Version of the Mono runtime.").extra().missing(NO_MONO),
        text("mono-assembly", "FILE", "Use this assembly in place of uwsgi.dll.").extra().missing(NO_MONO),
        list("mono-index", "NAME", "File that is served for a directory.").extra().missing(NO_MONO),
        list("mono-key", "VARIABLE", "Choose the application by these variables of a request.").extra().missing(NO_MONO),
        unsigned64("mono-gc-freq", "N", "Run Mono's garbage collector after every N requests.").extra().missing(NO_MONO),
        // Java
        list("jvm-main-class", "CLASS", "Load this class and run its main method.").aliases(&["jvm-class"]).extra().unsupported(JAVA),
        list("jvm-classpath", "PATH", "Add to the class path of the Java machine.").extra().missing(JAVA),
        list("jvm-opt", "OPTION", "Give an option to the Java machine.").extra().missing(JAVA),
        text("jwsgi", "CLASS:METHOD", "Load a JWSGI application of Java.").extra().unsupported(JAVA),
        list("ring-load", "FILE", "Load a Clojure script.").aliases(&["clojure-load"]).extra().unsupported(JAVA),
        text("ring-app", "NAMESPACE:FUNCTION", "Serve this Ring application of Clojure.").extra().unsupported(JAVA),
        // Go
        list("go-load", "FILE", "Load a Go library before privileges are dropped.").aliases(&["gccgo-load"]).extra().unsupported(GO),
        text("go-args", "ARGUMENTS", "Arguments of the Go runtime, divided by blanks.").aliases(&["gccgo-args"]).extra().missing(GO),
        text("goroutines", "N", "Serve requests in this many goroutines.").extra().unsupported(GO),
        // PyPy
        text("pypy-lib", "PATH", "Load this libpypy.").extra().unsupported("use CPython: name its virtualenv with home"),
        text("pypy-setup", "FILE", "Set PyPy up with this script.").extra().unsupported("use CPython"),
        text("pypy-home", "DIR", "Home of PyPy.").extra().unsupported("use home with a virtualenv of CPython"),
        text("pypy-wsgi", "MODULE", "Load a WSGI application with PyPy.").extra().unsupported("use module"),
        text("pypy-wsgi-file", "FILE", "Load a file with a WSGI application with PyPy.").extra().unsupported("use wsgi-file"),
        text("pypy-ini-paste", "FILE", "Load a PasteDeploy application with PyPy.").immediate().extra().unsupported("use module with a factory"),
        text("pypy-paste", "URI", "Load a PasteDeploy application by its address with PyPy.").extra().unsupported("use module with a factory"),
        list("pypy-eval", "CODE", "Run Python code with PyPy before the fork.").extra().unsupported("use import"),
        list("pypy-eval-post-fork", "CODE", "Run Python code with PyPy in each worker.").extra().unsupported("use import with lazy-apps"),
        list("pypy-exec", "FILE", "Run a Python file with PyPy before the fork.").extra().unsupported("use import"),
        list("pypy-exec-post-fork", "FILE", "Run a Python file with PyPy in each worker.").extra().unsupported("use import with lazy-apps"),
        list("pypy-pp", "DIR", "Put a directory into PyPy's module path.").aliases(&["pypy-python-path", "pypy-pythonpath"]).extra().missing("use pythonpath"),
        // Native functions
        list("symcall", "[POINT=]SYMBOL", "Answer requests by a function of the program or of a loaded library.").unsupported(SYMBOLS),
        flag("symcall-use-next", "Look for symcall's functions behind the program itself.").missing(SYMBOLS),
        list("symcall-register-rpc", "NAME SYMBOL", "Make a native function callable by RPC.").unsupported(SYMBOLS),
        list("symcall-post-fork", "SYMBOL", "Call a native function in each worker after the fork.").unsupported(SYMBOLS),
        list("dlopen", "PATH", "Load a shared library at the start.").immediate().unsupported(SYMBOLS),
        // Storage
        list("glusterfs-mount", "POINT=SERVER:VOLUME", "Serve files of a GlusterFS volume under a path.").extra().unsupported(STORAGE),
        integer("glusterfs-timeout", "SECONDS", "Longest wait for GlusterFS in the async mode.").extra().missing(STORAGE),
        list("rados-mount", "POINT=POOL", "Serve objects of a Ceph pool under a path.").extra().unsupported(STORAGE),
        integer("rados-timeout", "SECONDS", "Longest wait for Ceph (default: socket-timeout).").extra().missing(STORAGE),
        // XSLT
        list("xslt-docroot", "DIR", "Transform the XML files of this directory.").extra().unsupported(XSLT),
        list("xslt-ext", "SUFFIX", "Find the stylesheet of a file by replacing its suffix by this one.").extra().missing(XSLT),
        list("xslt-var", "NAME", "Take the stylesheet from this variable of a request.").extra().missing(XSLT),
        list("xslt-stylesheet", "FILE", "Use this stylesheet where nothing else names one.").extra().missing(XSLT),
        text("xslt-content-type", "TYPE", "Content type of what is made (default text/html).").extra().missing(XSLT),
        // WebDAV
        list("webdav-mount", "POINT=DIR", "Serve a directory by WebDAV under a path.").extra().unsupported(WEBDAV),
        list("webdav-css", "URL", "Stylesheet of the directory listings.").extra().missing(NO_WEBDAV),
        list("webdav-javascript", "URL", "Script of the directory listings.").aliases(&["webdav-js"]).extra().missing(NO_WEBDAV),
        text("webdav-class-directory", "NAME", "Class of the rows of directories in listings.").extra().missing(NO_WEBDAV),
        text("webdav-div", "NAME", "Class of the frame around listings.").extra().missing(NO_WEBDAV),
        text("webdav-lock-cache", "NAME", "Cache that holds the locks of clients.").extra().unsupported(WEBDAV),
        text("webdav-principal-base", "PATH", "Base of the addresses of principals.").extra().missing(NO_WEBDAV),
        list("webdav-add-option", "NAME", "Name one more class of compliance in the DAV header.").extra().missing(NO_WEBDAV),
        list("webdav-add-prop", "NAMESPACE NAME VALUE", "Add a property to everything.").extra().missing(NO_WEBDAV),
        list("webdav-add-collection-prop", "NAMESPACE NAME VALUE", "Add a property to directories.").extra().missing(NO_WEBDAV),
        list("webdav-add-object-prop", "NAMESPACE NAME VALUE", "Add a property to files.").extra().missing(NO_WEBDAV),
        list("webdav-add-prop-href", "NAMESPACE NAME URL", "Add a property with an address to everything.").extra().missing(NO_WEBDAV),
        list("webdav-add-collection-prop-href", "NAMESPACE NAME URL", "Add a property with an address to directories.").extra().missing(NO_WEBDAV),
        list("webdav-add-object-prop-href", "NAMESPACE NAME URL", "Add a property with an address to files.").extra().missing(NO_WEBDAV),
        list("webdav-add-prop-comp", "NAMESPACE NAME COMPONENT", "Add a property with a component to everything.").extra().missing(NO_WEBDAV),
        list("webdav-add-collection-prop-comp", "NAMESPACE NAME COMPONENT", "Add a property with a component to directories.").extra().missing(NO_WEBDAV),
        list("webdav-add-object-prop-comp", "NAMESPACE NAME COMPONENT", "Add a property with a component to files.").extra().missing(NO_WEBDAV),
        list("webdav-add-rtype-prop", "NAMESPACE NAME", "Add a resource type to everything.").extra().missing(NO_WEBDAV),
        list("webdav-add-rtype-collection-prop", "NAMESPACE NAME", "Add a resource type to directories.").extra().missing(NO_WEBDAV),
        list("webdav-add-rtype-object-prop", "NAMESPACE NAME", "Add a resource type to files.").extra().missing(NO_WEBDAV),
        list("webdav-skip-prop", "NAMESPACE NAME", "Leave a standard property out.").extra().missing(NO_WEBDAV),
    ],
);
