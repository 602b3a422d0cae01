/** Who looks at a container's output as it comes: one who is too far behind is let go, as the container waits for nobody but its log. */
import type { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { encodeJson, encodePiece } from './protocol.ts';

/** Unread output of one who is attached. */
const unreadBytesMax = 1024 * 1024;

/** Those who are attached to one container. */
export class Viewers {
  readonly #sockets = new Set<Socket>();

  add(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  output(stream: 'stderr' | 'stdout', bytes: Buffer): void {
    if (this.#sockets.size === 0) return;
    const piece = encodePiece(stream, bytes);
    for (const socket of this.#sockets) {
      if (socket.writableLength <= unreadBytesMax) socket.write(piece);
      else {
        this.#sockets.delete(socket);
        const message = 'the output was not read in time';
        socket.end(encodeJson({ type: 'problem', message, reason: 'failed' }));
      }
    }
  }

  /** The container has ended. */
  end(exitCode: number): void {
    for (const socket of this.#sockets) socket.end(encodeJson({ type: 'exited', exitCode }));
    this.#sockets.clear();
  }
}

/** Those who wait for containers that do not run yet. */
export class AwaitingViewers {
  readonly #byId = new Map<string, Set<Socket>>();

  add(id: string, socket: Socket): void {
    const sockets = this.#byId.get(id) ?? new Set();
    this.#byId.set(id, sockets.add(socket));
    socket.once('close', () => {
      sockets.delete(socket);
      if (sockets.size === 0 && this.#byId.get(id) === sockets) this.#byId.delete(id);
    });
  }

  /** Those of one that is about to run, who wait no more. */
  take(id: string): readonly Socket[] {
    const sockets = [...(this.#byId.get(id) ?? [])];
    this.#byId.delete(id);
    return sockets;
  }
}
