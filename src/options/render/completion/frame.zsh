#compdef uwsgi
# zsh completion for uwsgi, written from the option table by `make golden`.

_uwsgi_names() {
    local -a names
    names=(
@NAMES@
    )
    _describe option names
}

_uwsgi_topics() {
    compadd @TOPICS@
}

_uwsgi_positional() {
    (( CURRENT == 2 )) && compadd check explain
    _files
}

_uwsgi() {
    if (( CURRENT > 2 )); then
        case $words[2] in
            check) _files; return ;;
            explain) _uwsgi_names || _files; return ;;
        esac
    fi
    local -a options
    options=(
@OPTIONS@
    )
    _arguments -s $options '*:file:_uwsgi_positional'
}

_uwsgi "$@"
