"""Provider adapters for Signalbox in Python: the standard library and grpc.

    class Acme(Provider):
        name, version, credential = "acme", "1.0.0", "none"
        operations = [("chat", "openai-chat")]

        def configure(self, config, hosts):
            return {("chat", "openai-chat"): self.chat}, []  # routes, leases

        def chat(self, request):
            return Answer({"choices": [...]}, usage={"in": 3, "out": 7})

    serve(Acme())

A handler returns an Answer, returns Events for a stream, or raises Error.
Copy this file beside your program: the gateway hashes the whole folder.
"""
import http.client, json, os, select, socket, socketserver, struct, sys, threading, time, urllib.parse
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import grpc

MAX_BODY = 128 << 20
CLASSES = {401: "auth", 402: "quota", 403: "auth", 408: "server", 409: "server", 429: "rate_limit", 503: "overloaded", 504: "timeout", 529: "overloaded"}


def class_of(status):
    return CLASSES.get(status, "server" if status >= 500 else "invalid_request")


class Error(Exception):
    """Is answered in the form that every dialect's reader knows."""

    def __init__(self, status, code, message, error_class=None, retry_after=None):
        super().__init__(message)
        self.status, self.code, self.retry_after = status, code, retry_after
        self.error_class = error_class or class_of(status)

    def body(self, dialect):
        if dialect == "anthropic-messages":
            return {"type": "error", "error": {"type": self.error_class, "message": str(self)}}
        if dialect == "gemini-generate":
            return {"error": {"code": self.status, "message": str(self), "status": self.error_class.upper()}}
        return {"error": {"message": str(self), "type": self.error_class, "code": self.code, "param": None}}


class Answer:
    """A whole answer; body is bytes, or what becomes JSON. usage: {"in": 3, "cr": 0, "out": 7, "rs": 0}."""

    def __init__(self, body, usage=None, dropped=(), content_type="application/json"):
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.usage, self.dropped, self.content_type = usage, dropped, content_type


class Events:
    """A stream; source yields complete events as bytes, and a dict for the usage. What it raises cuts the stream."""

    def __init__(self, source, dropped=()):
        self.source, self.dropped = source, dropped


class Provider:
    """What an author writes; see the contract for the fields."""
    name, version, credential = "", "1.0.0", "required"
    operations, models, hosts, properties = [], [], [], {}  # properties: of the configuration's JSON schema

    def configure(self, config, hosts):
        raise NotImplementedError

    def health(self):
        """Raises when it cannot serve."""

    def check(self, config):
        kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}
        for key, value in config.items():
            if key not in self.properties:
                raise ValueError(f"unknown config key {key!r}; known are {', '.join(self.properties) or 'none'}")
            if not isinstance(value, kinds.get(self.properties[key].get("type"), object)):
                raise ValueError(f"config key {key!r} is not of type {self.properties[key]['type']}")


class Egress:
    """The gateway's egress socket: a fenced adapter opens no connections, it is handed them."""

    def __init__(self, fd):
        self.socket, self.lock, self.waiting, self.last = socket.socket(fileno=fd), threading.Lock(), {}, 0
        threading.Thread(target=self.read, daemon=True).start()

    def connect(self, address, timeout=None, source=None):
        future = Future()
        with self.lock:
            self.last += 1
            self.waiting[b"%d" % self.last] = future
            self.socket.send(f"{self.last} {address[0]}:{address[1]}".encode())
        connected = future.result(timeout)
        connected.settimeout(timeout)
        return connected

    def read(self):
        while True:
            packet, fds, _, _ = socket.recv_fds(self.socket, 1024, 1)
            number, _, reason = packet.partition(b" ")
            future = self.waiting.pop(number, None)
            connected = socket.socket(fileno=fds[0]) if fds else None
            if future and connected:
                future.set_result(connected)
            elif future:
                future.set_exception(ConnectionError(reason.decode()))


egress = Egress(int(os.environ["SIGNALBOX_EGRESS_FD"])) if os.environ.get("SIGNALBOX_EGRESS_FD") else None


class Request:
    """One request. The credential is for this request alone."""

    def __init__(self, handler, op, dialect, path, body):
        header = handler.headers.get
        self.op, self.dialect, self.path, self.body, self.header, self.method = op, dialect, path, body, header, handler.command
        self.model, self.id, self.credential = (header("X-Signalbox-" + n, "") for n in ("Model", "Request-Id", "Credential"))
        self.streams, self.strict = header("X-Signalbox-Stream") == "1", header("X-Signalbox-Strict") == "1"
        self.deadline = time.monotonic() + int(header("X-Signalbox-Deadline-Ms", 600000)) / 1000
        self.peer, self.left, self.expired, self.done, self.upstream = handler.connection, False, False, os.eventfd(0), None

    def json(self):
        try:
            value = json.loads(self.body)
        except ValueError as e:
            raise Error(400, "invalid_json", f"the body is not JSON: {e}") from None
        if not isinstance(value, dict):
            raise Error(400, "invalid_json", "the body is not a JSON object")
        return value

    def fetch(self, url, body, headers, method="POST"):
        """Calls an upstream: it ends with the deadline and when the gateway leaves. No redirect is followed."""
        u = urllib.parse.urlsplit(url)
        kind = http.client.HTTPSConnection if u.scheme == "https" else http.client.HTTPConnection
        self.upstream = kind(u.netloc, timeout=max(self.deadline - time.monotonic(), 0.001))
        if egress:
            self.upstream._create_connection = egress.connect
        self.upstream.connect()
        self.sock = self.upstream.sock  # http.client forgets it
        threading.Thread(target=self.watch, daemon=True).start()
        self.upstream.request(method, u.path + ("?" + u.query if u.query else ""), body, headers)
        return self.upstream.getresponse()

    @staticmethod
    def lines(answer):
        """The lines of an upstream's answer, as they come. Iteration over it would take a cut for the end; read1 raises."""
        rest = b""
        while piece := answer.read1(65536):
            *whole, rest = (rest + piece).split(b"\n")
            yield from (line + b"\n" for line in whole)
        if rest:
            yield rest

    def watch(self):
        poll = select.poll()
        poll.register(self.peer, select.POLLRDHUP)
        poll.register(self.done, select.POLLIN)
        ready = poll.poll(max(self.deadline - time.monotonic(), 0) * 1000)
        self.expired = not ready
        self.left = any(fd != self.done for fd, _ in ready)
        if self.expired or self.left:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it was closed already

    def close(self):
        os.eventfd_write(self.done, 1)
        if self.upstream:
            self.upstream.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version, timeout = "HTTP/1.1", None
    log_message = address_string = lambda *_: ""  # requests are not logged: they hold credentials

    def setup(self):
        self.client_address = ("", 0)
        pid, uid, _ = struct.unpack("3i", self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if pid != self.server.gateway or uid != os.getuid():
            self.request.close()
            raise ConnectionError("the peer is not the gateway")
        super().setup()

    def serve(self):
        with self.server.idle:
            self.server.running += 1
        request, op, dialect, self.begun = None, "", "", False
        try:
            _, op, dialect, *rest = self.path.split("?")[0].split("/", 3) + ["", ""]
            handle = self.server.routes.get((op, dialect))
            size = int(self.headers.get("Content-Length", 0))
            if not handle or size > MAX_BODY or "Transfer-Encoding" in self.headers:
                self.close_connection = True
                if not handle:
                    raise Error(404, "not_served", f"this adapter does not serve {self.path}")
                raise Error(413, "request_too_large", f"the body has {size} bytes; at most {MAX_BODY}, with a Content-Length")
            request = Request(self, op, dialect, self.path[len(f"/{op}/{dialect}"):], self.rfile.read(size))
            self.write(handle(request), request)
        except Exception as e:
            self.fail(e, request, dialect)
        finally:
            if request:
                request.close()
            with self.server.idle:
                self.server.running -= 1
                self.close_connection = self.close_connection or self.server.draining
                self.server.idle.notify_all()

    do_POST = do_GET = do_DELETE = serve

    def write(self, answer, request):
        stream = isinstance(answer, Events)
        source = iter(answer.source) if stream else None
        first = next(source, b"") if stream else answer.body  # what fails before it is answered properly
        self.begun = True
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream" if stream else answer.content_type)
        if answer.dropped:
            self.send_header("X-Signalbox-Dropped-Params", ",".join(answer.dropped))
        if not stream:
            self.usage(answer.usage, self.send_header)
            self.send_header("Content-Length", str(len(first)))
            self.end_headers()
            return self.wfile.write(first)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Trailer", "X-Signalbox-Usage")
        self.end_headers()
        usage = None
        while first is not None:
            if isinstance(first, dict):
                usage = first
            elif first:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(first), first))
            first = next(source, None)
        trailer = []
        self.usage(usage, lambda name, value: trailer.append(f"{name}: {value}\r\n"))
        self.wfile.write(b"0\r\n" + "".join(trailer).encode() + b"\r\n")

    @staticmethod
    def usage(usage, put):
        if usage:
            put("X-Signalbox-Usage", ";".join(f"{k}={int(v)}" for k, v in usage.items()))

    def fail(self, e, request, dialect):
        if self.begun or request and request.left:  # a cut is all that can be said
            self.close_connection = True
            log("DEBUG", "stream cut", request=request and request.id, error=type(e).__name__)
            return
        if request and request.expired or isinstance(e, TimeoutError):
            e = Error(504, "timeout", "the request's deadline has passed")
        elif isinstance(e, (OSError, http.client.HTTPException)):
            e = Error(502, "upstream_unreachable", f"the upstream does not answer: {type(e).__name__}", "network")
        elif not isinstance(e, Error):
            log("ERROR", "handler failed", request=request and request.id, error=type(e).__name__, line=e.__traceback__.tb_lineno)
            e = Error(500, "adapter_error", "the adapter failed")
        body = json.dumps(e.body(dialect)).encode()
        self.send_response_only(e.status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(body)), ("X-Signalbox-Error-Class", e.error_class), ("Retry-After", e.retry_after)):
            if value is not None:
                self.send_header(name, str(value))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads, block_on_close, request_queue_size = True, False, 256
    routes, running, draining, gateway = {}, 0, False, os.getppid()

    def __init__(self, path):
        self.idle = threading.Condition()
        super().__init__(path, Handler)
        os.chmod(path, 0o600)

    def handle_error(self, request, client_address):
        pass  # a connection that broke

    def drain(self, seconds):
        self.draining = True
        self.shutdown()
        self.server_close()
        with self.idle:
            return self.idle.wait_for(lambda: self.running == 0, seconds)


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def pack(fields):
    """Encodes a protobuf message: {number: text, bytes, number, message, or a list of them}."""
    out = b""
    for number, values in fields.items():
        for v in values if isinstance(values, (list, tuple)) else [values]:
            if isinstance(v, (bool, int)):
                out += varint(number << 3) + varint(int(v)) if v else b""
                continue
            v = pack(v) if isinstance(v, dict) else v.encode() if isinstance(v, str) else v
            out += varint(number << 3 | 2) + varint(len(v)) + v if v or isinstance(values, list) else b""
    return out


def unpack(raw):
    """Decodes a message of the kinds that the contract uses: {number: [bytes or number, …]}."""
    out, at = {}, 0

    def read():
        nonlocal at
        n = shift = 0
        while True:
            b, at = raw[at], at + 1
            n, shift = n | (b & 127) << shift, shift + 7
            if b < 128:
                return n
    while at < len(raw):
        key = read()
        value = read()
        if key & 7 == 2:
            value, at = raw[at:at + value], at + value
        out.setdefault(key >> 3, []).append(value)
    return out


def model(m):
    return {1: m["name"], 2: list(m.get("operations", [])), 3: list(m.get("capabilities", [])), 4: m.get("context", 0), 5: m.get("max_output", 0)}


def lease(l):
    """A direct lease: {"operation", "dialect", "url", "headers": [(name, prefix, credential?)], "models", "errors": [(status, code, class)], …}."""
    return {1: l["operation"], 2: l["dialect"], 3: l["url"], 5: [{1: n, 2: p, 4: c} for n, p, c in l.get("headers", [])], 6: list(l.get("pass_headers", [])),
            7: [{1: k, 2: v} for k, v in l.get("models", {}).items()], 8: [{1: s, 2: c, 3: k} for s, c, k in l.get("errors", [])],
            9: l.get("stream_usage", False), 11: l.get("max_tokens_member", ""), 10: l.get("ttl_ms", 0), 12: l.get("stream_url", "")}


class Control:
    """The control plane."""

    def __init__(self, provider, data, path):
        self.provider, self.data, self.path, self.leases, self.changed = provider, data, path, None, threading.Condition()

    def describe(self, _, context):
        p = self.provider
        schema = json.dumps({"type": "object", "properties": p.properties, "additionalProperties": False})
        return pack({1: p.name, 2: p.version, 4: [{1: o, 2: d} for o, d in p.operations], 5: [model(m) for m in p.models], 6: schema, 8: list(p.hosts), 9: p.credential})

    def configure(self, raw, context):
        given = unpack(raw)
        try:
            config = json.loads(given.get(1, [b"{}"])[-1] or b"{}")
            if not isinstance(config, dict):
                raise ValueError("the config is not a JSON object")
            self.provider.check(config)
            routes, leases = self.provider.configure(config, [h.decode() for h in given.get(2, [])])
        except ValueError as e:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(e))
        with self.changed:
            self.data.routes = routes
            self.leases = pack({1: [lease(l) for l in leases] + [{1: o, 2: d, 4: self.path} for o, d in routes]})
            self.changed.notify_all()
        return b""

    def endpoints(self, _, context):
        sent = None
        while context.is_active():
            with self.changed:
                if self.leases is None or self.leases is sent:
                    self.changed.wait(30)  # and renew
                sent = self.leases
            if sent is not None:
                yield sent

    def health(self, _, context):
        try:
            self.provider.health()
        except Exception as e:
            context.abort(grpc.StatusCode.UNAVAILABLE, str(e))
        return b""

    def drain(self, raw, context):
        if not self.data.drain(unpack(raw).get(1, [0])[-1] / 1000 or None):
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"{self.data.running} requests still run")
        return b""


def log(level, msg, **attrs):
    """Writes a line for the gateway's log."""
    sys.stderr.write(json.dumps({"level": level, "msg": msg, **attrs}) + "\n")
    sys.stderr.flush()


def lifeline():
    """Ends the process with the gateway, which holds the other end of standard input."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def serve(provider):
    """Runs provider until the gateway ends it."""
    folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR")
    if os.environ.get("SIGNALBOX_PLUGIN") != "provider" or not folder:
        sys.exit(f"{provider.name} {provider.version} is a provider adapter of Signalbox. Name it in the configuration's providers; the gateway starts it.")
    threading.Thread(target=lifeline, daemon=True).start()
    data = Server(os.path.join(folder, "data"))
    threading.Thread(target=data.serve_forever, args=(0.05,), daemon=True).start()
    control = Control(provider, data, os.path.join(folder, "data"))
    handlers = {n.title(): grpc.unary_unary_rpc_method_handler(getattr(control, n)) for n in ("describe", "configure", "health", "drain")}
    handlers["Endpoints"] = grpc.unary_stream_rpc_method_handler(control.endpoints)
    server = grpc.server(ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("signalbox.provider.v1.Provider", handlers),))
    server.add_insecure_port(f"unix:{folder}/control")
    server.start()
    print(f"1|1|unix|{folder}/control|grpc", flush=True)
    server.wait_for_termination()
