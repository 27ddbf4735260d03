# SPDX-License-Identifier: MIT
"""Servers on 127.0.0.1 that are no webhook receivers: silent ones, ones that speak other
languages, proxies. Each connection is a thread that runs one of the functions below."""

import base64
import select
import socket
import threading


class Listener:
    """A port of its own; `handler(sock, listener)` is run for each connection. With a
    `context` the connections begin with a TLS handshake."""

    def __init__(self, handler, context=None):
        self.handler, self.context = handler, context
        self.stopping = threading.Event()
        self.heard = []  # what handlers note
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, scheme="http", path="/hook"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def accept(self):
        while not self.stopping.is_set():
            try:
                sock, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        try:
            sock.settimeout(30)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.handler(sock, self)
        except OSError:
            pass
        finally:
            sock.close()

    def close(self):
        self.stopping.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()


def read_request(sock):
    """A whole HTTP request; its bytes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += sock.recv(65536) or b"\r\n\r\n"
    head, body = data.split(b"\r\n\r\n", 1)
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += sock.recv(65536) or b"\0" * length
    return head + b"\r\n\r\n" + body


def silent(sock, listener):
    """Take everything, say nothing."""
    while not listener.stopping.is_set() and sock.recv(65536):
        pass


def mute(sock, listener):
    """Neither read nor say anything."""
    del sock
    listener.stopping.wait(30)


def hang_up(sock, _listener):
    """Read the request, then close."""
    read_request(sock)


def slam(sock, _listener):
    """Close at once, with what was sent unread: a reset."""
    sock.recv(1)


def mail_server(sock, _listener):
    """Greet as SMTP servers do, and understand nothing."""
    sock.sendall(b"220 mail.example ESMTP \x1b[31mred\r\n")
    while sock.recv(65536):
        sock.sendall(b"500 what?\r\n")


def raw(answer):
    """Read the request, answer these bytes."""
    def handler(sock, _listener):
        read_request(sock)
        sock.sendall(answer)
    return handler


def relay(left, right):
    while True:
        ready, _, _ = select.select([left, right], [], [], 30)
        for one, other in ((left, right), (right, left)):
            if one in ready:
                data = one.recv(65536)
                if not data:
                    return
                other.sendall(data)


def connect_proxy(status=200, credentials=None):
    """A proxy for CONNECT that answers `status`; with `credentials` ("user:password")
    407 to whoever has not these."""
    wanted = credentials and base64.b64encode(credentials.encode())

    def handler(sock, listener):
        request = read_request(sock)
        listener.heard.append(request)
        if wanted and b"Basic " + wanted not in request:
            sock.sendall(b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n"
                         b"Content-Length: 0\r\n\r\n")
            return
        if status != 200:
            sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
            return
        host, port = request.split(b" ")[1].decode().rsplit(":", 1)
        with socket.create_connection((host, int(port))) as other:
            sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            relay(sock, other)
    return handler


def socks_proxy(reply):
    """A SOCKS5 proxy (RFC 1928) that answers each request with `reply`."""
    def handler(sock, _listener):
        sock.recv(256)
        sock.sendall(b"\x05\x00")
        sock.recv(256)
        sock.sendall(bytes([5, reply, 0, 1]) + bytes(6))
        sock.recv(256)
    return handler


class Full:
    """A port that listens and takes no connection any more: what asks for one gets no
    answer, as behind a firewall that drops."""

    def __init__(self):
        self.server = socket.socket()
        self.server.bind(("127.0.0.1", 0))
        self.server.listen(0)
        self.port = self.server.getsockname()[1]
        self.waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", self.port))
            self.waiting.append(sock)

    def close(self):
        for sock in (*self.waiting, self.server):
            sock.close()
