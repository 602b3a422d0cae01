/**
 * A connection of bytes inside of a WebSocket, each write a binary message: what carries SPDY to clients that can only have a WebSocket. Invariants:
 * the client waits while nobody reads; the WebSocket is closed in its own words when the connection inside of it ends.
 * Source: client-go `tools/portforward/tunneling_connection.go`.
 */
import { EventEmitter } from 'node:events';
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { WebSocket } from './websocket.ts';

/** The connection inside; it ends with the WebSocket. */
export class TunnelConnection extends EventEmitter implements UpgradedConnection {
  destroyed = false;
  readonly #socket: WebSocket;
  readonly #outer: UpgradedConnection;
  #resumed: (() => void) | undefined;
  #isPaused = false;

  /** `data` is told of what comes from now on. */
  constructor(outer: UpgradedConnection, { clock }: { readonly clock: Clock }) {
    super();
    this.#outer = outer;
    this.#socket = new WebSocket(outer, { clock });
    outer.on('drain', () => this.emit('drain'));
    void this.#listen();
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.send(bytes, 'binary');
  }

  end(): void {
    void this.#socket.close().then(() => this.#closed());
  }

  destroy(): void {
    this.#outer.destroy();
    this.#closed();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resumed?.();
    this.#resumed = undefined;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const { bytes } of this.#socket.messages()) yield bytes;
  }

  async #listen(): Promise<void> {
    for await (const bytes of this) {
      this.emit('data', bytes);
      if (!this.#isPaused) continue;
      await new Promise<void>((resolve) => {
        this.#resumed = resolve;
      });
    }
    this.emit('end');
    await this.#socket.close();
    this.#closed();
  }

  #closed(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.resume();
    this.emit('close');
  }
}
