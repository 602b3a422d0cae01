/** Takes down what a server answers, head and body, so that another server can answer the same. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { benchNamespace, listNamespace, podsPath } from './objects.ts';
import { deletion, podPath, type Session } from './session.ts';
import { timeMark } from './watchers.ts';

/** Answers, as JSON in a file. */
export interface Captured {
  readonly pod: CapturedAnswer;
  readonly list: CapturedAnswer;
  /** A pod with the time at which it was made, around that time: what a watch tells of a pod. */
  readonly event: { readonly before: string; readonly after: string; readonly head: readonly string[] };
}

/** `head` is names and values in turn, without what belongs to the message alone: its length, date and connection. */
export interface CapturedAnswer {
  readonly head: readonly string[];
  readonly body: string;
}

const ownToMessage = /^(content-length|date|connection|keep-alive|transfer-encoding)$/i;

/** Asks a server that has its pool for each, and writes them to the file. */
export async function capture(session: Session, file: string): Promise<void> {
  const pod = await answerOf(session, podPath('many-0'));
  const list = await answerOf(session, podsPath(listNamespace));
  const name = `marked-${session.nextSerial()}`;
  await session.connections[0]!.request(session.creation(name, { 'coxswain.dev/at': '1000000.000' }));
  const { body } = await answerOf(session, podPath(name));
  await session.connections[0]!.request(deletion(podPath(name)));
  const at = body.indexOf(timeMark) + timeMark.length;
  const end = body.indexOf('"', at);
  const watch = await answerOf(
    session,
    `${podsPath(benchNamespace)}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name=none`,
  );
  const captured: Captured = {
    pod,
    list,
    // In an event an object is no document of its own: it has no newline, by which events are counted.
    event: { before: body.slice(0, at), after: body.slice(end).trimEnd(), head: watch.head },
  };
  writeFileSync(file, JSON.stringify(captured));
}

function answerOf({ target }: Session, path: string): Promise<CapturedAnswer> {
  const { url, ca, cert, key, token } = target;
  return new Promise((resolve, reject) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const asked = request(
      {
        host: url.hostname,
        port: url.port,
        path,
        headers,
        agent: false,
        ...(ca && { ca }),
        ...(cert && { cert }),
        ...(key && { key }),
      },
      (response) => {
        const pieces: Buffer[] = [];
        response.on('data', (piece: Buffer) => pieces.push(piece));
        response.on('error', reject);
        response.on('end', () => {
          const body = Buffer.concat(pieces).toString();
          if (response.statusCode !== 200) reject(new Error(`Cannot read ${path}: ${response.statusCode} ${body}`));
          else resolve({ head: headOf(response.rawHeaders), body });
        });
      },
    );
    asked.on('error', reject);
    asked.end();
  });
}

function headOf(raw: readonly string[]): readonly string[] {
  return raw.flatMap((name, i) => (i % 2 === 0 && !ownToMessage.test(name) ? [name, raw[i + 1]!] : []));
}
