/** What a container writes, and a terminal in it, as views of a page. */
import { Queue } from '#pkg/base/async.ts';
import type { KubeApi } from '#pkg/kubectl/api.ts';
import { runRemote } from '#pkg/kubectl/remote-command.ts';
import type { ViewOptions } from '../live/list-view.ts';
import type { ExecQuery, LogQuery } from '../model/protocol.ts';
import { objectPath } from './objects.ts';
import { problemOf } from './problem.ts';

const pods = { group: '', version: 'v1', resource: 'pods' };
/** Lines of the past that a log begins with. */
const tailLines = 2_000;
/** Pieces of input that wait for a command that does not read; what comes beyond them is lost, as at a terminal. */
const inputMax = 4_096;

/** A stream that is open. */
export interface StreamView {
  close(): void;
  input?(text: string): void;
  resize?(width: number, height: number): void;
}

/** Follows a log to its end, at the pace of the page. */
export function openLog(api: KubeApi, query: LogQuery, { id, sink, send }: ViewOptions): StreamView {
  const controller = new AbortController();
  const { signal } = controller;
  const follow = async (): Promise<void> => {
    const path = objectPath({ resource: pods, namespace: query.namespace, name: query.pod }, 'log');
    const asked = {
      container: query.container,
      follow: query.previous ? undefined : 'true',
      previous: query.previous ? 'true' : undefined,
      tailLines: String(tailLines),
      timestamps: 'true',
    };
    const decoder = new TextDecoder();
    for await (const chunk of await api.stream({ method: 'GET', path, query: asked, signal })) {
      send({ type: 'text', id, text: decoder.decode(chunk, { stream: true }) });
      await sink.ready();
    }
  };
  follow().then(
    () => send({ type: 'end', id }),
    (error: unknown) => signal.aborted || send({ type: 'end', id, problem: problemOf(error).problem.message }),
  );
  return { close: () => controller.abort() };
}

/** Runs a command with a terminal. */
export function openExec(api: KubeApi, query: ExecQuery, { id, sink, send }: ViewOptions): StreamView {
  const controller = new AbortController();
  const { signal } = controller;
  const input = new Queue<Uint8Array>({ limit: inputMax });
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let size = { width: 80, height: 24 };
  let onResize = (): void => {};
  const output = async (bytes: Uint8Array): Promise<void> => {
    send({ type: 'text', id, text: decoder.decode(bytes, { stream: true }) });
    await sink.ready();
  };
  const { container, command } = query;
  const path = objectPath({ resource: pods, namespace: query.namespace, name: query.pod }, 'exec');
  const asked = { command, container, stdin: 'true', stdout: 'true', tty: 'true' };
  runRemote({
    api,
    call: { method: 'GET', path, query: asked, signal },
    input,
    output,
    errors: output,
    terminal: {
      setRaw: () => {},
      size: () => size,
      onResize: (listener) => {
        onResize = listener;
        return () => {
          onResize = () => {};
        };
      },
    },
    signal,
  }).then(
    (code) => send({ type: 'end', id, code }),
    (error: unknown) => signal.aborted || send({ type: 'end', id, problem: problemOf(error).problem.message }),
  );
  return {
    close: () => controller.abort(),
    input: (text) => void input.push(encoder.encode(text)),
    resize: (width, height) => {
      size = { width, height };
      onResize();
    },
  };
}
