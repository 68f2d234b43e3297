"""
An HTTP server as people write them in Python: threads, files, a configuration read anew on SIGHUP.

Called with its port; /data is its place, and /data/generation its configuration.
"""

import http.server
import os
import signal
import sys
import threading

os.chdir("/data")


def read_configuration(*_):
    with open("generation") as file:
        Handler.generation = file.read().strip()


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    generation = ""

    def end_headers(self):
        self.send_header("X-Generation", self.generation)
        super().end_headers()

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.translate_path(self.path)
        with open(path + ".new", "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(path + ".new", path)
        self.answer(201)

    def do_DELETE(self):
        os.unlink(self.translate_path(self.path))
        self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
signal.signal(signal.SIGHUP, read_configuration)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
read_configuration()
server.serve_forever()
server.server_close()
with open("stopped", "w") as file:
    file.write("gracefully")
