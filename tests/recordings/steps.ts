import { Readable } from "node:stream";
import { Sandbox } from "@mvm/sdk";

const sandbox = await Sandbox.create("python", { workloadId: "steps" });
try {
  await sandbox.files.write("notes/täglich.txt", 'tab\t"quoted" \\ 🙂 \u007f\u0001 \u2028 e\u0301\r\n');
  await sandbox.files.write("/tmp/run.sh", new Uint8Array([0x23, 0x21, 0, 255, 254]), { mode: 0o755 });
  await sandbox.files.write("/tmp/stream", Readable.from(["in ", "pieces"]));
  await sandbox.files.write("empty", "");
  await sandbox.commands.run("cat notes/*.txt | wc -c", { timeoutSeconds: 2.5, check: true });
  await sandbox.commands.run(["cat"], { stdin: "ünicode\n", user: "root", maxOutputBytes: 1024 });
  await sandbox.commands.run(["pwd"], { cwd: "notes", env: { B: "2", A: "1" }, user: "user" });
  await sandbox.commands.start("sleep 60", { cwd: "/tmp", timeoutSeconds: 61, user: "1000:1000" });
  await sandbox.commands.run(["id"], { user: "root", check: false });
  await sandbox.files.write("/tmp/last", "written after the last command");
} finally {
  await sandbox.stop();
}
