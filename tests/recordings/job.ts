import { Sandbox } from "@mvm/sdk";

await using sandbox = await Sandbox.create("python", { workloadId: "job", ttlSeconds: 600 });
await sandbox.files.write("/home/user/main.py", "print(6*7)\n");
await sandbox.commands.run(["python3", "main.py"], { timeoutSeconds: 30, check: true });
