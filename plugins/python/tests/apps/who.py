def named(name):
    def application(environ, start_response):
        start_response("200 OK", [])
        return [("%s %r %r" % (name, environ["SCRIPT_NAME"], environ["PATH_INFO"])).encode()]

    return application


application = named(__name__)
second = named("second")


def make():
    return named("made")


class holder:
    application = staticmethod(named(__name__))
