# fish completion for uwsgi, written from the option table by `make golden`.

function __uwsgi_explains
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test $words[2] = explain
end

complete -c uwsgi -n __fish_use_subcommand -a check -d 'Say what is wrong with configuration files'
complete -c uwsgi -n __fish_use_subcommand -a explain -d 'Say what an option or a file does'
complete -c uwsgi -n __uwsgi_explains -a '@NAMES@'
@OPTIONS@
