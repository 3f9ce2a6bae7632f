"""The Flask application, in a module of its own so that the others do not pay for the import."""
import apps

app = apps.flask()
