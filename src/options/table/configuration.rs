//! Configuration files and databases, placeholders, plugins, and what the start makes of options.

use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section};

const INI_ONLY: &str = "write the configuration as an ini file";
const SCHEMA: &str = "options are not read from LDAP; write the configuration as an ini file";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Configuration,
    [
        list("ini", "FILE[:SECTION]",
            "Read an ini file at this place; the section is uwsgi where none is named, - is standard input.").immediate(),
        list("yaml", "FILE[:SECTION]",
            "Read a YAML file at this place: a mapping of options below the section's name, uwsgi where none is named.")
            .short('y').aliases(&["yml"]).immediate(),
        list("json", "FILE[:SECTION]",
            "Read a JSON file at this place: an object of options below the section's name, uwsgi where none is named.")
            .short('j').aliases(&["js"]).immediate(),
        list("xml", "FILE[:ID]",
            "Read an XML file at this place: an element uwsgi, by its id where one is named, with an element for each option.")
            .short('x').aliases(&["xmlconfig"]).immediate(),
        list("toml", "FILE[:TABLE]",
            "Read a TOML file at this place: a table of options, uwsgi where none is named; sizes and times may have units (10M, 30s).")
            .immediate().extra(),
        list("config", "FILE[:SECTION]",
            "Read a file at this place in the format that its name's ending says.").immediate(),
        list("include", "FILE[:SECTION]",
            "Read a file at this place in the format that its name's ending says; relative names count from the working directory.").immediate(),
        list("inherit", "FILE[:SECTION]",
            "Read a file after everything else, so that its options win; placeholders work in its name."),
        list("inject-before", "FILE",
            "Put the text of a file in front of every configuration file that is read after this.").immediate(),
        list("inject-after", "FILE",
            "Put the text of a file behind every configuration file that is read after this.").immediate(),
        text("fallback-config", "FILE",
            "Start with this configuration where the given one cannot be served.").immediate(),
        list("set", "KEY=VALUE",
            "Set an option or a placeholder for %(KEY).").short('S').immediate(),
        list("set-ph", "KEY=VALUE",
            "Set a placeholder; the name of an option is refused.").aliases(&["set-placeholder"]).immediate(),
        list("declare-option", "NAME=OPTION=VALUE[;OPTION=VALUE]",
            "Declare an option that stands for others, $1 for the first word of its value; what it sets counts before all other options.").immediate(),
        list("declare-option2", "NAME=OPTION=VALUE[;OPTION=VALUE]",
            "As declare-option, but what the new option sets counts at its own place."),
        flag("strict",
            "Refuse unknown options, wherever they stand.").immediate(),
        text("blacklist", "NAME [NAME]",
            "Refuse these options from here on.").immediate(),
        flag("end-blacklist",
            "End the blacklist.").immediate(),
        text("whitelist", "NAME [NAME]",
            "Refuse all options but these from here on.").immediate(),
        flag("end-whitelist",
            "End the whitelist.").immediate(),
        text("profile", "NAME",
            "Set the defaults that experienced operators set; every option that is given wins over them. NAME is production.").immediate().extra(),
        flag("allow-unsupported",
            "Start although options are given that this server does not support; each is named in a warning.").extra(),
        list("plugins", "NAME[,NAME]",
            "Plugins that the configuration counts on. The built-in ones are always there.").aliases(&["plugin"]).immediate(),
        list("need-plugins", "NAME[,NAME]",
            "As plugins, but one that is not there is an error.").aliases(&["need-plugin"]).immediate(),
        list("plugins-dir", "DIR",
            "Look for plugins in this directory.").aliases(&["plugin-dir"]).immediate()
            .no_effect("plugins are part of the program"),
        flag("autoload",
            "Load a plugin where an option of it is met.").immediate()
            .no_effect("plugins are part of the program"),
        flag("pcre-jit",
            "Compile regular expressions to machine code.").immediate()
            .no_effect("the regular expression engine needs no switch"),
        text("clock", "NAME",
            "Take the time from this clock.")
            .no_effect("the time is always the system's"),
        text("binary-path", "PATH",
            "File of the program, for reloads and %b.")
            .missing("a reload starts the file that the server was started from; start it by the path that reloads are to use"),
        text("mode", "NAME",
            "A word for the application to read, in uwsgi.mode.")
            .unsupported("read uwsgi.opt['mode'] in the application, set as a placeholder (set-ph), or an environment variable (env)"),

        // Configuration kept in databases.
        text("sqlite3", "FILE:QUERY",
            "Read the configuration from an SQLite database; the query gives option and value.").aliases(&["sqlite"]).immediate().extra()
            .unsupported(INI_ONLY),
        text("ldap", "URL",
            "Read the configuration from an LDAP server.").immediate().extra()
            .unsupported(INI_ONLY),
        flag("ldap-schema",
            "Print the LDAP schema of the options and exit.").immediate().extra()
            .unsupported(SCHEMA),
        flag("ldap-schema-ldif",
            "Print the LDAP schema of the options in LDIF and exit.").immediate().extra()
            .unsupported(SCHEMA),
    ],
);
