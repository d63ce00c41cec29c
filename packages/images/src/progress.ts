/** One step of a build. `done` and `total` are bytes or items where the phase can count, else absent. */
export interface ProgressEvent {
  phase: string;
  detail?: string;
  done?: number;
  total?: number;
}

export type OnProgress = (event: ProgressEvent) => void;

/** What every long operation of this package takes. An aborted signal ends the child tree and rejects. */
export interface BuildControl {
  onProgress?: OnProgress | undefined;
  signal?: AbortSignal | undefined;
}
