import io

from mvm import Sandbox

sandbox = Sandbox.create("python", workload_id="steps")
try:
    sandbox.files.write("notes/täglich.txt", 'tab\t"quoted" \\ 🙂 \u007f\u0001 \u2028 e\u0301\r\n')
    sandbox.files.write("/tmp/run.sh", bytes([0x23, 0x21, 0, 255, 254]), mode=0o755)
    sandbox.files.write("/tmp/stream", io.StringIO("in pieces"))
    sandbox.files.write("empty", "")
    sandbox.commands.run("cat notes/*.txt | wc -c", timeout_seconds=2.5, check=True)
    sandbox.commands.run(["cat"], stdin="ünicode\n", user="root", max_output_bytes=1024)
    sandbox.commands.run(["pwd"], cwd="notes", env={"B": "2", "A": "1"}, user="user")
    sandbox.commands.start("sleep 60", cwd="/tmp", timeout_seconds=61, user="1000:1000")
    sandbox.commands.run(["id"], user="root", check=False)
    sandbox.files.write("/tmp/last", "written after the last command")
finally:
    sandbox.stop()
