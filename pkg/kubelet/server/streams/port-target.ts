/** Connections to ports of a pod, and how their bytes are carried, whatever protocol the client speaks. */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { BytePipe } from '#pkg/base/byte-pipe.ts';

/** The ports of one pod. */
export interface Target {
  /** What was tried, for errors. */
  describe(port: number): string;
  connect(port: number, signal: AbortSignal): Promise<UpgradedConnection>;
}

/** The client's end of one connection. */
export interface ClientEnd {
  readonly input: BytePipe;
  /** Undefined when there is room for more, else resolves once there is. */
  write(bytes: Uint8Array): Promise<unknown> | undefined;
  /** Whether nothing is held of what was written, after `write` said that there is room. Absent where that is not known. */
  hasTaken?(): boolean;
  /** No more is sent. */
  end(): void;
}

/** Carries bytes in both directions until the pod's end has no more, each at the pace of who takes them. Rejects when its connection fails. */
export async function carryBoth(socket: UpgradedConnection, client: ClientEnd): Promise<void> {
  const over = Promise.withResolvers<void>();
  socket.on('data', (bytes) => {
    if (client.hasTaken?.() === true) socket.reuse?.();
    const room = client.write(bytes);
    if (room === undefined) return;
    socket.pause();
    void room.then(() => socket.resume());
  });
  socket.on('end', () => {
    client.end();
    over.resolve();
  });
  socket.on('error', (error) => over.reject(error));
  socket.on('close', () => over.resolve());
  // One that whoever opened it has stopped does not begin by itself to give what has come.
  socket.resume();
  void feed(socket, client.input).catch(() => socket.destroy());
  try {
    await over.promise;
  } finally {
    client.input.cancel();
    socket.destroy();
  }
}

async function feed(socket: UpgradedConnection, input: BytePipe): Promise<void> {
  let drained: (() => void) | undefined;
  const wake = (): void => {
    drained?.();
    drained = undefined;
  };
  socket.on('drain', wake);
  socket.on('close', wake);
  for (let bytes = await input.read(); bytes !== undefined; bytes = await input.read()) {
    if (socket.destroyed) return;
    if (socket.write(bytes)) continue;
    await new Promise<void>((resolve) => {
      drained = resolve;
      if (socket.destroyed) resolve();
    });
  }
  socket.end();
}
