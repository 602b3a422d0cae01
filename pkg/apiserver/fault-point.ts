/**
 * Where faults on demand act on requests: after authorization, before the resource is looked for, so that nobody learns by a fault what they may
 * not ask. Absent, the server costs and does nothing for it; what is injected is `pkg/faults/`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { badRequest, notFound } from '#pkg/apimachinery/status-error.ts';
import type { Awaitable } from '#pkg/base/async.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { plainBody } from './endpoints/plain-body.ts';
import type { RequestInfo } from './request-info.ts';
import { noSuchMethod, objectResponse, successStatus } from './responses.ts';

/** Who asks for which resource. */
export interface FaultSubject
  extends Pick<RequestInfo, 'group' | 'name' | 'namespace' | 'query' | 'resource' | 'subresource' | 'verb'> {
  readonly user: string;
}

/** What goes wrong on demand. */
export interface FaultPoint {
  /** Answers in place of `next`, or by it: with another request, later, or not at all. Throws `StatusError`. */
  answer(
    subject: FaultSubject,
    request: ApiRequest,
    next: (request: ApiRequest) => Awaitable<ApiResponse>,
  ): Awaitable<ApiResponse>;
  readonly rules: {
    /** All rules, with how often each has hit. */
    list(): readonly unknown[];
    /** Adds rules as they were written, or throws and adds none. */
    add(data: unknown): void;
    /** Whether there was one of that name. */
    remove(name: string): boolean;
  };
}

/** Path of the rules: GET lists them, POST adds some, DELETE of one by name ends it. Whoever may use it has a rule of RBAC that names the path. */
const faultsPath = '/debug/faults';

/** Whether a path is that of the rules, or of one of them. */
export function isFaultsPath(path: string): boolean {
  return path.startsWith(faultsPath) && /^\/debug\/faults(\/[^/]+)?$/.test(path);
}

/** Answers a request for the rules. */
export async function answerFaults({ rules }: FaultPoint, request: ApiRequest, path: string): Promise<ApiResponse> {
  const name = path.slice(faultsPath.length + 1);
  if (name === '' && request.method === 'GET') return objectResponse(200, { faults: rules.list() });
  if (name === '' && request.method === 'POST') {
    const data = await plainBody(request);
    if (data === undefined) throw badRequest('the body must be a JSON object with a list named faults');
    try {
      rules.add(data);
    } catch (error) {
      throw badRequest(errorText(error));
    }
    return objectResponse(201, { faults: rules.list() });
  }
  if (name === '' || request.method !== 'DELETE') throw noSuchMethod();
  if (!rules.remove(name)) throw notFound({ group: '', resource: 'faults' }, name);
  return objectResponse(200, successStatus());
}
