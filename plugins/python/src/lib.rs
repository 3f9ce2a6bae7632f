//! Python (WSGI) plugin.
