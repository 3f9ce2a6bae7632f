"""Notes in a file which requests it has begun, `/?NUMBER` or `/?NUMBER-MILLISECONDS`, and answers with their numbers.

Two words of 32 bits for each number: the process that began it last, and how often it was begun. They are written through a
mapping, without a system call, before any other thread of the interpreter can run, and survive the end of the process.
"""
import mmap
import os
import time

NUMBERS_MAX = 1 << 18
FILE = os.open(os.environ["MARKS"], os.O_RDWR | os.O_CREAT, 0o644)
os.ftruncate(FILE, 8 * NUMBERS_MAX)
MARKS = memoryview(mmap.mmap(FILE, 8 * NUMBERS_MAX)).cast("I")
PID = os.getpid
SLEEP = time.sleep


def application(environ, start_response):
    number, _, milliseconds = environ["QUERY_STRING"].partition("-")
    MARKS[2 * int(number)] = PID()
    MARKS[2 * int(number) + 1] += 1
    SLEEP(int(milliseconds or 2) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [number.encode()]
