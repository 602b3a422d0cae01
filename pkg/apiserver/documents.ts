/**
 * Discovery and OpenAPI: the documents by which clients learn what the server serves. The pipeline authenticates and authorizes,
 * then hands every GET of a path for which `matches` holds to the provider.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { Aggregation } from './aggregation.ts';
import type { ServedInfo } from './definition.ts';

/** What is served now: grows and shrinks as custom resources come and go. */
export interface ServedCatalog {
  /** Every served resource with its subresources, in a stable order. */
  list(): readonly ServedInfo[];
  /** Changes whenever `list` does: what was derived from it may be kept as long as this stays. */
  readonly generation: number;
}

/**
 * Answers `/api`, `/apis`, `/api/v1`, `/apis/<group>`, `/apis/<group>/<version>`, `/openapi/v2`, `/openapi/v3` and what is below it.
 * Must not throw other than StatusError.
 */
export interface DocumentProvider {
  /** Undefined when there is no such document: the server answers 404 in plain text. */
  handle(path: string, request: ApiRequest): ApiResponse | Promise<ApiResponse> | undefined;
}

/** Makes the provider for a server, which knows what it serves only once it is composed. */
export type DocumentProviderFactory = (catalog: ServedCatalog, aggregation?: Aggregation) => DocumentProvider;
