/**
 * Faults of requests: what the API server answers, or does not, when a rule has its turn (`pkg/apiserver/fault-point.ts` is where it is asked).
 *
 * Watches that go on when a rule begins are treated as those that come: `watch-end` ends them when they are older than their lifetime,
 * `expired` and `node-silence` end them at once.
 */
import type { ApiRequest, ApiResponse, ReadyFrames, WatchFrame } from '#pkg/apimachinery/http.ts';
import {
  expired,
  StatusError,
  type StatusReason,
  serviceUnavailable,
  staleVersion,
} from '#pkg/apimachinery/status-error.ts';
import { type Awaitable, childSignal, onceThere, Queue, sleep } from '#pkg/base/async.ts';
import type { Clock } from '#pkg/base/clock.ts';
import { type FaultRule, faultKinds } from './fault-rule.ts';
import { type ActiveFault, FaultSet } from './fault-set.ts';

/** Who asks for which resource. */
export interface RequestSubject {
  readonly user: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  readonly query: URLSearchParams;
}

interface OpenWatch {
  readonly subject: RequestSubject;
  readonly startedMs: number;
  /** Absent until it is answered, and for a watch over a WebSocket, whose end its signal tells. */
  ready?: ReadyFrames | undefined;
  end(): void;
}

type Next = (request: ApiRequest) => Awaitable<ApiResponse>;

interface Asking {
  readonly subject: RequestSubject;
  readonly request: ApiRequest;
  readonly next: Next;
}

/** Watches that are kept before it is looked which of them have ended. */
const sweepAtMin = 64;

/** The user that is the API server itself. */
const ownUser = 'system:apiserver';

/** Answers requests as the rules of a set say. */
export class RequestFaults {
  readonly rules: FaultSet;
  readonly #clock: Clock;
  readonly #watches = new Set<OpenWatch>();
  #sweepAt = sweepAtMin;

  constructor(rules: FaultSet, clock: Clock) {
    this.rules = rules;
    this.#clock = clock;
    rules.onAdded((fault) => {
      if (faultKinds[fault.rule.fault].place === 'server') this.#begin(fault);
    });
  }

  answer(subject: RequestSubject, request: ApiRequest, next: Next): Awaitable<ApiResponse> {
    const fault = this.rules.pick((rule) => selects(rule, subject));
    if (subject.verb !== 'watch') return this.#answer(fault, { subject, request, next });
    return this.#answerWatch(fault, { subject, request, next });
  }

  async #answerWatch(fault: ActiveFault | undefined, { subject, request, next }: Asking): Promise<ApiResponse> {
    const { signal, watch } = this.#open(subject, request);
    // Of a request of the network the peer is known when it is asked for, which a copy alone would not do.
    const own = { ...request, peer: request.peer, signal };
    try {
      const response = await this.#answer(fault, { subject, request: own, next });
      if (response.body.kind === 'watch') watch.ready = response.body.ready;
      if (fault?.rule.fault === 'watch-end') this.#endLater(fault, watch);
      return this.#watched(fault, own, response);
    } catch (error) {
      watch.end();
      throw error;
    }
  }

  #open(subject: RequestSubject, request: ApiRequest): { readonly signal: AbortSignal; readonly watch: OpenWatch } {
    if (this.#watches.size >= this.#sweepAt) this.#sweep();
    const { controller, dispose } = childSignal(request.signal);
    const { signal } = controller;
    const watch: OpenWatch = { subject, startedMs: this.#clock.monotonicMs(), end: () => controller.abort() };
    const forget = (): void => {
      this.#watches.delete(watch);
      dispose();
    };
    if (signal.aborted) dispose();
    else {
      this.#watches.add(watch);
      signal.addEventListener('abort', forget, { once: true });
    }
    return { signal, watch };
  }

  /** Forgets the watches that have ended by themselves, which their signals do not tell. */
  #sweep(): void {
    for (const watch of [...this.#watches]) if (watch.ready?.isEnded === true) watch.end();
    this.#sweepAt = Math.max(sweepAtMin, 2 * this.#watches.size);
  }

  #answer(fault: ActiveFault | undefined, { subject, request, next }: Asking): Awaitable<ApiResponse> {
    if (fault === undefined) return next(request);
    const { rule, delayMs } = fault;
    const resource = { group: subject.group, resource: subject.resource };
    switch (rule.fault) {
      case 'error':
        throw errorOf(rule);
      case 'conflict':
        throw staleVersion(resource, subject.name);
      case 'expired':
        throw expired(`too old resource version: ${subject.query.get('resourceVersion') ?? ''} (${says(rule)})`);
      case 'lost-request':
      case 'node-silence':
      case 'lost-leader':
        throw serviceUnavailable(`the request was lost (${says(rule)})`);
      case 'lost-answer':
        return onceThere(next(request), () => {
          throw serviceUnavailable(`the answer was lost (${says(rule)})`);
        });
      case 'delay':
        return sleep(this.#clock, delayMs, request.signal).then(() => next(request));
      case 'watch-delay':
      case 'watch-end':
      case 'clock-jump':
      case 'disk-full':
      case 'probe-failure':
        return next(request);
    }
  }

  #watched(fault: ActiveFault | undefined, { signal }: ApiRequest, response: ApiResponse): ApiResponse {
    const { body } = response;
    if (fault?.rule.fault !== 'watch-delay' || body.kind !== 'watch') return response;
    return { ...response, body: { kind: 'watch', batches: later(body.batches, this.#clock, fault.delayMs, signal) } };
  }

  /** Ends the watches that go on and are over by a rule that has come. */
  #begin(fault: ActiveFault): void {
    const { fault: kind } = fault.rule;
    if (kind !== 'watch-end' && kind !== 'expired' && kind !== 'node-silence') return;
    const end = (): void => {
      for (const watch of [...this.#watches]) {
        const goesOn = { ...watch.subject, query: goingOn };
        if (selects(fault.rule, goesOn)) this.#endLater(fault, watch);
      }
    };
    // From the next turn on: whoever adds a rule has not been answered yet.
    this.#clock.setTimeout(() => this.rules.isActive(fault) && end(), fault.afterMs);
  }

  #endLater(fault: ActiveFault, watch: OpenWatch): void {
    const ageMs = this.#clock.monotonicMs() - watch.startedMs;
    this.#clock.setTimeout(
      () => {
        if (this.rules.isActive(fault)) watch.end();
      },
      Math.max(0, fault.lifetimeMs - ageMs),
    );
  }
}

/** What a watch that goes on would ask for to go on. */
const goingOn = new URLSearchParams('resourceVersion=1');

function says({ name, message }: FaultRule): string {
  return message ?? `fault ${JSON.stringify(name)}`;
}

const reasons: Readonly<Record<number, StatusReason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  409: 'Conflict',
  410: 'Gone',
  413: 'RequestEntityTooLarge',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

function errorOf(rule: FaultRule): StatusError {
  const { code = 500 } = rule;
  const reason: StatusReason = rule.reason ?? reasons[code] ?? '';
  const details = code === 429 ? { retryAfterSeconds: 1 } : {};
  return new StatusError({ code, reason, message: says(rule), details });
}

/** Whether a rule is about a request. */
function selects(rule: FaultRule, subject: RequestSubject): boolean {
  const { user, verb, namespace, name } = subject;
  if (faultKinds[rule.fault].place !== 'server') return false;
  if (rule.fault === 'node-silence') return (rule.nodes ?? []).some((node) => user === `system:node:${node}`);
  if (rule.fault === 'lost-leader') {
    if (subject.resource !== 'leases' || name !== rule.lease) return false;
    return (verb === 'update' || verb === 'patch') && isAmong(rule.namespaces, namespace);
  }
  if (user === ownUser && rule.users === undefined) return false;
  const verbs = rule.verbs ?? faultKinds[rule.fault].verbs ?? [];
  if (!verbs.includes(verb) && !verbs.includes('*')) return false;
  if (rule.fault === 'expired' && !hasPast(subject)) return false;
  return (
    (rule.resources ?? []).some((text) => isResource(text, subject)) &&
    isAmong(rule.namespaces, namespace) &&
    isAmong(rule.objects, name) &&
    isAmong(rule.users, user)
  );
}

/** Only who names a version or goes on with a list can be told that it is no longer known. */
function hasPast({ verb, query }: RequestSubject): boolean {
  if (verb === 'list') return query.has('continue');
  const version = query.get('resourceVersion') ?? '';
  return version !== '' && version !== '0' && query.get('sendInitialEvents') !== 'true';
}

function isAmong(words: readonly string[] | undefined, word: string): boolean {
  return words === undefined || words.includes(word);
}

function isResource(text: string, { group, resource, subresource }: RequestSubject): boolean {
  if (text === '*') return true;
  const [qualified = '', sub = ''] = text.split('/');
  const dot = qualified.indexOf('.');
  const [name, ofGroup] = dot < 0 ? [qualified, ''] : [qualified.slice(0, dot), qualified.slice(dot + 1)];
  if (sub !== '*' && sub !== subresource) return false;
  return name === resource && ofGroup === group;
}

/** Batches that wait at most; a watch that is told more meanwhile ends, as one whose reader is too slow does. */
const lateMax = 10_000;

/** Each batch `delayMs` after it came. */
async function* later(
  batches: AsyncIterable<readonly WatchFrame[]>,
  clock: Clock,
  delayMs: number,
  signal: AbortSignal,
): AsyncGenerator<readonly WatchFrame[]> {
  const late = new Queue<{ readonly batch: readonly WatchFrame[]; readonly dueMs: number }>({ limit: lateMax });
  const iterator = batches[Symbol.asyncIterator]();
  const pump = async (): Promise<void> => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
      if (!late.push({ batch: next.value, dueMs: clock.monotonicMs() + delayMs })) return;
  };
  const pumping = pump().finally(() => late.close());
  try {
    for await (const { batch, dueMs } of late) {
      if (!(await sleep(clock, dueMs - clock.monotonicMs(), signal))) break;
      yield batch;
    }
  } finally {
    await iterator.return?.();
    await pumping;
  }
}

/** Those of a running API server, without rules. */
export function serverFaults(clock: Clock): RequestFaults {
  return new RequestFaults(new FaultSet({ clock, places: ['server', 'store'] }), clock);
}
