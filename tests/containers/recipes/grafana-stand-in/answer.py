"""Says that it is healthy, at Grafana's address for that."""

import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    """Knows one path."""

    def do_GET(self) -> None:
        """Answers 200 there and 404 elsewhere."""
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()


http.server.ThreadingHTTPServer(("", 3000), Handler).serve_forever()
