/**
 * The WebSocket of one page: opens the views that it asks for and closes them with it. Laws: everything is asked in the session's name; the socket ends with
 * the session, with the reason; a page that sends what is no message is told so and let go. It has at most `viewsMax` views.
 */
import type { UpgradedConnection } from '#pkg/apimachinery/http.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { WebSocket } from '#pkg/serving/websocket/websocket.ts';
import type { Session } from '../access/sessions.ts';
import { ListView, type ViewOptions } from '../live/list-view.ts';
import { NodesView } from '../live/nodes-view.ts';
import type { PageMessage, ServerMessage, ViewQuery } from '../model/protocol.ts';
import type { Identity } from './identities.ts';
import { pageMessageOf } from './page-messages.ts';
import { problemOf } from './problem.ts';
import { openExec, openLog, type StreamView } from './streams.ts';
import { openTime } from './time.ts';

/** A page has a handful; who opens more has lost count. */
const viewsMax = 64;
/** Largest message of a page: pasted text. */
const messageBytesMax = 256 * 1024;
/** Close codes of our own: the session has ended; the page does not speak the protocol. Source: RFC 6455 section 7.4.2. */
const closeCodes = { sessionEnded: 4401, badMessage: 4400 } as const;

interface View extends StreamView {
  move?(from: number, count: number): void;
}

type OpenView = (identity: Identity, query: ViewQuery, options: ViewOptions) => View;

const core = (resource: string) => ({ group: '', version: 'v1', resource });

/** What opens a view of each kind. */
const openers: {
  readonly [K in ViewQuery['kind']]: (
    identity: Identity,
    query: Extract<ViewQuery, { kind: K }>,
    options: ViewOptions,
  ) => View;
} = {
  list: ({ mirrors }, query, options) => {
    const lease = mirrors.take(query.resource);
    try {
      return new ListView(lease, query, options);
    } catch (error) {
      lease.release();
      throw error;
    }
  },
  nodes: ({ mirrors }, _query, options) => {
    const leases = { nodes: mirrors.take(core('nodes')), pods: mirrors.take(core('pods')) };
    return new NodesView(leases, options);
  },
  log: ({ api }, query, options) => openLog(api, query, options),
  exec: ({ api }, query, options) => openExec(api, query, options),
  time: ({ api }, _query, options) => openTime(api, options),
};

/** Serves a page until it or the session goes. */
export async function servePage(
  connection: UpgradedConnection,
  { session, clock, onUse }: { readonly session: Session<Identity>; readonly clock: Clock; readonly onUse: () => void },
): Promise<void> {
  const socket = new WebSocket(connection, { clock, messageBytesMax });
  const views = new Map<number, View>();
  let isFull = false;
  const sink = { clock, ready: (): Promise<void> => (isFull ? socket.drained() : Promise.resolve()) };
  const send = (message: ServerMessage): void => {
    isFull = !socket.send(Buffer.from(JSON.stringify(message)), 'text');
  };
  const onEnd = (): void => void socket.close(closeCodes.sessionEnded, String(session.signal.reason).slice(0, 100));
  session.signal.addEventListener('abort', onEnd, { once: true });
  if (session.signal.aborted) onEnd();
  try {
    for await (const { isText, bytes } of socket.messages()) {
      const message = isText ? pageMessageOf(Buffer.from(bytes).toString('utf8')) : undefined;
      if (message === undefined) {
        await socket.close(closeCodes.badMessage, 'the message cannot be read');
        return;
      }
      onUse();
      hear(message, { views, identity: session.holder, sink, send });
    }
  } finally {
    session.signal.removeEventListener('abort', onEnd);
    for (const view of views.values()) view.close();
    await socket.close();
  }
}

interface Page {
  readonly views: Map<number, View>;
  readonly identity: Identity;
  readonly sink: ViewOptions['sink'];
  readonly send: (message: ServerMessage) => void;
}

function hear(message: PageMessage, { views, identity, sink, send }: Page): void {
  const { id } = message;
  const view = views.get(id);
  switch (message.type) {
    case 'open':
      view?.close();
      views.delete(id);
      try {
        if (views.size >= viewsMax) throw new UserError(`Cannot open more than ${viewsMax} views in a page`);
        const open = openers[message.query.kind] as OpenView;
        views.set(id, open(identity, message.query, { id, sink, send }));
      } catch (error) {
        send({ type: 'end', id, problem: problemOf(error).problem.message });
      }
      return;
    case 'close':
      view?.close();
      views.delete(id);
      return;
    case 'input':
      view?.input?.(message.text);
      return;
    case 'resize':
      view?.resize?.(message.width, message.height);
      return;
    case 'window':
      view?.move?.(message.from, message.count);
  }
}
