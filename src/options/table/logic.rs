//! Conditions and loops. A block reaches to its endif or endfor; blocks may stand in blocks.

use uwsgi_plugin_api::option::{chapter, flag, list};
use uwsgi_plugin_api::{Argument, OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Logic,
    [
        list("if-env", "NAME[=VALUE]", "Read what follows if the environment has the variable (with this value); %(_) is its value.").aliases(&["ifenv"]).immediate(),
        list("if-not-env", "NAME[=VALUE]", "Read what follows if the environment lacks the variable (or it has another value).").immediate(),
        list("if-opt", "NAME[=VALUE]", "Read what follows if the option was given before with a value (first with this one); %(_) is its value.").immediate(),
        list("if-not-opt", "NAME[=VALUE]", "Read what follows if the option was not given before with a value (or first with another).").immediate(),
        list("if-exists", "PATH", "Read what follows if there is such a file or directory.").aliases(&["ifexists"]).immediate(),
        list("if-not-exists", "PATH", "Read what follows if there is no such file or directory.").immediate(),
        list("if-file", "PATH", "Read what follows if this is a file.").immediate(),
        list("if-not-file", "PATH", "Read what follows if this is no file.").immediate(),
        list("if-dir", "PATH", "Read what follows if this is a directory.").aliases(&["ifdir", "if-directory"]).immediate(),
        list("if-not-dir", "PATH", "Read what follows if this is no directory.").immediate(),
        flag("if-reload", "Read what follows if this is a reload.").immediate(),
        flag("if-not-reload", "Read what follows if this is the first start.").immediate(),
        list("if-hostname", "NAME", "Read what follows if the machine has this name.").immediate(),
        list("if-not-hostname", "NAME", "Read what follows if the machine has another name.").immediate(),
        list("if-hostname-match", "REGEX", "Read what follows if the machine's name matches a regular expression.").immediate(),
        list("if-not-hostname-match", "REGEX", "Read what follows if the machine's name does not match a regular expression.").immediate(),
        list("if-plugin", "NAME", "Read what follows if the plugin is there.").aliases(&["ifplugin"]).immediate(),
        list("if-not-plugin", "NAME", "Read what follows if the plugin is not there.").immediate(),
        flag("else", "Read what follows if the condition of this block does not hold.").argument(Argument::Required).immediate().extra(),
        flag("endif", "End the block.").argument(Argument::Optional).aliases(&["end-if"]).immediate(),
        list("for", "WORD [WORD]", "Read the lines of the block for each word, which is %(_) in them.").immediate(),
        list("for-glob", "PATTERN", "Read the lines of the block for each path that matches, which is %(_) in them.").immediate(),
        list("for-times", "N", "Read the lines of the block N times; %(_) counts from 1.").immediate(),
        list("for-readline", "FILE", "Read the lines of the block for each line of a file, which is %(_) in them.").immediate(),
        flag("endfor", "End the loop.").argument(Argument::Optional).aliases(&["end-for"]).immediate(),
    ],
);
