/** An API server of its own on virtual time for each test of the file that asks for it, and requests as an administrator's client sends them. */
import { afterEach, beforeEach } from 'vitest';
import type { ApiHandler } from '#pkg/apimachinery/http.ts';
import { SeededRandom } from '#pkg/base/random.ts';
import { VirtualClock } from '#pkg/base/virtual-clock.ts';
import { type BareApi, type BareApiOptions, startBareApi } from '#pkg/testing/bare-api.ts';

const peer = { address: '', certificate: { commonName: 'admin', organizations: ['system:masters'] } };

/** What was answered; a body that is no JSON is its text. */
export interface Answered {
  readonly status: number;
  readonly body: unknown;
  readonly warning: string | undefined;
}

/** The server of the test that runs. */
export interface ApiUnderTest {
  readonly clock: VirtualClock;
  /** The server itself. */
  readonly handle: ApiHandler;
  /** Sends a request and lets everything happen that needs no time. `target` may have a query; a PATCH is a merge patch where the headers do not say it. */
  call(method: string, target: string, sent?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answered>;
}

/** Declares the hooks. */
export function apiForEachTest(options: Pick<BareApiOptions, 'callWebhook'> = {}): ApiUnderTest {
  let clock: VirtualClock;
  let api: BareApi;
  let stop: AbortController;
  let running: Promise<void>;
  beforeEach(async () => {
    clock = new VirtualClock();
    api = await startBareApi({ clock, random: new SeededRandom(1), ...options });
    stop = new AbortController();
    running = api.run(stop.signal);
    await clock.settle();
  });
  afterEach(async () => {
    stop.abort();
    await running;
  });
  return {
    get clock() {
      return clock;
    },
    handle: (request) => api.handle(request),
    async call(method, target, sent, headers = {}) {
      const [path = '', query = ''] = target.split('?');
      const content = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
      const answer = await api.handle({
        method,
        path,
        query,
        headers: { 'content-type': content, ...headers },
        peer,
        signal: stop.signal,
        ...(sent === undefined ? {} : { body: { kind: 'bytes', bytes: Buffer.from(JSON.stringify(sent)) } }),
      });
      await clock.settle();
      const { status, body } = answer;
      const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
      return { status, body: parsed(Buffer.from(bytes).toString()), warning: answer.headers.warning };
    },
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
