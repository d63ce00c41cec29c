import type { SecretInfo } from "@mvm/protocol";
import { boundHost, secretName, secretSource } from "../../args/secret-name.js";
import { text } from "../../args/text.js";
import { command, list, option, word } from "../../command/define.js";
import { printable } from "../../render/escape.js";
import { defined } from "../../sandbox/options.js";
import { readSecretValue } from "../../secret/read-value.js";

export default command({
  summary: "Store a secret; its value comes from stdin or a hidden prompt",
  description: [
    "The value is encrypted and never shown again. It can be sent to the hosts given here only, and a sandbox sees a placeholder. " +
      "Storing a name once more replaces value, hosts and header.",
  ],
  positionals: [word("NAME", secretName, "Name of the secret")],
  options: {
    host: list(boundHost, "Host the value may be sent to; *.HOST is one label or more below it"),
    header: option(text("HEADER"), "The only header it may stand in", { defaultText: "any" }),
    from: option(secretSource, "Read the value from this variable or file of the host", { defaultText: "stdin" }),
  },
  examples: [
    ["secret put openai-api-key --host api.openai.com < key.txt", "Stores the content of key.txt for one host"],
    ["secret put openai-api-key --host api.openai.com --from env:OPENAI_API_KEY", "Takes it from a variable"],
  ],
  run: async ({ words: [name], options }, context) => {
    const value = await readSecretValue(options.from, context);
    const daemon = await context.daemon();
    const secret = await daemon.call<SecretInfo>({
      method: "PUT",
      path: `/secrets/${encodeURIComponent(name)}`,
      operation: "secrets.put",
      json: { value, hosts: options.host, ...defined({ header: options.header }) },
    });
    await context.out.result(secret, () =>
      printable(`${secret.name} stored for ${secret.hosts.join(", ") || "no host"}`),
    );
    if (secret.hosts.length === 0) await context.out.note("no sandbox can be given a secret that is bound to no host");
  },
});
