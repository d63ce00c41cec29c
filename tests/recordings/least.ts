import { Sandbox } from "@mvm/sdk";

const sandbox = await Sandbox.create();
await sandbox.commands.run(["python3", "-c", "print(6*7)"]);
