"""Runs Python code in contexts that keep their state. docs/run-code.md describes the protocol and what it promises.

This process runs as root, reads requests of the host from stdin, answers on stdout, and never runs code of a user: every
context is a fork of it that has become `user`, in a cgroup of its own. What a context writes is passed on unread.
`interpreter.py` and `process.py` stand before this file in the program.
"""

import base64, gc, json, os, pwd, selectors, socket, struct, sys, time  # noqa: E401

WINDOW = 256 << 10
CHUNK = 64 << 10
GRACE = 0.3
REFILL = 0.02


class Supervisor:
    def __init__(self):
        self.contexts, self.dying, self.selector = {}, [], selectors.DefaultSelector()
        self.requests, self.answers, self.env, self.made = bytearray(), bytearray(), {}, 0
        self.leftover, self.base, self.spare = [], own_cgroup(), None
        os.set_blocking(0, False)
        os.set_blocking(1, False)
        self.selector.register(0, selectors.EVENT_READ, self.read_requests)

    def serve(self):
        self.spare = self.fork()
        self.send(event="ready")
        while True:
            self.flush()
            found = self.selector.select(self.patience())
            for key, events in found:
                # An earlier event of this round may have closed it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data(events)
            if not found and self.spare is None:
                self.refill()
            now = time.monotonic()
            for context in [c for c in self.all() if c.deadline is not None and c.deadline <= now]:
                self.kill(context, context.why or "timed_out")
            self.leftover = [path for path in self.leftover if not removed(path)]

    def all(self):
        return [*self.contexts.values(), *self.dying]

    def patience(self):
        waits = [c.deadline - time.monotonic() for c in self.all() if c.deadline is not None]
        if self.spare is None:
            waits.append(REFILL)
        if self.leftover:
            waits.append(1)
        return max(0, min(waits)) if waits else None

    def refill(self):
        """Makes the process the next fresh context will be, while nobody waits."""
        try:
            self.spare = self.fork()
        except OSError:
            time.sleep(REFILL)

    # The host's side.

    def send(self, **fields):
        self.answers += json.dumps(fields).encode() + b"\n"

    def flush(self, _events=0):
        try:
            while self.answers:
                del self.answers[: os.write(1, self.answers[: 1 << 20])]
        except BlockingIOError:
            pass
        self.watch(1, selectors.EVENT_WRITE, self.flush, bool(self.answers))

    def watch(self, fd, events, handler, wanted=True):
        known = fd in self.selector.get_map()
        if wanted and not known:
            self.selector.register(fd, events, handler)
        elif known and not wanted:
            self.selector.unregister(fd)

    def read_requests(self, _events):
        data = os.read(0, 1 << 20)
        if not data:
            sys.exit(0)
        self.requests += data
        while (end := self.requests.find(b"\n")) >= 0:
            line = bytes(self.requests[:end])
            del self.requests[: end + 1]
            try:
                request = json.loads(line)
                handler = {"hello": self.hello, "run": self.run, "ack": self.ack, "kill": self.end}[request["op"]]
            except (ValueError, KeyError, TypeError):
                continue  # The end of what a former host did not finish.
            handler(request)

    def hello(self, request):
        """A host is there: what a former one left unfinished ends, what is idle stays and gets randomness of its own."""
        self.answers[:] = b"\n"
        self.env = request["env"]
        for context in list(self.contexts.values()):
            if context.call is not None:
                self.kill(context, "unknown")
            else:
                self.tell(context, {"seed": request["entropy"]})
        self.send(event="hello", nonce=request["nonce"], contexts=list(self.contexts))

    def run(self, request):
        call, name = request["call"], request["context"]
        context = self.contexts.get(name)
        fresh = context is None
        message = {}
        if fresh:
            try:
                context, self.spare = self.spare or self.fork(), None
            except OSError as error:
                ended = dict(ended="not_started", status=None, signal=None, oom=False, detail=str(error))
                return self.send(event="end", call=call, **ended)
            context.name, self.contexts[name] = name, context
            message = {"start": {"env": self.env, "cwd": request["cwd"]}, "seed": request["entropy"]}
        context.call, context.unread = call, 0
        if request["timeout_ms"] is not None:
            context.deadline = time.monotonic() + request["timeout_ms"] / 1000
        self.send(event="begin", call=call, fresh=fresh, pid=context.pid)
        if request["code"] is not None:
            message |= {"call": call, "code": request["code"]}
        if message:
            self.tell(context, message)
        (self.finish if request["code"] is None else self.listen)(context)

    def ack(self, request):
        context = next((c for c in self.all() if c.call == request["call"]), None)
        if context is not None:
            context.unread -= request["bytes"]
            self.listen(context)

    def end(self, request):
        context = self.contexts.get(request["context"])
        if context is not None and request.get("call") in (None, context.call):
            self.kill(context, request["why"])

    # The contexts' side.

    def fork(self):
        mine, theirs = socket.socketpair()
        (out, out_w), (err, err_w) = os.pipe(), os.pipe()
        self.made += 1
        cgroup = make_cgroup(self.base, self.made)
        try:
            user = pwd.getpwnam("user")
            groups = os.getgrouplist("user", user.pw_gid)
            pid = os.fork()
        except (OSError, KeyError) as error:
            list(map(os.close, (mine.detach(), theirs.detach(), out, out_w, err, err_w)))
            removed(cgroup)
            raise OSError(str(error)) from error
        if pid == 0:
            try:
                become_user(theirs.detach(), out_w, err_w, cgroup, user, groups)
                Interpreter().serve()
            finally:
                os._exit(70)
        list(map(os.close, (theirs.detach(), out_w, err_w)))
        for fd in (mine.fileno(), out, err):
            os.set_blocking(fd, False)
        context = Context(None, pid, mine, out, err, cgroup)
        self.watch(context.pidfd, selectors.EVENT_READ, lambda _: self.gone(context))
        self.watch(mine.fileno(), selectors.EVENT_READ, lambda events: self.exchange(context, events))
        return context

    def tell(self, context, message):
        data = json.dumps(message).encode()
        context.outbox += struct.pack(">I", len(data)) + data
        self.write_control(context)

    def write_control(self, context):
        try:
            while context.outbox:
                del context.outbox[: context.control.send(context.outbox[: 1 << 20])]
        except BlockingIOError:
            pass
        except OSError:
            context.outbox.clear()
        key = self.selector.get_map().get(context.control.fileno())
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if context.outbox else 0)
        if key is not None and key.events != events:
            self.selector.modify(key.fd, events, key.data)

    def exchange(self, context, events):
        if events & selectors.EVENT_WRITE:
            self.write_control(context)
        if events & selectors.EVENT_READ:
            self.read_control(context)

    def read_control(self, context):
        try:
            data = context.control.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # It has ended, or has closed the descriptor; a moment tells which.
            self.watch(context.control.fileno(), 0, None, False)
            if context.why is None:
                context.why, context.deadline = "closed", time.monotonic() + GRACE
            return
        context.inbox += data
        if len(context.inbox) < 4:
            return
        size = struct.unpack(">I", context.inbox[:4])[0]
        if size > MESSAGE_MAX or context.call is None or len(context.inbox) > 4 + size:
            return self.kill(context, "violation")
        if len(context.inbox) == 4 + size:
            # What was written before the result is in the pipes already.
            self.drain(context)
            self.send(event="result", call=context.call, data=base64.b64encode(context.inbox[4:]).decode())
            context.inbox.clear()
            self.finish(context)

    def finish(self, context):
        self.send(event="end", call=context.call, ended=None, status=None, signal=None, oom=False)
        context.call, context.deadline = None, None

    def listen(self, context):
        for fd in context.outputs:
            self.watch(fd, selectors.EVENT_READ, lambda _, fd=fd: self.output(context, fd))

    def output(self, context, fd):
        """Output is read while a call waits for it and the host keeps up; `listen` goes on with it."""
        if context.call is None or context.unread >= WINDOW:
            return self.watch(fd, 0, None, False)
        self.read_output(context, fd)

    def read_output(self, context, fd):
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self.watch(fd, 0, None, False)
            context.ready.unregister(fd)
            del context.outputs[fd]
            os.close(fd)
            return
        context.unread += len(data)
        self.send(event=context.outputs[fd], call=context.call, data=base64.b64encode(data).decode())

    def drain(self, context):
        """What the pipes hold. Their size is the user's to change, up to a megabyte each, so there is an end to it."""
        for _ in range(2 * (1 << 20) // CHUNK):
            found = context.ready.poll(0)
            for fd, _ in found:
                self.read_output(context, fd)
            if not found:
                return

    def kill(self, context, why):
        """From now on its name is free; its call ends when the kernel says that it is gone."""
        context.why, context.deadline, context.killed = why, time.monotonic() + 60, True
        if self.contexts.get(context.name) is context:
            del self.contexts[context.name]
            self.dying.append(context)
        kill_group(context.cgroup, context.pid)

    def gone(self, context):
        self.watch(context.pidfd, 0, None, False)
        code = os.waitstatus_to_exitcode(os.waitpid(context.pid, 0)[1])
        oom = oom_killed(context.cgroup)
        kill_group(context.cgroup, None)
        self.watch(context.control.fileno(), 0, None, False)
        if context.call is not None:
            self.drain(context)
        for fd in context.outputs:
            self.watch(fd, 0, None, False)
            os.close(fd)
        context.control.close()
        os.close(context.pidfd)
        self.leftover.append(context.cgroup)
        if context is self.spare:
            self.spare = None
            return
        if self.contexts.get(context.name) is context:
            del self.contexts[context.name]
        self.dying = [other for other in self.dying if other is not context]
        why = context.why if context.killed else "exited"
        status, number = (code, None) if code >= 0 else (None, -code)
        if context.call is not None:
            self.send(event="end", call=context.call, ended=why, status=status, signal=number, oom=oom)
        else:
            self.send(event="gone", context=context.name, ended=why)


def main():
    protect_self()
    warm()
    gc.collect()
    gc.freeze()
    Supervisor().serve()


main()
