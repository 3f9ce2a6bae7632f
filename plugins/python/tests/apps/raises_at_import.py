"""Fails in a helper, so that the traceback has something to show."""

def helper():
    return 1 / 0


application = helper()
