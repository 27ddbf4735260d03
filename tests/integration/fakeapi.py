# SPDX-License-Identifier: MIT
"""Zabbix's API, made up: for all that can go wrong with the real one."""

import http.server
import json
import threading

TOKEN = "0123456789abcdef" * 4


class Api:
    """Answers as the API of a version does, or as it is told: `results` by method, and
    `items` for all others."""

    def __init__(self, version="6.0.14", context=None):
        self.version, self.items, self.requests = version, [], []
        self.token, self.results = TOKEN, {}
        self.answer = None  # (status, body): instead of all but the version
        self.elsewhere = "http://127.0.0.1:1/elsewhere"  # where a redirect leads
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                status, body = outer.reply(self.path, dict(self.headers), json.loads(raw))
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", outer.elsewhere)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def reply(self, path, headers, request):
        self.requests.append((path, headers, request))
        if request["method"] == "apiinfo.version":
            assert "auth" not in request and "Authorization" not in headers
            return 200, json.dumps({"jsonrpc": "2.0", "result": self.version}).encode()
        if self.answer is not None:
            return self.answer
        old = tuple(map(int, self.version.split(".")[:2])) < (6, 4)
        token = request.get("auth") if old else \
            headers.get("Authorization", "").removeprefix("Bearer ")
        if not old and "auth" in request:
            return 200, b'{"error":{"code":-32600,"message":"Invalid request."}}'
        if request["method"] != "user.login" and token != self.token:
            return 200, json.dumps({"jsonrpc": "2.0", "error": {
                "code": -32602, "message": "Invalid params.",
                "data": "Not authorised."}}).encode()
        return 200, json.dumps({"jsonrpc": "2.0", "result": self.results.get(
            request["method"], self.items)}).encode()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
