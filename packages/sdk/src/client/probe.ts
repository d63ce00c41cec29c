import { connect } from "node:net";
import { deadline } from "@mvm/protocol";

/** Whether something accepts connections on the socket. */
export function probe(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const finish = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(deadline("daemonConnect"), () => finish(false));
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}
