# bash completion for uwsgi, written from the option table by `make golden`.

_uwsgi_names='
--socket
--uwsgi-socket
--protocol
--socket-protocol
--listen
--chmod-socket
--chmod
--chown-socket
--abstract-socket
--buffer-size
--socket-timeout
--reuse-port
--so-keepalive
--tcp-nodelay
--no-defer-accept
--http
--httprouter
--http-socket
--http11-socket
--http-keepalive
--master
--processes
--workers
--threads
--lazy-apps
--need-app
--harakiri
--max-requests
--max-requests-delta
--min-worker-lifetime
--worker-reload-mercy
--forkbomb-delay
--die-on-term
--no-orphans
--limit-as
--uid
--gid
--auto-procname
--procname-prefix
--procname-prefix-spaced
--limit-post
--post-buffering
--max-vars
--disable-logging
--log-4xx
--log-5xx
--log-slow
--log-x-forwarded-for
--log-date
--logdate
--log-prefix
--log-micros
--memory-report
--ignore-sigpipe
--ignore-write-errors
--disable-write-exception
--logto
--daemonize
--chdir
--pidfile
--pidfile2
--safe-pidfile
--vacuum
--env
--umask
--ini
--set
--set-placeholder
--set-ph
--strict
--plugins
--plugin
--need-plugins
--need-plugin
--show-config
--help
--version
--module
--wsgi
--wsgi-file
--file
--callable
--home
--virtualenv
--venv
--pyhome
--python
--pythonpath
--python-path
--pp
--mount
--manage-script-name
--ignore-script-name
--no-default-app
--import
--pyimport
--py-import
--python-import
--catch-exceptions
--wsgi-disable-file-wrapper
--wsgi-accept-buffer
--wsgi-accept-buffers
--optimize
--single-interpreter
--py-call-osafterfork
--wsgi-env-behaviour
--wsgi-env-behavior
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
        -h|--help|--help=) _uwsgi_words 'all sockets http tls python processes limits logging monitoring paths configuration isolation sharing static routing loops emperor cluster gateways' "$2" ;;
        -s|--socket|--socket=|--uwsgi-socket|--uwsgi-socket=|--protocol|--socket-protocol|--protocol=|--socket-protocol=|-l|--listen|--listen=|--chmod-socket=|--chmod=|-b|--buffer-size|--buffer-size=|-z|--socket-timeout|--socket-timeout=|--http|--httprouter|--http=|--httprouter=|--http-socket|--http-socket=|--http11-socket|--http11-socket=|--http-keepalive=|-p|--processes|--workers|--processes=|--workers=|--threads|--threads=|-t|--harakiri|--harakiri=|-R|--max-requests|--max-requests=|--max-requests-delta|--max-requests-delta=|--min-worker-lifetime|--min-worker-lifetime=|--worker-reload-mercy|--worker-reload-mercy=|--forkbomb-delay|--forkbomb-delay=|--limit-as|--limit-as=|--procname-prefix|--procname-prefix=|--procname-prefix-spaced|--procname-prefix-spaced=|--limit-post|--limit-post=|--post-buffering|--post-buffering=|-v|--max-vars|--max-vars=|--log-slow|--log-slow=|--log-date=|--logdate=|--log-prefix=|--env|--env=|--umask|--umask=|-S|--set|--set-placeholder|--set=|--set-placeholder=|--set-ph|--set-ph=|--plugins|--plugin|--plugins=|--plugin=|--need-plugins|--need-plugin|--need-plugins=|--need-plugin=|-w|--module|--wsgi|--module=|--wsgi=|--callable|--callable=|--mount|--mount=|--import|--pyimport|--py-import|--python-import|--import=|--pyimport=|--py-import=|--python-import=|-O|--optimize|--optimize=) : ;;
        -H|--home|--virtualenv|--venv|--pyhome|--home=|--virtualenv=|--venv=|--pyhome=|--pythonpath|--python-path|--pp|--pythonpath=|--python-path=|--pp=) _uwsgi_files -d "$2" ;;
        --logto|--logto=|-d|--daemonize|--daemonize=|--chdir|--chdir=|--pidfile|--pidfile=|--pidfile2|--pidfile2=|--safe-pidfile|--safe-pidfile=|--ini|--ini=|--wsgi-file|--file|--wsgi-file=|--file=|--python|--python=) _uwsgi_files -f "$2" ;;
        --wsgi-env-behaviour|--wsgi-env-behavior|--wsgi-env-behaviour=|--wsgi-env-behavior=) _uwsgi_words 'cheat holy' "$2" ;;
        --gid|--gid=) mapfile -t COMPREPLY < <(compgen -g -- "$2") ;;
        --chown-socket|--chown-socket=|--uid|--uid=) mapfile -t COMPREPLY < <(compgen -u -- "$2") ;;
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
