"""Tells which application answered and what it was given."""


def make(name):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        line = "%s script=%r path=%r" % (name, environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", ""))
        return [line.encode()]
    return app


one, two, application = make("one"), make("two"), make("default")
