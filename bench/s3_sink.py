# SPDX-License-Identifier: BSD-3-Clause
"""An S3 server that takes any PUT and checks nothing: s3_sink.py DIRECTORY PORT.

So little that it costs the measured machine next to nothing. Each object becomes a file.
"""
import http.server
import os
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    count = 0

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        Handler.count += 1
        path = os.path.join(sys.argv[1], f"{Handler.count}-{os.path.basename(self.path)}")
        with open(path + ".part", "wb") as file:
            file.write(body)
        os.rename(path + ".part", path)
        self.send_response(200)
        self.send_header("ETag", f'"{Handler.count}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
