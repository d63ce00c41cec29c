import type { Answer, Api, Loose } from "./api.js";

/** Saves a snapshot. Throws the error document as text. */
export async function save(api: Api, ref: string, name?: string): Promise<Loose> {
  const last = (await api.lines("POST", `/v1/sandboxes/${ref}/snapshots`, name === undefined ? {} : { name })).at(-1);
  if (last?.event !== "saved") throw new Error(JSON.stringify(last));
  return last["snapshot"];
}

/** Restores a snapshot. An attached sandbox lives until `abort` of the lease. */
export async function restore(api: Api, ref: string, body: object = {}): Promise<{ info: Loose; lease: Answer }> {
  const lease = await api.open("POST", `/v1/snapshots/${ref}/restore`, body);
  return { info: (await lease.until("created"))["sandbox"], lease };
}

/** Forks a sandbox. Attached forks live until `abort` of the lease they share. */
export async function fork(api: Api, ref: string, body: object = {}): Promise<{ infos: Loose[]; lease: Answer }> {
  const { count = 1 } = body as { count?: number };
  const lease = await api.open("POST", `/v1/sandboxes/${ref}/fork`, body);
  const infos: Loose[] = [];
  while (infos.length < count) infos.push((await lease.until("created"))["sandbox"]);
  return { infos, lease };
}

/** The error document a call ends with; fails when it succeeds. */
export async function refusal(api: Api, method: string, path: string, body: object = {}): Promise<Loose> {
  const answer = await api.open(method, path, body);
  for (let line = await answer.next(); line !== undefined; line = await answer.next()) {
    if (line["error"] !== undefined) return line["error"];
    if (line.event === "created") {
      answer.abort();
      break;
    }
  }
  throw new Error(`${method} ${path} was not refused`);
}

/** What a shell script prints in a sandbox; throws unless it exits with 0. */
export async function shell(api: Api, ref: string, script: string): Promise<string> {
  const { stdout, stderr, exit_code: code } = await api.exec(ref, ["sh", "-c", script]);
  if (code !== 0) throw new Error(`"${script}" exited with ${code}: ${stderr}`);
  return (stdout as string).trimEnd();
}
