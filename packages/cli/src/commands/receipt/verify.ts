import { findEntry, maxReceiptBytes, receiptMatchesEntry, verifyReceipt, type ReceiptStatement } from "@mvm/evidence";
import { hostFile } from "../../args/host-path.js";
import { command, option, word } from "../../command/define.js";
import { chainPlace, trustedKeys } from "../../evidence/places.js";
import { verificationFailed } from "../../evidence/verification.js";
import { sha256OfFile } from "../../host-file/digest.js";
import { readBounded } from "../../host-file/read.js";
import { facts } from "../../render/facts.js";

export default command({
  summary: "Verify a run's receipt",
  description: [
    "Needs the receipt and a public key: no daemon, no network. Any other tool for DSSE envelopes can do the same. With " +
      "the state root's own key it also says whether the audit log has the entry that the receipt names.",
  ],
  positionals: [word("PATH", hostFile, "The receipt")],
  options: {
    key: option({ ...hostFile, label: "PUB" }, "Public key to trust, in PEM, instead of the state root's own"),
    stdout: option({ ...hostFile, label: "FILE" }, "Output that must be the one the receipt names"),
    stderr: option({ ...hostFile, label: "FILE" }, "Error output that must be the one the receipt names"),
  },
  examples: [
    ["receipt verify run.json", "Verifies with the keys of this state root"],
    [
      "receipt verify run.json --key receipt.pub --stdout out.txt",
      "Verifies elsewhere, and that out.txt is its output",
    ],
  ],
  exits: { 65: "The receipt does not verify; the reason is named" },
  run: async ({ words: [path], options }, context) => {
    const { current, old } = trustedKeys("receipt", options.key);
    const bytes = readBounded(path, maxReceiptBytes);
    const what = `the receipt ${JSON.stringify(path)}`;
    const fail = (reason: string, detail: string): Promise<number> =>
      verificationFailed(context, what, { path, reason, detail });
    if (bytes === "too_large") return fail("too_large", `it has more than ${maxReceiptBytes} bytes`);
    const verdict = verifyReceipt(bytes, [...(current === null ? [] : [current]), ...old]);
    if (!verdict.ok) return fail(verdict.reason, verdict.detail);
    const { statement, key_id } = verdict;
    for (const name of ["stdout", "stderr"] as const) {
      const file = options[name];
      if (file === undefined || (await sha256OfFile(file)) === subjectOf(statement, name)) continue;
      return fail("output_mismatch", `${JSON.stringify(file)} is not its ${name}`);
    }
    const audit = options.key === undefined ? await entryOf(statement) : "unchecked";
    if (audit === "differs") return fail("audit_mismatch", "the entry it names in the audit log is another run's");
    const { predicate, subject } = statement;
    return context.out.result({ ok: true, key_id, audit, subject, ...predicate, schema_version: 1 }, () =>
      facts({ receipt: "verified", key_id, audit, ...predicate }),
    );
  },
});

function subjectOf({ subject }: ReceiptStatement, name: string): string | undefined {
  return subject.find((each) => each.name === name)?.digest.sha256;
}

/** Whether this state root's log has the entry, at the place the receipt says. */
async function entryOf(statement: ReceiptStatement): Promise<"matches" | "absent" | "differs" | "unchecked"> {
  const { tenant, audit_id: id } = statement.predicate;
  try {
    const found = await findEntry(chainPlace(tenant).directory, id);
    if (found === undefined) return "absent";
    return receiptMatchesEntry(statement, found.entry) ? "matches" : "differs";
  } catch {
    return "unchecked";
  }
}
