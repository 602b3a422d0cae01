/**
 * Groups in versions that other servers answer for: what the pipeline, discovery and OpenAPI ask. Who finds out which those are, and whether they are there, is
 * `pkg/registry/apiregistration`. Invariant: with none of them, a request costs a look at `isEmpty`.
 * Upstream counterpart: kube-aggregator `pkg/apiserver`.
 */
import type { ApiRequest, ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { RemoteSpec } from './openapi/merge-v2.ts';
import type { UserInfo } from './user-info.ts';

/** A group in a version that another server answers for. */
export interface RemoteVersion {
  readonly group: string;
  readonly version: string;
  /** Higher ones come first in discovery. */
  readonly groupPriority: number;
  readonly versionPriority: number;
  /** Its `APIResourceList`, as it was read last; undefined before. */
  readonly resources: readonly JsonObject[] | undefined;
  readonly isAvailable: boolean;
  /** What its server says of it in OpenAPI v2, as it was read last; undefined before, and for a server that says nothing. */
  readonly openApi: RemoteSpec | undefined;
}

/** What other servers answer for. */
export interface Aggregation {
  readonly isEmpty: boolean;
  /** Changes whenever `versions` does. */
  readonly generation: number;
  versions(): readonly RemoteVersion[];
  /** Whether another server answers for it. */
  has(group: string, version: string): boolean;
  /** Passes a request on in the name of `user`, who may make it. Never rejects. */
  pass(
    request: ApiRequest,
    to: { readonly group: string; readonly version: string; readonly lasts: boolean; readonly user: UserInfo },
  ): Promise<ApiResponse>;
}
