/**
 * `pods/eviction`: a deletion that a PodDisruptionBudget may refuse.
 * Source: `pkg/registry/core/pod/storage/eviction.go`.
 */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { badRequest } from '#pkg/apimachinery/status-error.ts';
import { objectResponse, successStatus } from '../responses.ts';
import { decodeBody } from './body.ts';
import { deleteNamed } from './delete.ts';
import { convertOptions, deleteOptionsOf } from './delete-options.ts';
import type { Scope } from './scope.ts';
import { parseWriteOptions } from './write-options.ts';

const evictionKind = { kind: 'Eviction', apiVersion: 'policy/v1', type: 'io.k8s.api.policy.v1.Eviction' };

/** Answers POST of an Eviction to a pod. */
export async function evictPod(scope: Scope): Promise<ApiResponse> {
  const { dryRun } = parseWriteOptions(scope.info.query, 'CreateOptions');
  const body = decodeBody(scope, evictionKind);
  const name = scope.info.parts[1]!;
  const named = (body as KubeObject).metadata?.name;
  if (named !== undefined && named !== '' && named !== name) {
    throw badRequest('name in URL does not match name in Eviction object');
  }
  const options = deleteOptionsOf(convertOptions(body.deleteOptions ?? {}));
  await deleteNamed(scope, name, {
    namespace: scope.info.namespace,
    options: { ...options, dryRun: dryRun || options.dryRun },
  });
  return objectResponse(201, { ...successStatus(), code: 201 });
}
