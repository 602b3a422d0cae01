/**
 * Requests of one connection that came in a row. Node reads on while one is answered, and writes the answers in order whenever they are there; here each
 * has its turn once those before it are answered, so that a client finds what it wrote before, and a connection reads one body at a time. Invariant: of
 * those that wait there are no more than `waitingMax` and what came along with the last of them.
 * Upstream counterpart: the loop of Go `net/http` `server.go` `conn.serve`.
 */
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Then the connection is not read further. Clients of ours send none in a row. */
const waitingMax = 32;

interface Row {
  last: ServerResponse;
  waiting: number;
}

/** The turns of the requests of all connections of a server. */
export class Turns {
  readonly #rows = new WeakMap<Socket, Row>();

  /** Calls `answer`, at once or when the answers before `response` have left; never, where the connection ends before. */
  take(socket: Socket, response: ServerResponse, answer: () => void): void {
    const row = this.#rows.get(socket);
    if (row === undefined) {
      this.#rows.set(socket, { last: response, waiting: 0 });
      answer();
      return;
    }
    const before = row.last;
    row.last = response;
    if (before.writableEnded) answer();
    else wait(socket, row, { before, answer });
  }
}

function wait(
  socket: Socket,
  row: Row,
  { before, answer }: { readonly before: ServerResponse; readonly answer: () => void },
): void {
  row.waiting++;
  if (row.waiting > waitingMax) {
    socket.pause();
    takeAtPace(socket);
  }
  before.once('close', () => {
    row.waiting--;
    if (socket.destroyed) return;
    if (row.waiting === waitingMax) socket.resume();
    answer();
  });
}

/**
 * Node stops reading when a request comes before the answer to the last one has been taken. Where its parser has the TLS connection to itself
 * it is given what was decrypted all the same, and calls that a bad request; with another listener to the data it is given nothing until it goes on.
 * That takes the parser off the connection together with what would have it read again, so this does.
 */
export function takeAtPace(socket: Socket): void {
  if (!socket.isPaused() || socket.listeners('data').at(-1) === ignored) return;
  socket.on('data', ignored);
  socket.once('resume', () => socket._read(0));
}

function ignored(): void {}
