import { NetworkPolicy, Sandbox, SecretRef } from "@mvm/sdk";
using sandbox = await Sandbox.create({
  image: "python",
  network: NetworkPolicy.denyByDefault().allowHttps("api.openai.com"),
  secrets: { OPENAI_API_KEY: SecretRef.from("openai-api-key") },
  ttlSeconds: 1800,
});
const result = await sandbox.commands.run(["node", "/work/tool.js"], { timeoutSeconds: 30 });
console.log(result.stdout);
