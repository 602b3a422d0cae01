/**
 * Requests that want to go on with another protocol: the handler takes the connection over (`UpgradeBody`), or its answer is a plain one and the
 * connection ends with it, as HTTP has let go of it by then. Invariant: an upgrade that nobody takes holds no socket.
 * Upstream counterpart: apimachinery `util/httpstream`, `util/proxy/upgradeaware.go`.
 */
import type { ServerResponse as AnyResponse, IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { ApiResponse, UpgradeBody } from '#pkg/apimachinery/http.ts';
import { ask, failed, type Serving, sendPlain } from './answer-exchange.ts';
import type { Connection } from './connections.ts';
import { Exchange } from './exchange.ts';
import { ServerResponse, STATUS_CODES } from './node-http.ts';

/** Protocols that handlers may go on with; whoever asks for another one is answered as if it had not. */
const protocols: ReadonlySet<string> = new Set(['spdy/3.1', 'websocket']);

/** The protocol that a request wants, in lower case. Node asks only where `Connection: Upgrade` is there, too. */
export function upgradeOf({ headers }: IncomingMessage): string | undefined {
  const asked = headers.upgrade?.trim().toLowerCase();
  return asked !== undefined && protocols.has(asked) ? asked : undefined;
}

/** A request with what came of its connection after the head. */
export interface AskedUpgrade {
  readonly request: IncomingMessage;
  readonly socket: Socket;
  readonly connection: Connection;
  readonly head: Buffer;
}

/** Answers a request that asks for an upgrade. Never throws. */
export function answerUpgrade(asked: AskedUpgrade, serving: Serving): void {
  const { request, socket, connection } = asked;
  // Sent behind a request that is not answered yet, whose answer has the socket. No client does so.
  if (connection.isBusy) {
    socket.destroy();
    return;
  }
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.on('finish', () => socket.destroySoon());
  // HTTP's own listeners went with its parser.
  socket.on('drain', () => response.emit('drain'));
  connection.response = response;
  const upgrade = upgradeOf(request) ?? '';
  const exchange = new Exchange(request, response, serving.room, { connection, waitsForContinue: false, upgrade });
  ask(exchange, serving).then(
    (answer) => {
      if (answer.body.kind === 'upgrade') void takeOver(asked, { answer, body: answer.body, response }, serving);
      else sendPlain(exchange, answer, serving);
    },
    (error: unknown) => sendPlain(exchange, failed(exchange, error, serving), serving),
  );
}

interface Accepted {
  readonly answer: ApiResponse;
  readonly body: UpgradeBody;
  readonly response: AnyResponse;
}

/** Hands the connection to the handler until its protocol is over. */
async function takeOver(
  { socket, connection, head }: AskedUpgrade,
  { answer, body, response }: Accepted,
  { log }: Serving,
): Promise<void> {
  try {
    response.detachSocket(socket);
    // The request's signal hangs on the response.
    if (socket.destroyed) response.emit('close');
    else socket.once('close', () => response.emit('close'));
    connection.isUpgraded = true;
    if (head.length > 0) socket.unshift(head);
    socket.write(headText(answer));
    await body.accept(socket);
    socket.destroySoon();
  } catch (error) {
    log.debug('An upgraded connection failed', { error });
    socket.destroy();
  }
}

function headText({ status, headers }: ApiResponse): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, 'Connection: Upgrade'];
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && name !== 'connection') lines.push(`${name}: ${value.replaceAll(/[\r\n]/g, ' ')}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
