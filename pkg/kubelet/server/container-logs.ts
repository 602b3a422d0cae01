/** `/containerLogs/<namespace>/<pod>/<container>`: the output of a container as a stream. Source: kubelet `getContainerLogs`. */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { allStatuses, findContainer } from '../model/pod-view.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import type { LogLine, LogOptions } from '../runtime/runtime.ts';
import { decodedParts, text, workerOf } from './pod-path.ts';

/** The request, and whose logs there are. */
export interface ContainerLogsInput {
  readonly request: ApiRequest;
  readonly workers: readonly PodWorker[];
  readonly nowMs: number;
}

interface LogQuery {
  readonly follow: boolean;
  readonly previous: boolean;
  readonly timestamps: boolean;
  readonly tailLines: number | undefined;
  readonly sinceMs: number | undefined;
  readonly limitBytes: number | undefined;
}

/** Answers one request for logs. */
export async function containerLogs(input: ContainerLogsInput): Promise<ApiResponse> {
  const [, , namespace, podName, containerName, ...rest] = decodedParts(input.request.path);
  if (!namespace || !podName || !containerName || rest.length > 0) {
    return text(400, 'Missing namespace, pod or container name in the path');
  }
  const query = parseQuery(input);
  if (typeof query === 'string') return text(400, query);
  const worker = workerOf(input.workers, { namespace, name: podName });
  if (worker === undefined) return text(404, `pod "${podName}" does not exist`);
  if (findContainer(worker.pod, containerName) === undefined) {
    return text(404, `container ${containerName} not found in pod ${podName}`);
  }
  const container = worker.container(containerName, { previous: query.previous });
  if (container === undefined || container.id === '') {
    return text(400, missingMessage(worker, containerName, query.previous));
  }
  const options: LogOptions = {
    follow: query.follow && !query.previous,
    signal: input.request.signal,
    ...(query.tailLines === undefined ? {} : { tailLines: query.tailLines }),
    ...(query.sinceMs === undefined ? {} : { sinceMs: query.sinceMs }),
  };
  const lines = worker.runtime.inspection.logs(container.id, options)[Symbol.asyncIterator]();
  // The first line is read before the answer begins, so that logs which are gone are an error and not an empty stream.
  const first = query.follow ? undefined : await lines.next().catch((error: unknown) => errorText(error));
  if (typeof first === 'string') {
    return text(
      400,
      `unable to retrieve container logs for ${worker.runtime.capabilities.name}://${container.id}: ${first}`,
    );
  }
  return {
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    body: { kind: 'stream', chunks: encode(first, lines, query) },
  };
}

function missingMessage(worker: PodWorker, containerName: string, previous: boolean): string {
  const podName = worker.pod.metadata?.name;
  if (previous) return `previous terminated container "${containerName}" in pod "${podName}" not found`;
  const status = allStatuses(worker.pod).find(({ name }) => name === containerName);
  const reason = status?.state?.waiting?.reason ?? 'ContainerCreating';
  const why = pullProblems[reason] ?? reason;
  return `container "${containerName}" in pod "${podName}" is waiting to start: ${why}`;
}

/** Upstream's words for the two reasons that it does not give as they are. Source: kubelet `validateContainerLogStatus`. */
const pullProblems: Readonly<Record<string, string>> = {
  ErrImagePull: "image can't be pulled",
  ImagePullBackOff: 'trying and failing to pull image',
};

function parseQuery(input: ContainerLogsInput): LogQuery | string {
  const query = new URLSearchParams(input.request.query);
  const flag = (name: string): boolean => ['', '1', 'true'].includes(query.get(name) ?? 'false');
  const count = (name: string): number | undefined => {
    const value = query.get(name);
    return value === null ? undefined : Number(value);
  };
  const tailLines = count('tailLines');
  const limitBytes = count('limitBytes');
  const sinceSeconds = count('sinceSeconds');
  const sinceTime = query.get('sinceTime');
  for (const [name, value] of Object.entries({ tailLines, limitBytes, sinceSeconds })) {
    if (value !== undefined && !(Number.isInteger(value) && value >= 0))
      return `${name}: Invalid value: must be a number not below 0`;
  }
  const sinceMs =
    sinceTime !== null
      ? Date.parse(sinceTime)
      : sinceSeconds === undefined
        ? undefined
        : input.nowMs - sinceSeconds * 1000;
  if (Number.isNaN(sinceMs)) return 'sinceTime: Invalid value: must be an RFC 3339 time';
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    tailLines,
    sinceMs,
    limitBytes,
  };
}

async function* encode(
  first: IteratorResult<LogLine> | undefined,
  lines: AsyncIterator<LogLine>,
  query: LogQuery,
): AsyncGenerator<Uint8Array> {
  let leftBytes = query.limitBytes ?? Number.POSITIVE_INFINITY;
  const encoder = new TextEncoder();
  let isLineOpen = false;
  try {
    for (let next = first ?? (await lines.next()); !next.done; next = await lines.next()) {
      const { timeMs, text: line, partial } = next.value;
      const time = query.timestamps && !isLineOpen ? `${formatNanoTime(timeMs)} ` : '';
      isLineOpen = partial === true;
      const bytes = encoder.encode(`${time}${line}${isLineOpen ? '' : '\n'}`);
      if (bytes.length >= leftBytes) {
        if (leftBytes > 0) yield bytes.subarray(0, leftBytes);
        return;
      }
      leftBytes -= bytes.length;
      yield bytes;
    }
  } catch (error) {
    // The answer has begun: all that can be done is to say it in its place.
    yield encoder.encode(`${errorText(error)}\n`);
  } finally {
    await lines.return?.();
  }
}

function formatNanoTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 23)}000000Z`;
}
