/** What a TLS client says before anything is encrypted. */
export interface ClientHello {
  /** The server it wants, as it was written; undefined when it names none. */
  readonly serverName: string | undefined;
  /** It carries an encrypted hello, real or greased: its true server cannot be known. */
  readonly encrypted: boolean;
}

/** `needs`: how many bytes there have to be before it is worth to look again. */
export type HelloResult = ClientHello | { readonly needs: number } | "not_tls";

const handshakeRecord = 22;
const clientHello = 1;
const recordHeader = 5;
const messageHeader = 4;
const serverNameExtension = 0;
/** The final and the draft numbers of Encrypted Client Hello, and of its forerunner. */
const encryptedExtensions = new Set([0xfe0d, 0xfe0a, 0xfe09, 0xfe08, 0xffce]);
/** A hello with post-quantum keys is about 2 KB. */
const maxHelloBytes = 32 * 1024;
/** Clients that split their hello make two or three records of it. */
const maxRecords = 8;

/**
 * Reads the ClientHello at the start of a connection's bytes, which may be cut anywhere and spread over records. Whatever
 * is not exactly as the standard says is `not_tls`: the server might read it otherwise than this does.
 */
export function readClientHello(bytes: Uint8Array): HelloResult {
  const parts: Uint8Array[] = [];
  let held = 0;
  let at = 0;
  for (let record = 0; record < maxRecords; record++) {
    const header = bytes.subarray(at, at + recordHeader);
    if (header.length > 0 && header[0] !== handshakeRecord) return "not_tls";
    if (header.length > 1 && header[1] !== 3) return "not_tls";
    if (header.length < recordHeader) return { needs: at + recordHeader };
    const length = (header[3]! << 8) | header[4]!;
    if (length === 0 || length > 16_384 || held + length > maxHelloBytes) return "not_tls";
    const part = bytes.subarray(at + recordHeader, at + recordHeader + length);
    parts.push(part);
    held += part.length;
    at += recordHeader + length;
    if (part.length > 0 && parts[0]![0] !== clientHello) return "not_tls";
    if (part.length < length) return { needs: at };
    if (held < messageHeader) continue;
    const message = Buffer.concat(parts);
    const whole = messageHeader + message.readUIntBE(1, 3);
    // What follows a hello in its record would be a second message before the server spoke.
    if (whole > maxHelloBytes || held > whole) return "not_tls";
    if (held === whole) return parse(new Reader(message.subarray(messageHeader)));
  }
  return "not_tls";
}

class Malformed extends Error {}

/** Reads fields off the front of some bytes; throws `Malformed` for what is not there. */
class Reader {
  #at = 0;
  constructor(private readonly bytes: Buffer) {}

  get left(): number {
    return this.bytes.length - this.#at;
  }

  take(count: number): Buffer {
    if (count > this.left) throw new Malformed();
    return this.bytes.subarray(this.#at, (this.#at += count));
  }

  number(size: 1 | 2): number {
    return this.take(size).readUIntBE(0, size);
  }

  /** A field with its length in front. */
  vector(size: 1 | 2): Reader {
    return new Reader(this.take(this.number(size)));
  }

  end(): void {
    if (this.left !== 0) throw new Malformed();
  }
}

function parse(hello: Reader): ClientHello | "not_tls" {
  try {
    hello.take(2 + 32); // version and random
    hello.vector(1); // session id
    hello.vector(2); // cipher suites
    hello.vector(1); // compression methods
    if (hello.left === 0) return { serverName: undefined, encrypted: false };
    const extensions = hello.vector(2);
    hello.end();
    const seen = new Set<number>();
    let serverName: string | undefined;
    while (extensions.left > 0) {
      const type = extensions.number(2);
      const body = extensions.vector(2);
      if (seen.has(type)) throw new Malformed();
      seen.add(type);
      if (type === serverNameExtension) serverName = readServerName(body);
    }
    return { serverName, encrypted: [...seen].some((type) => encryptedExtensions.has(type)) };
  } catch (error) {
    if (error instanceof Malformed) return "not_tls";
    throw error;
  }
}

/** Exactly one name, of the only type there is. */
function readServerName(body: Reader): string {
  const list = body.vector(2);
  body.end();
  if (list.number(1) !== 0) throw new Malformed();
  const name = list.vector(2);
  list.end();
  return name.take(name.left).toString("latin1");
}
