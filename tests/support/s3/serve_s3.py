"""S3 in a process of its own: moto's, on the port of the first argument, until its stdin ends."""

import logging
import os
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = DomainDispatcherApplication(create_backend_app)
turn = threading.Lock()


def one_by_one(environ, start_response):
    # moto looks at a condition and writes in two steps; a real store does both in one.
    with turn:
        return list(app(environ, start_response))


server = make_server("127.0.0.1", int(sys.argv[1]), one_by_one, threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
os._exit(0)
