import { createSocket } from "node:dgram";

export interface NameServer {
  /** For `resolvers` of the operator's file. */
  readonly address: string;
  /** Names it was asked for, in lower case. */
  readonly asked: string[];
  close(): void;
}

/** A name server of the test: answers A queries by a function, everything else with no records. */
export async function nameServer(answer: (name: string) => readonly string[]): Promise<NameServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at]!; length > 0; length = query[at]!) {
      labels.push(query.toString("latin1", at + 1, at + 1 + length).toLowerCase());
      at += 1 + length;
    }
    const name = labels.join(".");
    asked.push(name);
    const isA = query.readUInt16BE(at + 1) === 1;
    const records = (isA ? answer(name) : []).map((address) =>
      Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]),
    );
    const head = Buffer.from([query[0]!, query[1]!, 0x81, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0]);
    socket.send(Buffer.concat([head, query.subarray(12, at + 5), ...records]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return { address: `127.0.0.1:${socket.address().port}`, asked, close: () => void socket.close() };
}
