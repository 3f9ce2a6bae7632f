import uwsgi
import who

applications = {"": who.application, "/a": "first"}
first = who.application
uwsgi.applications = {b"/b": who.second}
