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
--wait-for-socket
--puwsgi-socket
--fastcgi-socket
--fastcgi-nph-socket
--fastcgi-modifier1
--fastcgi-modifier2
--scgi-socket
--scgi-nph-socket
--scgi-modifier1
--scgi-modifier2
--auto-socket
--http
--httprouter
--http-socket
--http11-socket
--http-keepalive
--enable-proxy-protocol
--proxy-protocol-from
--trusted-proxies
--trusted-headers
--http-enable-proxy-protocol
--add-header
--request-id
--master
--processes
--workers
--threads
--lazy-apps
--lazy
--need-app
--auto-procname
--procname-prefix
--procname-prefix-spaced
--procname-append
--procname
--procname-master
--no-orphans
--harakiri
--harakiri-log
--harakiri-interrupt
--harakiri-graceful-timeout
--harakiri-graceful-signal
--harakiri-queue-threshold
--max-requests
--max-requests-delta
--max-requests-jitter
--min-worker-lifetime
--max-worker-lifetime
--max-worker-lifetime-delta
--reload-on-rss
--reload-on-as
--evil-reload-on-rss
--evil-reload-on-as
--reload-on-exception
--reload-on-exception-type
--reload-on-exception-value
--reload-on-exception-repr
--lame-duck
--worker-reload-mercy
--reload-mercy
--forkbomb-delay
--die-on-term
--exit-on-reload
--touch-reload
--touch-workers-reload
--touch-chain-reload
--touch-exec
--fs-reload
--fs-brutal-reload
--master-fifo
--signals
--graceful-on-term
--reload-check
--reload-retry
--reload-parallel
--recycle-share
--cheaper
--cheaper-initial
--cheaper-step
--cheaper-algo
--cheaper-overload
--cheaper-idle
--cheaper-rss-limit-soft
--cheaper-rss-limit-hard
--cheaper-busyness-max
--cheaper-busyness-min
--cheaper-busyness-multiplier
--cheaper-busyness-penalty
--cheaper-busyness-verbose
--cheaper-busyness-backlog-alert
--cheaper-busyness-backlog-step
--cheaper-busyness-backlog-multiplier
--cheaper-busyness-backlog-nonzero
--cheap
--idle
--die-on-idle
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
--touch-logreopen
--touch-logrotate
--stats
--stats-server
--stats-http
--stats-minified
--stats-min
--stats-no-cores
--health
--chdir
--pidfile
--pidfile2
--safe-pidfile
--safe-pidfile2
--vacuum
--env
--ienv
--unenv
--envdir
--early-envdir
--umask
--ini
--yaml
--yml
--json
--js
--xml
--xmlconfig
--toml
--config
--include
--inherit
--inject-before
--inject-after
--fallback-config
--set
--set-ph
--set-placeholder
--declare-option
--declare-option2
--strict
--blacklist
--end-blacklist
--whitelist
--end-whitelist
--profile
--allow-unsupported
--plugins
--plugin
--need-plugins
--need-plugin
--if-env
--ifenv
--if-not-env
--if-opt
--if-not-opt
--if-exists
--ifexists
--if-not-exists
--if-file
--if-not-file
--if-dir
--ifdir
--if-directory
--if-not-dir
--if-reload
--if-not-reload
--if-hostname
--if-not-hostname
--if-hostname-match
--if-not-hostname-match
--if-plugin
--ifplugin
--if-not-plugin
--else
--endif
--end-if
--for
--for-glob
--for-times
--for-readline
--endfor
--end-for
--help
--usage
--version
--show-config
--get
--dump-options
--plugins-list
--plugin-list
--exit
--print
--iprint
--reload
--stop
--pause
--suspend
--resume
--ping
--ping-timeout
--signal
--connect-and-read
--extract
--uid
--gid
--add-gid
--no-initgroups
--limit-as
--limit-nproc
--max-fd
--prio
--cpu-affinity
--chroot
--pivot-root
--pivot_root
--cap
--unshare
--unshare2
--refork
--re-fork
--refork-as-root
--re-fork-as-root
--refork-post-jail
--re-fork-post-jail
--jailed
--hook-asap
--hook-pre-jail
--hook-post-jail
--hook-in-jail
--hook-as-root
--hook-as-user
--hook-as-user-atexit
--hook-pre-app
--hook-post-app
--hook-post-fork
--hook-accepting
--hook-accepting-once
--hook-accepting1
--hook-accepting1-once
--hook-master-start
--hook-touch
--exec-asap
--exec-pre-jail
--exec-post-jail
--exec-in-jail
--exec-as-root
--exec-as-user
--exec-as-user-atexit
--exec-pre-app
--exec-post-app
--binsh
--mount-asap
--mount-pre-jail
--mount-post-jail
--mount-in-jail
--mount-as-root
--umount-asap
--umount-pre-jail
--umount-post-jail
--umount-in-jail
--umount-as-root
--wait-for-fs
--wait-for-file
--wait-for-dir
--wait-for-mountpoint
--wait-for-fs-timeout
--wait-for-interface
--wait-interface
--wait-for-iface
--wait-iface
--wait-for-interface-timeout
--wait-interface-timeout
--wait-for-iface-timeout
--wait-iface-timeout
--wait-for-socket-timeout
--attach-daemon
--attach-daemon2
--attach-control-daemon
--smart-attach-daemon
--smart-attach-daemon2
--daemons-honour-stdin
--cron
--cron2
--unique-cron
--cron-harakiri
--static-map
--static-map2
--check-static
--static-check
--check-static-docroot
--static-index
--static-skip-ext
--static-safe
--mime-file
--mimefile
--static-expires
--static-expires-mtime
--static-expires-uri
--static-expires-uri-mtime
--static-expires-path-info
--static-expires-path-info-mtime
--static-expires-type
--static-expires-type-mtime
--static-gzip-all
--static-gzip
--static-gzip-dir
--static-gzip-prefix
--static-gzip-ext
--static-gzip-suffix
--static-precompressed
--error-page-403
--error-page-404
--error-page-500
--error-page
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
--python-version
--py-autoreload
--py-auto-reload
--python-autoreload
--python-auto-reload
--py-auto-reload-ignore
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
        -h|--help|--help=) _uwsgi_words 'all sockets http tls python applications processes life-cycle scaling limits logging monitoring paths configuration logic commands isolation hooks background sharing static routing loops emperor cluster gateways languages' "$2" ;;
        -s|--socket|--socket=|--uwsgi-socket|--uwsgi-socket=|--protocol|--socket-protocol|--protocol=|--socket-protocol=|-l|--listen|--listen=|--chmod-socket=|--chmod=|-b|--buffer-size|--buffer-size=|-z|--socket-timeout|--socket-timeout=|--wait-for-socket|--wait-for-socket=|--puwsgi-socket|--puwsgi-socket=|--fastcgi-socket|--fastcgi-socket=|--fastcgi-nph-socket|--fastcgi-nph-socket=|--fastcgi-modifier1|--fastcgi-modifier1=|--fastcgi-modifier2|--fastcgi-modifier2=|--scgi-socket|--scgi-socket=|--scgi-nph-socket|--scgi-nph-socket=|--scgi-modifier1|--scgi-modifier1=|--scgi-modifier2|--scgi-modifier2=|--auto-socket|--auto-socket=|--http|--httprouter|--http=|--httprouter=|--http-socket|--http-socket=|--http11-socket|--http11-socket=|--http-keepalive=|--proxy-protocol-from|--proxy-protocol-from=|--trusted-proxies|--trusted-proxies=|--add-header|--add-header=|-p|--processes|--workers|--processes=|--workers=|--threads|--threads=|--procname-prefix|--procname-prefix=|--procname-prefix-spaced|--procname-prefix-spaced=|--procname-append|--procname-append=|--procname|--procname=|--procname-master|--procname-master=|-t|--harakiri|--harakiri=|--harakiri-log|--harakiri-log=|--harakiri-interrupt|--harakiri-interrupt=|--harakiri-graceful-timeout|--harakiri-graceful-timeout=|--harakiri-graceful-signal|--harakiri-graceful-signal=|--harakiri-queue-threshold|--harakiri-queue-threshold=|-R|--max-requests|--max-requests=|--max-requests-delta|--max-requests-delta=|--max-requests-jitter|--max-requests-jitter=|--min-worker-lifetime|--min-worker-lifetime=|--max-worker-lifetime|--max-worker-lifetime=|--max-worker-lifetime-delta|--max-worker-lifetime-delta=|--reload-on-rss|--reload-on-rss=|--reload-on-as|--reload-on-as=|--evil-reload-on-rss|--evil-reload-on-rss=|--evil-reload-on-as|--evil-reload-on-as=|--reload-on-exception-type|--reload-on-exception-type=|--reload-on-exception-value|--reload-on-exception-value=|--reload-on-exception-repr|--reload-on-exception-repr=|--lame-duck|--lame-duck=|--worker-reload-mercy|--worker-reload-mercy=|--reload-mercy|--reload-mercy=|--forkbomb-delay|--forkbomb-delay=|--reload-check|--reload-check=|--reload-retry|--reload-retry=|--reload-parallel|--reload-parallel=|--recycle-share|--recycle-share=|--cheaper|--cheaper=|--cheaper-initial|--cheaper-initial=|--cheaper-step|--cheaper-step=|--cheaper-algo|--cheaper-algo=|--cheaper-overload|--cheaper-overload=|--cheaper-idle|--cheaper-idle=|--cheaper-rss-limit-soft|--cheaper-rss-limit-soft=|--cheaper-rss-limit-hard|--cheaper-rss-limit-hard=|--cheaper-busyness-max|--cheaper-busyness-max=|--cheaper-busyness-min|--cheaper-busyness-min=|--cheaper-busyness-multiplier|--cheaper-busyness-multiplier=|--cheaper-busyness-penalty|--cheaper-busyness-penalty=|--cheaper-busyness-backlog-alert|--cheaper-busyness-backlog-alert=|--cheaper-busyness-backlog-step|--cheaper-busyness-backlog-step=|--cheaper-busyness-backlog-multiplier|--cheaper-busyness-backlog-multiplier=|--cheaper-busyness-backlog-nonzero|--cheaper-busyness-backlog-nonzero=|--idle|--idle=|--limit-post|--limit-post=|--post-buffering|--post-buffering=|-v|--max-vars|--max-vars=|--log-slow|--log-slow=|--log-date=|--logdate=|--log-prefix=|--stats|--stats-server|--stats=|--stats-server=|--health|--health=|--env|--env=|--ienv|--ienv=|--unenv|--unenv=|--umask|--umask=|-S|--set|--set=|--set-ph|--set-placeholder|--set-ph=|--set-placeholder=|--declare-option|--declare-option=|--declare-option2|--declare-option2=|--blacklist|--blacklist=|--whitelist|--whitelist=|--profile|--profile=|--plugins|--plugin|--plugins=|--plugin=|--need-plugins|--need-plugin|--need-plugins=|--need-plugin=|--if-env|--ifenv|--if-env=|--ifenv=|--if-not-env|--if-not-env=|--if-opt|--if-opt=|--if-not-opt|--if-not-opt=|--if-hostname|--if-hostname=|--if-not-hostname|--if-not-hostname=|--if-hostname-match|--if-hostname-match=|--if-not-hostname-match|--if-not-hostname-match=|--if-plugin|--ifplugin|--if-plugin=|--ifplugin=|--if-not-plugin|--if-not-plugin=|--for|--for=|--for-glob|--for-glob=|--for-times|--for-times=|--get|--get=|--exit=|--print|--print=|--iprint|--iprint=|--reload|--reload=|--stop|--stop=|--pause|--suspend|--resume|--pause=|--suspend=|--resume=|--ping|--ping=|--ping-timeout|--ping-timeout=|--signal|--signal=|--connect-and-read|--connect-and-read=|--extract|--extract=|--limit-as|--limit-as=|--limit-nproc|--limit-nproc=|--max-fd|--max-fd=|--prio|--prio=|--cpu-affinity|--cpu-affinity=|--pivot-root|--pivot_root|--pivot-root=|--pivot_root=|--cap|--cap=|--unshare|--unshare=|--unshare2|--unshare2=|--hook-asap|--hook-asap=|--hook-pre-jail|--hook-pre-jail=|--hook-post-jail|--hook-post-jail=|--hook-in-jail|--hook-in-jail=|--hook-as-root|--hook-as-root=|--hook-as-user|--hook-as-user=|--hook-as-user-atexit|--hook-as-user-atexit=|--hook-pre-app|--hook-pre-app=|--hook-post-app|--hook-post-app=|--hook-post-fork|--hook-post-fork=|--hook-accepting|--hook-accepting=|--hook-accepting-once|--hook-accepting-once=|--hook-accepting1|--hook-accepting1=|--hook-accepting1-once|--hook-accepting1-once=|--hook-master-start|--hook-master-start=|--exec-asap|--exec-asap=|--exec-pre-jail|--exec-pre-jail=|--exec-post-jail|--exec-post-jail=|--exec-in-jail|--exec-in-jail=|--exec-as-root|--exec-as-root=|--exec-as-user|--exec-as-user=|--exec-as-user-atexit|--exec-as-user-atexit=|--exec-pre-app|--exec-pre-app=|--exec-post-app|--exec-post-app=|--mount-asap|--mount-asap=|--mount-pre-jail|--mount-pre-jail=|--mount-post-jail|--mount-post-jail=|--mount-in-jail|--mount-in-jail=|--mount-as-root|--mount-as-root=|--wait-for-fs-timeout|--wait-for-fs-timeout=|--wait-for-interface|--wait-interface|--wait-for-iface|--wait-iface|--wait-for-interface=|--wait-interface=|--wait-for-iface=|--wait-iface=|--wait-for-interface-timeout|--wait-interface-timeout|--wait-for-iface-timeout|--wait-iface-timeout|--wait-for-interface-timeout=|--wait-interface-timeout=|--wait-for-iface-timeout=|--wait-iface-timeout=|--wait-for-socket-timeout|--wait-for-socket-timeout=|--attach-daemon|--attach-daemon=|--attach-daemon2|--attach-daemon2=|--attach-control-daemon|--attach-control-daemon=|--smart-attach-daemon|--smart-attach-daemon=|--smart-attach-daemon2|--smart-attach-daemon2=|--cron|--cron=|--cron2|--cron2=|--unique-cron|--unique-cron=|--cron-harakiri|--cron-harakiri=|--static-map|--static-map=|--static-map2|--static-map2=|--static-index|--static-index=|--static-skip-ext|--static-skip-ext=|--static-expires|--static-expires=|--static-expires-mtime|--static-expires-mtime=|--static-expires-uri|--static-expires-uri=|--static-expires-uri-mtime|--static-expires-uri-mtime=|--static-expires-path-info|--static-expires-path-info=|--static-expires-path-info-mtime|--static-expires-path-info-mtime=|--static-expires-type|--static-expires-type=|--static-expires-type-mtime|--static-expires-type-mtime=|--static-gzip|--static-gzip=|--static-gzip-ext|--static-gzip-suffix|--static-gzip-ext=|--static-gzip-suffix=|--static-precompressed|--static-precompressed=|--error-page|--error-page=|-w|--module|--wsgi|--module=|--wsgi=|--callable|--callable=|--mount|--mount=|--import|--pyimport|--py-import|--python-import|--import=|--pyimport=|--py-import=|--python-import=|-O|--optimize|--optimize=|--py-autoreload|--py-auto-reload|--python-autoreload|--python-auto-reload|--py-autoreload=|--py-auto-reload=|--python-autoreload=|--python-auto-reload=|--py-auto-reload-ignore|--py-auto-reload-ignore=) : ;;
        --chdir|--chdir=|--envdir|--envdir=|--early-envdir|--early-envdir=|--chroot|--chroot=|--umount-asap|--umount-asap=|--umount-pre-jail|--umount-pre-jail=|--umount-post-jail|--umount-post-jail=|--umount-in-jail|--umount-in-jail=|--umount-as-root|--umount-as-root=|--wait-for-dir|--wait-for-dir=|--wait-for-mountpoint|--wait-for-mountpoint=|--check-static|--static-check|--check-static=|--static-check=|--static-safe|--static-safe=|--static-gzip-dir|--static-gzip-prefix|--static-gzip-dir=|--static-gzip-prefix=|-H|--home|--virtualenv|--venv|--pyhome|--home=|--virtualenv=|--venv=|--pyhome=|--pythonpath|--python-path|--pp|--pythonpath=|--python-path=|--pp=) _uwsgi_files -d "$2" ;;
        --touch-reload|--touch-reload=|--touch-workers-reload|--touch-workers-reload=|--touch-chain-reload|--touch-chain-reload=|--touch-exec|--touch-exec=|--fs-reload|--fs-reload=|--fs-brutal-reload|--fs-brutal-reload=|--master-fifo|--master-fifo=|--logto|--logto=|-d|--daemonize|--daemonize=|--touch-logreopen|--touch-logreopen=|--touch-logrotate|--touch-logrotate=|--pidfile|--pidfile=|--pidfile2|--pidfile2=|--safe-pidfile|--safe-pidfile=|--safe-pidfile2|--safe-pidfile2=|--ini|--ini=|-y|--yaml|--yml|--yaml=|--yml=|-j|--json|--js|--json=|--js=|-x|--xml|--xmlconfig|--xml=|--xmlconfig=|--toml|--toml=|--config|--config=|--include|--include=|--inherit|--inherit=|--inject-before|--inject-before=|--inject-after|--inject-after=|--fallback-config|--fallback-config=|--if-exists|--ifexists|--if-exists=|--ifexists=|--if-not-exists|--if-not-exists=|--if-file|--if-file=|--if-not-file|--if-not-file=|--if-dir|--ifdir|--if-directory|--if-dir=|--ifdir=|--if-directory=|--if-not-dir|--if-not-dir=|--for-readline|--for-readline=|--hook-touch|--hook-touch=|--binsh|--binsh=|--wait-for-fs|--wait-for-fs=|--wait-for-file|--wait-for-file=|--mime-file|--mimefile|--mime-file=|--mimefile=|--error-page-403|--error-page-403=|--error-page-404|--error-page-404=|--error-page-500|--error-page-500=|--wsgi-file|--file|--wsgi-file=|--file=|--python|--python=) _uwsgi_files -f "$2" ;;
        --else|--else=) _uwsgi_words 'true false' "$2" ;;
        --signals|--signals=) _uwsgi_words 'uwsgi gunicorn' "$2" ;;
        --trusted-headers|--trusted-headers=) _uwsgi_words 'x-forwarded forwarded' "$2" ;;
        --gid|--gid=|--add-gid|--add-gid=) mapfile -t COMPREPLY < <(compgen -g -- "$2") ;;
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
