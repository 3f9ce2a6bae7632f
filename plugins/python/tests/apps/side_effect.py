import sys

import uwsgi

uwsgi.log("side effect %r" % (sys.path[:3],))
