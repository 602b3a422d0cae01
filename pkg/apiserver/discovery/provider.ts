/**
 * Answers the paths of discovery and hands those of OpenAPI on. Documents are made when they are first asked for and kept until what is
 * served changes; OpenAPI's code and descriptions are not even loaded before.
 */
import { createHash } from 'node:crypto';
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Aggregation } from '../aggregation.ts';
import type { DocumentProvider, DocumentProviderFactory, ServedCatalog } from '../documents.ts';
import type { OpenApiProvider } from '../openapi/provider.ts';
import { ObjectBody, objectResponse } from '../responses.ts';
import {
  type AggregatedVersion,
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  type ServedGroup,
  servedGroups,
} from './documents.ts';
import { withRemotes } from './remote-groups.ts';

const aggregatedVersions: readonly AggregatedVersion[] = ['v2', 'v2beta1'];

/** Makes the provider of all documents for a server. */
export const createDocumentProvider: DocumentProviderFactory = (catalog, aggregation) =>
  new Documents(catalog, aggregation);

class Documents implements DocumentProvider {
  readonly #catalog: ServedCatalog;
  readonly #aggregation: Aggregation | undefined;
  #generation = -1;
  #remoteGeneration = -1;
  #groups: readonly ServedGroup[] = [];
  /** Documents that were asked for, by path: at most as many as there are groups and versions. */
  readonly #answers = new Map<string, ApiResponse>();
  readonly #kept = new Map<string, KeptDocument>();
  #openApi: Promise<OpenApiProvider> | undefined;

  constructor(catalog: ServedCatalog, aggregation: Aggregation | undefined) {
    this.#catalog = catalog;
    this.#aggregation = aggregation;
  }

  handle(path: string, request: ApiRequest): ApiResponse | Promise<ApiResponse> | undefined {
    const parts = path.split('/').filter((part) => part !== '');
    if (parts[0] === 'openapi') return this.#answerOpenApi(path, request);
    if (parts[0] !== 'api' && parts[0] !== 'apis') return undefined;
    this.#refresh();
    if (parts.length === 1) {
      const version = wantedAggregation(request.headers.accept ?? '');
      if (version !== undefined) return this.#aggregated(parts[0], version, request);
    }
    const key = parts.join('/');
    let answer = this.#answers.get(key);
    if (answer === undefined) {
      const document = this.#document(parts);
      if (document === undefined) return undefined;
      answer = objectResponse(200, document);
      this.#answers.set(key, answer);
    }
    return answer;
  }

  #refresh(): void {
    const remote = this.#aggregation?.generation ?? -1;
    if (this.#generation === this.#catalog.generation && this.#remoteGeneration === remote) return;
    this.#generation = this.#catalog.generation;
    this.#remoteGeneration = remote;
    this.#groups = withRemotes(servedGroups(this.#catalog.list()), this.#aggregation?.versions() ?? []);
    this.#kept.clear();
    this.#answers.clear();
  }

  #document(parts: readonly string[]): object | undefined {
    const [root, first = '', second = ''] = parts;
    if (root === 'api') {
      if (parts.length === 1) return apiVersions(this.#groups);
      const core = this.#groups.find(({ group }) => group === '');
      return parts.length === 2 && core !== undefined ? apiResourceList(core, first) : undefined;
    }
    if (parts.length === 1) return apiGroupList(this.#groups);
    const group = first === '' ? undefined : this.#groups.find((candidate) => candidate.group === first);
    if (group === undefined) return undefined;
    if (parts.length === 2) return { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) };
    return parts.length === 3 ? apiResourceList(group, second) : undefined;
  }

  #aggregated(root: string, version: AggregatedVersion, request: ApiRequest): ApiResponse {
    const key = `${root} ${version}`;
    let kept = this.#kept.get(key);
    if (kept === undefined) {
      const groups = this.#groups.filter(({ group }) => (group === '') === (root === 'api'));
      kept = keep(aggregatedDiscovery(groups, version));
      this.#kept.set(key, kept);
    }
    const headers = {
      'content-type': `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
      etag: kept.etag,
      'cache-control': 'public',
      vary: 'Accept',
    };
    if (request.headers['if-none-match'] === kept.etag) return { status: 304, headers, body: { kind: 'empty' } };
    return { status: 200, headers, body: kept.body };
  }

  async #answerOpenApi(path: string, request: ApiRequest): Promise<ApiResponse> {
    this.#openApi ??= import('../openapi/provider.ts').then(
      ({ OpenApiProvider }) => new OpenApiProvider(this.#catalog, this.#aggregation),
    );
    return (await this.#openApi).handle(path, request);
  }
}

interface KeptDocument {
  readonly body: ObjectBody;
  readonly etag: string;
}

function keep(document: object): KeptDocument {
  const body = new ObjectBody(document);
  const digest = createHash('sha256').update(body.bytes()).digest('hex').toUpperCase();
  return { body, etag: `"${digest}"` };
}

/** The first of the accepted types that is an aggregated document; undefined when plain JSON comes before. */
export function wantedAggregation(accept: string): AggregatedVersion | undefined {
  for (const item of accept.split(',')) {
    const [type = '', ...parameters] = item.split(';').map((part) => part.trim());
    if (type !== 'application/json') continue;
    const values = new Map(parameters.map((parameter) => parameter.split('=') as [string, string]));
    if (values.get('as') === undefined) return undefined;
    const version = aggregatedVersions.find((candidate) => candidate === values.get('v'));
    const isList = values.get('as') === 'APIGroupDiscoveryList' && values.get('g') === 'apidiscovery.k8s.io';
    if (isList && version !== undefined) return version;
  }
  return undefined;
}
