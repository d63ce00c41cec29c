"""A context of the Python runner: what its process does between two cells, and in them. docs/run-code.md."""

import ast, base64, builtins, json, linecache, os, random, socket, struct, sys, traceback, types  # noqa: E401

MESSAGE_MAX = 8 << 20


class Interpreter:
    """Runs one cell after the other in a `__main__` of the user's own."""

    def __init__(self):
        self.pid, self.cells, self.outputs, self.error = os.getpid(), 0, [], None
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            mode = "r" if number == 0 else "w"
            stream = open(number, mode, encoding="utf-8", errors="surrogateescape", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, display=self.display)
        sys.modules["__main__"] = self.module
        self.control = socket.socket(fileno=3)
        os.register_at_fork(after_in_child=self.control.close)

    def serve(self):
        while True:
            message = self.receive()
            if "start" in message:
                self.start(**message["start"])
            if "seed" in message:
                self.reseed(message["seed"])
            if "code" not in message:
                continue
            self.outputs = []
            result = self.run(message["code"])
            if os.getpid() != self.pid:
                os._exit(0)  # A child that fell out of the cell.
            for stream in {id(one): one for one in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)}.values():
                try:
                    stream.flush()
                except BaseException:
                    pass
            self.answer(message["call"], result)

    def start(self, env, cwd):
        """The first call has come: what a command of the user would find is found here."""
        os.environ.clear()
        os.environ.update(env)
        os.environ.setdefault("MPLBACKEND", "Agg")
        sys.path[:0] = ["", *[part for part in env.get("PYTHONPATH", "").split(":") if part]]
        try:
            os.chdir(cwd)
        except OSError as problem:
            self.error = problem

    def receive(self):
        size = struct.unpack(">I", self.exactly(4))[0]
        return json.loads(self.exactly(size))

    def exactly(self, size):
        data = bytearray()
        while len(data) < size:
            part = self.control.recv(size - len(data))
            if not part:
                os._exit(0)
            data += part
        return bytes(data)

    def answer(self, call, result):
        budget = MESSAGE_MAX // 4
        kept = []
        for output in self.outputs:
            budget -= sum(len(text) for text in output.values())
            if budget > 0:
                kept.append(output)
        result["outputs_dropped"] = len(self.outputs) - len(kept)
        data = json.dumps({"call": call, "outputs": kept, **result}).encode()
        self.control.sendall(struct.pack(">I", len(data)) + data)

    @staticmethod
    def reseed(seed):
        """The machine is a copy of another one: what both drew their randomness from must differ."""
        fresh = base64.b64decode(seed) + os.urandom(32)
        random.seed(fresh)
        if (numpy := sys.modules.get("numpy")) is not None:
            numpy.random.seed(list(fresh[:64]))

    def run(self, code):
        self.cells += 1
        name = f"<cell {self.cells}>"
        try:
            if self.error is not None:
                problem, self.error = self.error, None
                raise problem
            linecache.cache[name] = (len(code), None, code.splitlines(True), name)
            tree = ast.parse(code, name)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            if tree.body:
                self.execute(compile(tree, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True))
            value = None
            if last is not None:
                expression = ast.Expression(last.value)
                value = self.execute(compile(expression, name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, True))
            self.figures()
            if value is None:
                return {"value": None, "error": None}
            builtins._ = value
            bundle = rich(value)
            if bundle:
                self.outputs.append(bundle)
            return {"value": cut(repr(value), 1 << 20), "error": None}
        except BaseException as problem:
            return {"value": None, "error": described(problem)}

    def execute(self, code):
        scope = self.module.__dict__
        if not code.co_flags & 0x80:
            return eval(code, scope)
        import asyncio

        return asyncio.run(eval(code, scope))

    def display(self, *values):
        """Shows values as rich outputs of the call."""
        for value in values:
            self.outputs.append({**rich(value), "text/plain": cut(repr(value), 1 << 20)})

    def figures(self):
        plots = sys.modules.get("matplotlib.pyplot")
        if plots is None:
            return
        import io

        for number in plots.get_fignums():
            file = io.BytesIO()
            plots.figure(number).savefig(file, format="png", bbox_inches="tight")
            self.outputs.append({"image/png": base64.b64encode(file.getvalue()).decode()})
        plots.close("all")


REPRS = {"_repr_html_": "text/html", "_repr_png_": "image/png", "_repr_svg_": "image/svg+xml", "_repr_json_": "application/json"}


def rich(value):
    """The value in the formats it offers, as Jupyter asks for them."""
    bundle = {}
    if isinstance(value, type):
        return bundle
    whole = getattr(value, "_repr_mimebundle_", None)
    if callable(whole):
        made = whole(include=None, exclude=None)
        bundle.update(made[0] if isinstance(made, tuple) else made)
    for method, kind in REPRS.items():
        if kind not in bundle and callable(found := getattr(value, method, None)):
            made = found()
            if made is not None:
                bundle[kind] = made[0] if isinstance(made, tuple) else made
    bundle.pop("text/plain", None)
    return {str(kind): as_text(data) for kind, data in bundle.items() if data is not None}


def as_text(data):
    if isinstance(data, (bytes, bytearray)):
        return base64.b64encode(data).decode()
    return data if isinstance(data, str) else json.dumps(data)


def cut(text, most):
    return text if len(text) <= most else f"{text[:most]}… {len(text) - most} characters omitted"


def described(problem):
    name, value, lines = type(problem).__name__, "", ""
    try:
        value = str(problem)
    except BaseException:
        value = "its text cannot be made"
    try:
        place = problem.__traceback__
        while place is not None and not place.tb_frame.f_code.co_filename.startswith("<cell "):
            place = place.tb_next
        lines = "".join(traceback.format_exception(type(problem), problem, place))
    except BaseException:
        lines = f"{name}: {value}"
    return {"name": cut(str(name), 256), "value": cut(value, 1 << 16), "traceback": cut(lines, 1 << 18)}


def warm():
    """Touches what contexts use at once: the forks share its pages, and clones of the machine those of its template."""
    blank = types.SimpleNamespace(cells=0, error=None, execute=lambda _: None, figures=lambda: None, outputs=[])
    for cell in ("1 +", "x = 1\nx"):
        Interpreter.run(blank, cell)
    linecache.clearcache()
