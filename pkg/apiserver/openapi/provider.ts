/**
 * Answers `/openapi/v2`, `/openapi/v3` and what is below it. A document is made when it is first asked for and kept encoded until what is
 * served changes; the index of version 3 names hashes that are known without making any.
 * Source: kube-openapi `handler`, `handler3`.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import { kubernetesVersion, typeFacts } from '#pkg/api/facts.ts';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import { goJson, jsonText } from '#pkg/apimachinery/json.ts';
import type { Aggregation } from '../aggregation.ts';
import type { ServedInfo } from '../definition.ts';
import type { ServedCatalog } from '../documents.ts';
import { acceptedOf } from '../negotiation.ts';
import { jsonType, pageNotFound } from '../responses.ts';
import { Descriptions } from './descriptions.ts';
import { openApiV2, openApiV3, openApiV3OfRoot } from './documents.ts';
import { mergedV2 } from './merge-v2.ts';
import { encodeOpenApiV2, openApiV2ProtobufType } from './protobuf.ts';
import { encodeOpenApiV3, openApiV3ProtobufType } from './protobuf-v3.ts';
import { otherRoots, type RootPath } from './roots.ts';

/** Raised when the documents change in shape, so that clients do not keep older ones. */
const documentsVersion = 4;

/** What the index is kept by. */
const indexKey = 'v3';

interface Kept {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

/** The documents of one server. */
export class OpenApiProvider {
  readonly #catalog: ServedCatalog;
  readonly #aggregation: Aggregation | undefined;
  readonly #descriptions = new Descriptions();
  #generation = -1;
  #remoteGeneration = 0;
  #byPath: ReadonlyMap<string, readonly ServedInfo[]> = new Map();
  #roots: ReadonlyMap<string, RootPath> = new Map();
  readonly #kept = new Map<string, Promise<Kept>>();

  constructor(catalog: ServedCatalog, aggregation?: Aggregation) {
    this.#catalog = catalog;
    this.#aggregation = aggregation;
  }

  async handle(path: string, request: ApiRequest): Promise<ApiResponse> {
    this.#refresh();
    const parts = path.split('/').filter((part) => part !== '');
    if (parts[1] === 'v2' && parts.length === 2) return this.#answerV2(request);
    if (parts[1] !== 'v3') return pageNotFound();
    if (parts.length === 2) return this.#answerIndex(request);
    return this.#answerV3(parts.slice(2).join('/'), request);
  }

  #refresh(): void {
    const remoteGeneration = this.#aggregation?.generation ?? 0;
    if (this.#remoteGeneration !== remoteGeneration) {
      this.#remoteGeneration = remoteGeneration;
      // The others are about this server alone.
      for (const key of this.#kept.keys()) if (key.startsWith('v2 ') || key === indexKey) this.#kept.delete(key);
    }
    if (this.#generation === this.#catalog.generation) return;
    this.#generation = this.#catalog.generation;
    this.#kept.clear();
    const byPath = new Map<string, ServedInfo[]>();
    for (const info of this.#catalog.list()) {
      const path = info.group === '' ? `api/${info.version}` : `apis/${info.group}/${info.version}`;
      byPath.set(path, [...(byPath.get(path) ?? []), info]);
    }
    this.#byPath = new Map([...byPath].sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#roots = otherRoots(this.#catalog.list().map(({ group }) => group));
  }

  async #answerIndex(request: ApiRequest): Promise<ApiResponse> {
    const kept = await this.#keep(indexKey, async () => Buffer.from(goJson(this.#index())));
    return answer(kept, { request, type: jsonType, headers: {} });
  }

  #index(): object {
    const paths = [...this.#byPath].map(([path, infos]) => [
      path,
      { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOf(infos)}` },
    ]);
    const roots = [...this.#roots].map(([path, root]) => [
      path,
      { serverRelativeURL: `/openapi/v3/${path}?hash=${hashOfRoot(root)}` },
    ]);
    const remotes = (this.#aggregation?.versions() ?? [])
      .filter(({ isAvailable }) => isAvailable)
      .map(({ group, version }) => {
        const path = `apis/${group}/${version}`;
        return [path, { serverRelativeURL: `/openapi/v3/${path}` }];
      });
    const all = [...paths, ...roots, ...remotes].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    return { paths: Object.fromEntries(all) as Record<string, unknown> };
  }

  async #answerV3(path: string, request: ApiRequest): Promise<ApiResponse> {
    const infos = this.#byPath.get(path);
    const root = this.#roots.get(path);
    if (infos === undefined && root === undefined) return pageNotFound();
    const type = typeFor(request, openApiV3ProtobufType, 'application/com.github.proto-openapi.spec.v3@v1.0+protobuf');
    if (type === undefined) return notAcceptable;
    const hash = infos === undefined ? hashOfRoot(root!) : hashOf(infos);
    const given = new URLSearchParams(request.query).get('hash') ?? '';
    // Who names another than the one there is, is told where that is. Source: kube-openapi `handler3`.
    if (given !== '' && given !== hash) return moved(`/openapi/v3/${path}?hash=${hash}`);
    const kept = await this.#keep(`v3 ${type} ${path}`, async () => {
      const document =
        infos === undefined
          ? await openApiV3OfRoot(root!, this.#descriptions)
          : await openApiV3(infos, this.#descriptions);
      return type === jsonType ? Buffer.from(goJson(document)) : encodeOpenApiV3(document);
    });
    // With the right hash in its name the document never changes.
    const isNamed = given !== '';
    const headers = isNamed ? { 'cache-control': 'public, immutable' } : { 'cache-control': 'no-cache' };
    return answer(kept, { request, type, headers });
  }

  async #answerV2(request: ApiRequest): Promise<ApiResponse> {
    const infos = this.#catalog.list();
    const type = typeFor(request, openApiV2ProtobufType, 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf');
    if (type === undefined) return notAcceptable;
    const remotes = (this.#aggregation?.versions() ?? []).flatMap(({ isAvailable, openApi }) =>
      isAvailable && openApi !== undefined ? [openApi] : [],
    );
    const kept = await this.#keep(`v2 ${type}`, async () => {
      const document = mergedV2(await openApiV2(infos, this.#descriptions), remotes);
      return type === jsonType ? Buffer.from(goJson(document)) : encodeOpenApiV2(document);
    });
    return answer(kept, { request, type, headers: { 'cache-control': 'no-cache' } });
  }

  #keep(key: string, make: () => Promise<Uint8Array>): Promise<Kept> {
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      kept = make().then((bytes) => ({ bytes, etag: `"${digest(bytes)}"` }));
      kept.catch(() => this.#kept.delete(key));
      this.#kept.set(key, kept);
    }
    return kept;
  }
}

/** Upstream writes no words with it. */
const notAcceptable: ApiResponse = { status: 406, headers: { vary: 'Accept' }, body: { kind: 'empty' } };

/**
 * The form of a document that the client wants most; undefined where it accepts none. `older` is what clients call the protobuf that were made before its
 * name was a media type. Source: kube-openapi `handler`, `handler3`.
 */
function typeFor({ headers }: ApiRequest, protobuf: string, older: string): string | undefined {
  const accepted = acceptedOf(headers.accept, [jsonType, protobuf, older]);
  return accepted === older ? protobuf : accepted;
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').toUpperCase();
}

/** Types of the table of facts are those of the version of Kubernetes; others are told by their schema. */
function hashOf(infos: readonly ServedInfo[]): string {
  const known = infos.map((info) => (Object.hasOwn(typeFacts, info.type) ? { ...info, schema: undefined } : info));
  const text = JSON.stringify([documentsVersion, kubernetesVersion, known], (_key, value: unknown) =>
    value instanceof Map ? [...value] : typeof value === 'bigint' ? String(value) : value,
  );
  return digest(text);
}

function hashOfRoot(root: RootPath): string {
  return digest(jsonText([documentsVersion, kubernetesVersion, root]));
}

function moved(location: string): ApiResponse {
  return { status: 301, headers: { location }, body: { kind: 'empty' } };
}

function answer(
  kept: Kept,
  { request, type, headers }: { request: ApiRequest; type: string; headers: Readonly<Record<string, string>> },
): ApiResponse {
  const all = { ...headers, etag: kept.etag, vary: 'Accept', 'content-type': type };
  if (request.headers['if-none-match'] === kept.etag) return { status: 304, headers: all, body: { kind: 'empty' } };
  return { status: 200, headers: all, body: { kind: 'bytes', bytes: kept.bytes } };
}
