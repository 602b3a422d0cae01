/**
 * The fuzzer of the API server: `node tests/integration/fuzz.ts [requests] [seed]`. Whatever comes, an answer is none of the server's
 * fault, an error is a Status, and only a success changes the store; what is stored is what was answered, with the zero values that Go
 * writes and no others, and sending it back changes nothing.
 */

import { typeSchema } from '#pkg/api/facts.ts';
import { type ResourceInfo, resources } from '#pkg/api/resources.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { canonicalJson, isObject, jsonText } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { omitEmpty } from '#pkg/apimachinery/omit-empty.ts';
import { withUnset } from '#pkg/apimachinery/write-unset.ts';
import { startTestServer, type TestServer } from '#pkg/apiserver/testing/test-server.ts';
import { type Random, SeededRandom } from '#pkg/base/random.ts';
import { createAdmissionPlugins } from '#pkg/registry/admission/table.ts';
import { createStrategies } from '#pkg/registry/table.ts';
import {
  candidates,
  collectionPath,
  createRequest,
  type FuzzRequest,
  type Known,
  randomRequest,
  randomResource,
} from './fuzz-requests.ts';

export interface FuzzResult {
  readonly requests: number;
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<number, number>>;
  /** What broke a law, each with its request. */
  readonly faults: readonly string[];
}

/** Most faults collected before a run ends. */
const faultsMax = 20;

/** Most objects remembered. */
const knownMax = 200;

export async function fuzz(requests: number, seed: number): Promise<FuzzResult> {
  const server = await startTestServer({
    strategies: createStrategies(),
    runtimeConfig: { 'api/all': true },
    admission: createAdmissionPlugins({ disabled: ['ServiceAccount'] }),
  });
  const run = new Run(server, new SeededRandom(seed));
  await run.probe();
  let done = 0;
  while (done < requests && run.faults.length < faultsMax) {
    done++;
    if (done % 4 === 0) await run.createBoth();
    else await run.step(randomRequest(run.random, run));
  }
  return { requests: done, statuses: run.statuses, faults: run.faults };
}

interface Seen {
  readonly status: number;
  readonly text: string;
  readonly body: unknown;
}

class Run {
  readonly faults: string[] = [];
  readonly statuses: Record<number, number> = {};
  readonly random: Random;
  known: Known[] = [];
  served: readonly ResourceInfo[] = [];
  readonly #server: TestServer;

  constructor(server: TestServer, random: Random) {
    this.#server = server;
    this.random = random;
  }

  /** Finds out which resources there are. */
  async probe(): Promise<void> {
    const found: ResourceInfo[] = [];
    for (const info of candidates) {
      const { status } = await this.#send({
        method: 'GET',
        path: collectionPath(info, 'default'),
        query: '',
        headers: {},
      });
      if (status !== 404) found.push(info);
    }
    this.served = found;
  }

  /** Sends one request and holds its answer against the laws. */
  async step(request: FuzzRequest): Promise<Seen> {
    const before = await this.#server.store.currentRevision();
    const seen = await this.#send(request);
    this.statuses[seen.status] = (this.statuses[seen.status] ?? 0) + 1;
    const after = await this.#server.store.currentRevision();
    // A deletion with a body takes its options from there alone.
    const isDryRun =
      /dryRun=All/.test(request.query) &&
      (request.method !== 'DELETE' || (request.text === undefined && request.object === undefined));
    // Upstream, too, finds that the answer to the deletion of a collection has no metadata alone once that is deleted.
    const isAnsweredLate = request.method === 'DELETE' && seen.status === 406;
    if (after !== before && !isAnsweredLate && (seen.status >= 300 || isDryRun))
      this.#fault('changed the store', request, seen);
    if (seen.status >= 500 && !isByDesign(seen)) this.#fault('server error', request, seen);
    if (seen.status >= 400) this.#checkStatus(request, seen);
    if (({} as JsonObject).polluted !== undefined) this.#fault('prototype polluted', request, seen);
    if (seen.status === 404 || (seen.status === 200 && request.method === 'DELETE')) this.#forget(request.path);
    if (seen.status < 300 && isObject(seen.body)) await this.#checkStored(request, seen.body);
    return seen;
  }

  /** A dry run says what the real creation then does. */
  async createBoth(): Promise<void> {
    const request = createRequest(randomResource(this.random, this.served), this.random);
    const dry = await this.step({ ...request, query: 'dryRun=All' });
    const real = await this.step(request);
    if (real.status === 409)
      await this.step({ method: 'DELETE', path: `${request.path}/${this.#nameIn(request)}`, query: '', headers: {} });
    if (dry.status !== real.status)
      this.#fault(`dry run answered ${dry.status}: ${dry.text.slice(0, 300)}`, request, real);
    else if (dry.status === 201 && comparable(dry.body) !== comparable(real.body)) {
      this.#fault(`dry run differs: ${dry.text.slice(0, 600)}`, request, real);
    }
  }

  #nameIn({ text, object }: FuzzRequest): string {
    const match = /"name":"(f\d)"/.exec(typeof text === 'string' ? text : jsonText(object ?? {}));
    return match?.[1] ?? 'f0';
  }

  async #send(request: FuzzRequest): Promise<Seen> {
    const { method, path, query, headers, text, object } = request;
    const leaving = new AbortController();
    const pending = this.#server.raw(method, query === '' ? path : `${path}?${query}`, {
      headers,
      ...(text === undefined ? {} : { text }),
      ...(object === undefined ? {} : { object }),
      signal: leaving.signal,
    });
    let answer: ApiResponse | undefined;
    void pending.then((found) => {
      answer = found;
    });
    // What waits for a revision that never comes waits on the clock.
    for (let turn = 0; answer === undefined; turn++) {
      if (turn > 50) return { status: 599, text: 'no answer', body: undefined };
      await this.#server.clock.advance(turn < 5 ? 0 : 1_000);
    }
    const { body, status } = answer;
    if (body.kind === 'watch') {
      leaving.abort();
      const isJson = answer.headers['content-type']?.startsWith('application/json') === true;
      for await (const batch of body.batches)
        for (const frame of batch) {
          const bytes = Buffer.from(frame.bytes());
          if (isJson) JSON.parse(bytes.toString());
        }
      return { status, text: '', body: undefined };
    }
    const bytes = body.kind === 'object' ? body.bytes() : body.kind === 'bytes' ? body.bytes : new Uint8Array(0);
    const found = Buffer.from(bytes).toString();
    const isJson = answer.headers['content-type'] === 'application/json' && found !== '';
    return { status, text: found, body: isJson ? JSON.parse(found) : undefined };
  }

  #checkStatus(request: FuzzRequest, seen: Seen): void {
    const { body, status, text } = seen;
    if (body === undefined) {
      // YAML was asked for, or the path is not the API's.
      if (
        text.startsWith('404 page not found') ||
        /yaml|protobuf/.test(request.headers.accept ?? '') ||
        /^\/(healthz|livez|readyz)/.test(request.path)
      )
        return;
      this.#fault('error without a Status', request, seen);
      return;
    }
    const { kind, apiVersion, code, reason, message } = body as JsonObject;
    const isWhole =
      kind === 'Status' && apiVersion === 'v1' && code === status && (body as JsonObject).status === 'Failure';
    if (!isWhole || typeof message !== 'string' || message === '' || typeof reason !== 'string')
      this.#fault('odd Status', request, seen);
  }

  /** What was answered is what is stored, and putting it back changes nothing. */
  async #checkStored(request: FuzzRequest, body: JsonObject): Promise<void> {
    const { metadata, apiVersion, kind } = body;
    if (!isObject(metadata) || typeof metadata.name !== 'string' || typeof metadata.uid !== 'string') return;
    const info = resources.find(
      (one) => one.kind === kind && `${one.group === '' ? '' : `${one.group}/`}${one.version}` === apiVersion,
    );
    if (info === undefined || !info.verbs.includes('get') || kind === 'Scale') return;
    const path = `${collectionPath(info, String(metadata.namespace ?? 'default'))}/${encodeURIComponent(metadata.name)}`;
    const stored = await this.#send({ method: 'GET', path, query: '', headers: {} });
    const isWrite =
      /^(POST|PUT|PATCH)$/.test(request.method) && !/dryRun/.test(request.query + String(request.text ?? ''));
    if (stored.status !== 200) {
      this.#forget(path);
      return;
    }
    if (isWrite && !/as=/.test(request.headers.accept ?? '') && canonicalJson(stored.body) !== canonicalJson(body)) {
      this.#fault(`GET differs: ${stored.text.slice(0, 600)}`, request, {
        status: 200,
        text: JSON.stringify(body),
        body,
      });
    }
    this.#checkZeros(request, info, stored);
    await this.#putBack(request, path, stored);
    this.#remember(info, path, stored.body as JsonObject);
  }

  /** Zeros and nulls are those of upstream. */
  #checkZeros(request: FuzzRequest, info: ResourceInfo, stored: Seen): void {
    const schema = typeSchema(info.type);
    const object = stored.body as JsonObject;
    const wanted = withUnset(omitEmpty(object, schema), schema);
    if (canonicalJson(wanted) !== canonicalJson(object)) {
      this.#fault(`zeros differ from ${JSON.stringify(wanted).slice(0, 900)}`, request, stored);
    }
  }

  async #putBack(request: FuzzRequest, path: string, stored: Seen): Promise<void> {
    const before = await this.#server.store.currentRevision();
    const headers = { 'content-type': 'application/json', 'user-agent': 'putter' };
    const again = await this.#send({ method: 'PUT', path, query: '', headers, text: stored.text });
    const after = await this.#server.store.currentRevision();
    // A binding may name a node that no update may keep. Source: upstream `ValidatePodBinding`, `ValidatePodUpdate`.
    if (again.status === 422 && /spec\.nodeName: Invalid value/.test(again.text)) return;
    if (again.status !== 200 || before !== after) {
      this.#fault(`PUT of what GET gave is no no-op: ${again.status} ${again.text.slice(0, 900)}`, request, stored);
    }
  }

  #remember(info: ResourceInfo, path: string, object: JsonObject): void {
    this.#forget(path);
    this.known.push({ info, path, object });
    if (this.known.length > knownMax) this.known.shift();
  }

  #forget(path: string): void {
    this.known = this.known.filter((one) => one.path !== path);
  }

  #fault(what: string, { method, path, query, headers, text, object }: FuzzRequest, seen: Seen): void {
    const sent = text === undefined ? jsonText(object) : typeof text === 'string' ? text : Buffer.from(text).toString();
    const line = `${method} ${path}?${query} ${JSON.stringify(headers)}\n  ${sent?.slice(0, 700)}`;
    this.faults.push(`${what}\n  ${line}\n  -> ${seen.status} ${seen.text.slice(0, 700)}`);
  }
}

/** What this server refuses by design: subresources that are not built, a revision from the future. */
function isByDesign({ status, body }: Seen): boolean {
  return status === 501 || status === 503 || (status === 504 && (body as JsonObject | undefined)?.reason === 'Timeout');
}

/** An object without what differs between two creations of it. */
function comparable(body: unknown): string {
  const { uid = '', generateName, name } = (body as { metadata?: Record<string, string> }).metadata ?? {};
  // What is short could stand anywhere.
  const fresh = [uid.length === 36 ? uid : '', generateName !== undefined && `${name}`.length > 5 ? `${name}` : ''];
  let text = JSON.stringify(body);
  for (const value of fresh) if (value !== '') text = text.replaceAll(value, 'FRESH');
  const copy = JSON.parse(text) as {
    metadata?: JsonObject;
    spec?: JsonObject;
  };
  for (const name of ['resourceVersion', 'creationTimestamp']) delete copy.metadata?.[name];
  // Which address or port is free is for chance to say.
  for (const name of ['clusterIP', 'clusterIPs', 'healthCheckNodePort']) delete copy.spec?.[name];
  const ports = (body as { kind?: string }).kind === 'Service' ? ((copy.spec?.ports ?? []) as JsonObject[]) : [];
  for (const port of ports) delete port.nodePort;
  return canonicalJson(copy);
}

async function main(): Promise<void> {
  const [requests = 10_000, seed = 1] = process.argv.slice(2).map(Number);
  process.on('unhandledRejection', (error) => {
    console.log('UNHANDLED', error);
    process.exitCode = 1;
  });
  const { faults, statuses, ...rest } = await fuzz(requests, seed);
  for (const fault of faults) console.log(fault);
  console.log(`${rest.requests} requests, ${faults.length} faults, answers by status: ${JSON.stringify(statuses)}`);
  if (faults.length > 0) process.exitCode = 1;
}

if (import.meta.main) await main();
