/**
 * `POST /checkpoint/{namespace}/{pod}/{container}`: the state of a container as a file. No runtime here writes one, as that takes CRIU, and the answer says so in the way of a
 * kubelet whose runtime cannot. Source: kubelet `server/server.go` `checkpoint`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { findContainer } from '../model/pod-view.ts';
import type { PodWorker } from '../pods/pod-worker.ts';
import { decodedParts, text, workerOf } from './pod-path.ts';

/** The refusal, which says first what is wrong with the question. */
export function refuseCheckpoint({ method, path, query }: ApiRequest, workers: readonly PodWorker[]): ApiResponse {
  if (method !== 'POST') return text(405, 'Method Not Allowed');
  const [, , namespace = '', name = '', container = '', ...rest] = decodedParts(path);
  if (container === '' || rest.length > 0) return text(404, '404 page not found');
  const worker = workerOf(workers, { namespace, name });
  if (worker === undefined) return text(404, 'pod does not exist');
  if (findContainer(worker.pod, container) === undefined) return text(404, `container ${container} does not exist`);
  const timeout = new URLSearchParams(query).get('timeout');
  if (timeout !== null && !/^\d+$/.test(timeout)) return text(404, 'cannot parse value of timeout parameter');
  const runtime = worker.runtime.capabilities.name;
  const why = `the ${runtime} runtime writes no checkpoints of containers`;
  return text(500, `checkpointing of ${namespace}/${name}/${container} failed (${why})`);
}
