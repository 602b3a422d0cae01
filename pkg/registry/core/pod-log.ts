/** `pods/log`: the kubelet's answer, passed on. Source: `pkg/registry/core/pod/strategy.go` `LogLocation`. */

import { Buffer } from 'node:buffer';
import type { PodLogOptions } from '#pkg/api/types/core-v1.ts';
import {
  type FieldError,
  forbiddenField,
  invalid,
  invalidObject,
  notSupported,
  pathsOf,
  wholeObject,
} from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest, internalError, StatusError } from '#pkg/apimachinery/status-error.ts';
import { parseTime } from '#pkg/apimachinery/time.ts';
import { timeError } from '#pkg/apimachinery/time-error.ts';
import { integer } from '#pkg/apiserver/endpoints/list-options.ts';
import { readEntry } from '#pkg/apiserver/endpoints/read.ts';
import type { Scope } from '#pkg/apiserver/endpoints/scope.ts';
import { notBuilt } from '#pkg/apiserver/endpoints/unbuilt.ts';
import { errorResponse } from '#pkg/apiserver/responses.ts';
import { noConnection } from './connections.ts';
import { containerOf, type PodContainers } from './pod-containers.ts';

interface LoggedPod extends KubeObject, PodContainers {}

/** Options that the kubelet understands; `container` becomes a part of the path. */
const passed = ['follow', 'previous', 'sinceSeconds', 'sinceTime', 'timestamps', 'tailLines', 'limitBytes', 'stream'];

const streams = ['All', 'Stderr', 'Stdout'];

/** Answers GET of a pod's log. */
export async function podLog(scope: Scope): Promise<ApiResponse> {
  const { core, info, request } = scope;
  if (core.kubelet === undefined) return notBuilt(scope);
  checkOptions(info.query, info.parts[1] ?? '');
  const pod = scope.served.view.object(await readEntry(scope)) as LoggedPod;
  const name = pod.metadata?.name ?? '';
  const container = containerOf(pod, info.query.get('container') ?? '', 'log');
  const nodeName = pod.spec?.nodeName ?? '';
  // A pod without a node has not written anything yet.
  if (nodeName === '') return { status: 200, headers: { 'content-type': 'text/plain' }, body: { kind: 'empty' } };
  const handler = core.kubelet(nodeName);
  if (handler === undefined) return errorResponse(noConnection(nodeName));
  const query = new URLSearchParams();
  for (const option of passed) {
    const value = info.query.get(option);
    if (value !== null) query.set(option, value);
  }
  const path = `/containerLogs/${encodeURIComponent(info.namespace)}/${encodeURIComponent(name)}/${encodeURIComponent(container)}`;
  const answer = await handler({
    method: 'GET',
    path,
    query: query.toString(),
    headers: { accept: request.headers.accept },
    peer: { address: '' },
    signal: request.signal,
  });
  if (!isGood(answer)) return refusal(scope, answer);
  if (request.upgrade !== 'websocket') return answer;
  const { logOverWebSocket } = await import('#pkg/apiserver/websocket-answer.ts');
  return logOverWebSocket(request, answer, core.clock);
}

const field = pathsOf<PodLogOptions>();

/** Throws BadRequest or Invalid. Source: upstream `ValidatePodLogOptions`. */
function checkOptions(query: URLSearchParams, name: string): void {
  const errors: FieldError[] = [];
  const tailLines = integer(query, 'tailLines');
  const limitBytes = integer(query, 'limitBytes');
  const sinceSeconds = integer(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime');
  const stream = query.get('stream');
  if (sinceTime !== null && parseTime(sinceTime) === undefined) throw badRequest(timeError(sinceTime));
  if (tailLines !== undefined && tailLines < 0) {
    errors.push(invalid(field('tailLines'), tailLines, 'must be greater than or equal to 0'));
  }
  if (limitBytes !== undefined && limitBytes < 1) {
    errors.push(invalid(field('limitBytes'), limitBytes, 'must be greater than 0'));
  }
  if (sinceSeconds !== undefined && sinceTime !== null) {
    errors.push(forbiddenField(wholeObject, 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  } else if (sinceSeconds !== undefined && sinceSeconds < 1) {
    errors.push(invalid(field('sinceSeconds'), sinceSeconds, 'must be greater than 0'));
  }
  if (stream !== null && !streams.includes(stream)) errors.push(notSupported(field('stream'), stream, streams));
  else if (stream !== null && stream !== 'All' && tailLines !== undefined) {
    errors.push(forbiddenField(wholeObject, '`tailLines` and specific `stream` are mutually exclusive for now'));
  }
  if (errors.length > 0) throw invalidObject({ group: '', kind: 'PodLogOptions' }, name, errors);
}

function isGood({ status }: ApiResponse): boolean {
  return status >= 200 && status <= 206;
}

/** Bytes of a kubelet's refusal that are read. Source: apiserver `registry/generic/rest/response_checker.go` `maxReadLength`. */
const refusalBytesMax = 50_000;

/** What the kubelet said in plain text, as a Status. */
async function refusal({ subject, info }: Scope, { status, body }: ApiResponse): Promise<ApiResponse> {
  const chunks: Uint8Array[] = [];
  if (body.kind === 'stream') {
    let length = 0;
    for await (const chunk of body.chunks) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= refusalBytesMax) break;
    }
  } else if (body.kind === 'bytes') chunks.push(body.bytes);
  const text = Buffer.concat(chunks).subarray(0, refusalBytesMax).toString().trimEnd();
  if (status === 400) return errorResponse(badRequest(text));
  if (status === 500) return errorResponse(internalError(text));
  const isMissing = status === 404;
  return errorResponse(
    new StatusError({
      code: status,
      reason: isMissing ? 'NotFound' : status === 503 ? 'ServiceUnavailable' : '',
      message: isMissing ? `the server could not find the requested resource ( pods/log ${info.name})` : text,
      details: {
        kind: subject.resource,
        name: info.name,
        causes: [{ reason: 'UnexpectedServerResponse', message: text }],
      },
    }),
  );
}
