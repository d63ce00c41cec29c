import { runChild } from "./child.js";

/** Download settings of the host that a bootstrap needs too: proxies, certificate and date checks, retries. */
const inherited = /^Acquire::(?:https?::.*|ftp::Proxy|Retries|Check-Valid-Until|Check-Date|ForceIPv[46])$/i;

/** `Key "value";` lines of `apt-config dump` that matter to a download, in the form `--aptopt` takes. */
export function downloadOptions(dump: string): string[] {
  return dump.split("\n").flatMap((line) => {
    const match = /^([A-Za-z0-9:.\-_/]+) "(.*)";$/.exec(line);
    return match !== null && inherited.test(match[1] ?? "") && match[2] !== "" ? [`${match[1]} "${match[2]}"`] : [];
  });
}

export async function hostAptOptions(log: string): Promise<string[]> {
  return downloadOptions(await runChild("apt-config", ["dump"], { log, timeoutMs: 30_000 }));
}
