"""A web server for tests, which talks to this machine alone."""

import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Serves `files` on the loopback address, as well or as badly as told, and keeps what was asked and sent."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.ranges = True  # whether a request for the rest of a file is understood
        self.shift = 0  # bytes by which the rest sent begins too late
        self.chunked = False  # send no length
        self.cut_at = None  # close the connection after so many bytes of an answer
        self.asked: list[str | None] = []
        self.sent: list[int] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))
        self._thread.start()
        self.address = f"http://127.0.0.1:{self._http.server_port}"

    def stop(self):
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def answer(self, request):
        wanted = request.headers["Range"]
        self.asked.append(wanted)
        if request.path not in self.files:
            request.send_error(404)
            return
        content, start = self.files[request.path], 0
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                request.send_error(416)
                return
            start += self.shift
        self._send(request, content, start)

    def _send(self, request, content, start):
        body = content[start:]
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header(*(("Transfer-Encoding", "chunked") if self.chunked else ("Content-Length", len(body))))
        request.end_headers()
        sent = body[: self.cut_at]
        self.sent.append(len(sent))
        if not self.chunked:
            request.wfile.write(sent)
            return
        request.wfile.write(f"{len(body):x}\r\n".encode() + sent)
        if self.cut_at is None:
            request.wfile.write(b"\r\n0\r\n\r\n")


class Handler(BaseHTTPRequestHandler):
    """One answer a connection."""

    protocol_version = "HTTP/1.1"

    def __init__(self, server: Server, *args):
        self._answers = server
        super().__init__(*args)

    def do_GET(self):
        self.close_connection = True
        self._answers.answer(self)

    def log_message(self, *args):
        pass
