import { createHash } from "node:crypto";
import { InvalidArgumentError, limits, SandboxUnavailable } from "@mvm/protocol";
import type { Sandbox } from "./sandbox.js";
import { stableJson } from "../store/stable-json.js";

const keptMs = 24 * 3600 * 1000;
const keptKeys = 10_000;

interface Remembered {
  readonly bodySha256: string;
  readonly since: number;
  readonly sandbox: Promise<Sandbox>;
}

/** Remembers which sandbox an Idempotency-Key made, so that a repeated create finds it and makes no second one. */
export class IdempotencyKeys {
  private readonly byKey = new Map<string, Remembered>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** A sandbox that was found at start, with the key that had made it. */
  restore(sandbox: Sandbox): void {
    const { idempotency } = sandbox;
    if (idempotency === null) return;
    this.remember(idempotency.key, {
      bodySha256: idempotency.body_sha256,
      since: this.now(),
      sandbox: Promise.resolve(sandbox),
    });
  }

  /**
   * The sandbox of this key, or a new one. A create that failed is forgotten: the next one with its key tries again.
   * @throws {InvalidArgumentError} code IDEMPOTENCY_CONFLICT: the key was used with another body
   * @throws {SandboxUnavailable} the key's sandbox has ended
   */
  async use(
    key: string,
    body: unknown,
    create: (stamp: NonNullable<Sandbox["idempotency"]>) => Promise<Sandbox>,
  ): Promise<Sandbox> {
    checkKey(key);
    const bodySha256 = createHash("sha256").update(stableJson(body)).digest("hex");
    for (;;) {
      const known = this.find(key);
      if (known === undefined) break;
      if (known.bodySha256 !== bodySha256) {
        throw new InvalidArgumentError({
          code: "IDEMPOTENCY_CONFLICT",
          message: "Cannot use this Idempotency-Key: it came before with another request",
        });
      }
      // The first call's failure is its own: this caller is still there and tries itself.
      const sandbox = await known.sandbox.catch(() => undefined);
      if (sandbox !== undefined) return alive(sandbox);
      if (this.byKey.get(key) === known) this.byKey.delete(key);
    }
    const sandbox = create({ key, body_sha256: bodySha256 });
    const entry = { bodySha256, since: this.now(), sandbox };
    this.remember(key, entry);
    sandbox.catch(() => this.byKey.get(key) === entry && this.byKey.delete(key));
    return await sandbox;
  }

  private find(key: string): Remembered | undefined {
    const known = this.byKey.get(key);
    return known !== undefined && this.now() - known.since < keptMs ? known : undefined;
  }

  private remember(key: string, entry: Remembered): void {
    this.byKey.delete(key);
    this.byKey.set(key, entry);
    const oldest = this.byKey.keys().next().value;
    if (this.byKey.size > keptKeys && oldest !== undefined) this.byKey.delete(oldest);
  }
}

function alive(sandbox: Sandbox): Sandbox {
  if (sandbox.state !== "destroyed" && sandbox.destroying === null) return sandbox;
  throw new SandboxUnavailable({
    message: `Cannot return the sandbox of this Idempotency-Key: it has ended (${sandbox.reason ?? "destroyed"})`,
    hint: "Use a new key to create another one",
    state: sandbox.state,
    reason: sandbox.reason,
    sandboxId: sandbox.id,
  });
}

function checkKey(key: string): void {
  if (key.length > 0 && key.length <= limits.idempotencyKeyLength && /^[\x21-\x7e]+$/.test(key)) return;
  throw new InvalidArgumentError({
    message: `Cannot use this Idempotency-Key: it is not 1 to ${limits.idempotencyKeyLength} visible ASCII characters`,
  });
}
