/**
 * The page's end of its WebSocket: views that are open, by number. A connection that is lost is made again, and every view is opened anew with what it shows now: the server
 * then says how that is. What is typed into a terminal meanwhile is lost, as the terminal is.
 */
import { signal } from '@preact/signals';
import type { PageMessage, ServerMessage, ViewQuery } from '../model/protocol.ts';

/** A view that is open. */
export interface LiveView {
  move(from: number, count: number): void;
  input(text: string): void;
  resize(width: number, height: number): void;
  close(): void;
}

type Hear = (message: ServerMessage) => void;

interface Kept {
  query: ViewQuery;
  readonly hear: Hear;
}

/** Whether there is a connection. */
export const isConnected = signal(false);

const views = new Map<number, Kept>();
const retryMs = 1_000;
const sessionEndedCode = 4401;
let socket: WebSocket | undefined;
let lastId = 0;
let onSessionEnd = (_reason: string): void => {};

/** Connects, and goes on connecting until `disconnect`. */
export function connect(whenSessionEnds: (reason: string) => void): void {
  onSessionEnd = whenSessionEnds;
  const opened = new WebSocket(`ws://${location.host}/socket`);
  socket = opened;
  opened.addEventListener('open', () => {
    isConnected.value = true;
    for (const [id, { query }] of views) send({ type: 'open', id, query });
  });
  opened.addEventListener('message', (event) => {
    const message = JSON.parse(String(event.data)) as ServerMessage;
    views.get(message.id)?.hear(message);
  });
  opened.addEventListener('close', ({ code, reason }) => {
    if (socket !== opened) return;
    isConnected.value = false;
    socket = undefined;
    if (code === sessionEndedCode) onSessionEnd(reason);
    else setTimeout(() => void reconnect(), retryMs);
  });
}

/** A server that does not know the session any more refuses the WebSocket without a word: a request tells. */
async function reconnect(): Promise<void> {
  const response = await fetch('/api/session').catch(() => undefined);
  const info: unknown = await response?.json().catch(() => undefined);
  const isKnown = typeof info === 'object' && info !== null && 'user' in info;
  if (response !== undefined && !isKnown) onSessionEnd('The session has ended: sign in again.');
  else if (socket === undefined) connect(onSessionEnd);
}

/** Ends the connection for good. */
export function disconnect(): void {
  const ended = socket;
  socket = undefined;
  isConnected.value = false;
  ended?.close();
}

/** Opens a view; `hear` is told what the server says of it. */
export function openView(query: ViewQuery, hear: Hear): LiveView {
  lastId++;
  const id = lastId;
  const kept: Kept = { query, hear };
  views.set(id, kept);
  send({ type: 'open', id, query });
  return {
    move: (from, count) => {
      if (kept.query.kind === 'list') kept.query = { ...kept.query, from, count };
      send({ type: 'window', id, from, count });
    },
    input: (text) => send({ type: 'input', id, text }),
    resize: (width, height) => send({ type: 'resize', id, width, height }),
    close: () => {
      views.delete(id);
      send({ type: 'close', id });
    },
  };
}

function send(message: PageMessage): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}
