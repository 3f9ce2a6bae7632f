# bash completion for uwsgi, written from the option table by `make golden`.

_uwsgi_names='
@NAMES@
'

_uwsgi_files() {
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen "$1" -- "$2")
}

_uwsgi_words() {
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$2")
}

# Completes the word $2 as a value of the option $1. Fails where that option takes none.
_uwsgi_value() {
    case $1 in
@VALUES@
        *) return 1 ;;
    esac
}

_uwsgi() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    # Readline takes "=" for a word of its own.
    if [[ $word == = ]]; then
        word=
        before+==
    elif [[ $before == = ]]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}=
    fi
    if ((COMP_CWORD > 1)); then
        case ${COMP_WORDS[1]} in
            check) _uwsgi_files -f "$word" ; return ;;
            explain)
                _uwsgi_words "${_uwsgi_names//--/}" "$word"
                [[ ${COMPREPLY[0]-} ]] || _uwsgi_files -f "$word"
                return ;;
        esac
    fi
    if _uwsgi_value "$before" "$word"; then return; fi
    if [[ $word == -* ]]; then
        _uwsgi_words "$_uwsgi_names" "$word"
        return
    fi
    _uwsgi_files -f "$word"
    if [[ $COMP_CWORD == 1 && $word ]]; then
        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W 'check explain' -- "$word")
    fi
}

complete -F _uwsgi uwsgi
