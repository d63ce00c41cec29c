import { fromDocument } from "@mvm/protocol";
import { ndjson, type RawAnswer } from "../client/index.js";

/** The lines of an answer that is no stream of events; an error event in it is thrown. */
export async function* ndjsonLines<T>(answer: RawAnswer): AsyncGenerator<T, void, undefined> {
  try {
    for await (const line of ndjson(answer.chunks)) {
      const failure = line as { readonly event?: unknown; readonly error?: unknown };
      if (failure.event === "error") throw fromDocument({ error: failure.error });
      yield line as T;
    }
  } finally {
    answer.close();
  }
}
