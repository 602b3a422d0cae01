/** PATCH of an object or of a subresource that is a part of it. Source: apiserver `endpoints/handlers/patch.go`. */

import { kindFact } from '#pkg/api/facts.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { type JsonObject, type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import type { StatusError } from '#pkg/apimachinery/status-error.ts';
import { applyServerSide } from './apply.ts';
import { changeObject } from './change.ts';
import { draftOf } from './decode.ts';
import { patchedValue, patchTypeOf, readPatch, refusedPatch } from './patch-value.ts';
import type { Scope } from './scope.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

/** Answers PATCH. */
export function patchObject(scope: Scope): Promise<ApiResponse> | ApiResponse {
  const type = patchTypeOf(scope.request, scope.served.strategy.strategicMerge === false ? 'strategic' : undefined);
  if (type === 'apply') return applyServerSide(scope);
  const options = parseWriteOptions(scope.info.query, 'PatchOptions');
  const { patch, faults } = readPatch(scope.body, { type, validation: options.fieldValidation });
  scope.audit?.patched(patch);
  const { served } = scope;
  let validation = options.fieldValidation;
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: scope.info.subresource,
    draft(old: KubeObject) {
      const value = patchedValue(type, { patch, old: old, schema: served.schema });
      const refuse = (why: string): StatusError => refusedPatch(type, { patch, value, why });
      checkPatchedKind(value, served, refuse);
      const draft = draftOf(scope, value, { validation, owned: false, duplicates: faults, refuse, stored: old });
      // What is warned of once is not warned of again after a lost race.
      if (validation === 'Warn') validation = 'Ignore';
      return draft;
    },
  });
}

/** A patch cannot make another kind of an object. */
function checkPatchedKind(
  value: JsonObject,
  { info, apiVersion }: Scope['served'],
  refuse: (why: string) => Error,
): void {
  const { kind = info.kind, apiVersion: version = apiVersion } = value;
  if ((kind === info.kind || kind === '') && (version === apiVersion || version === '')) return;
  if (typeof kind !== 'string' || typeof version !== 'string') {
    const field = typeof kind === 'string' ? 'apiVersion' : 'kind';
    throw refuse(`json: cannot unmarshal a value that is no string into Go struct field .${field} of type string`);
  }
  const gv = parseApiVersion(version);
  if (gv === undefined) throw refuse(`couldn't get version/kind; unexpected GroupVersion string: ${version}`);
  const isKnown = kindFact({ ...gv, kind }) !== undefined;
  const where = 'in scheme "pkg/api/legacyscheme/scheme.go:30"';
  throw refuse(
    isKnown
      ? `unable to decode ${version}, Kind=${kind} into *${info.version}.${info.kind}`
      : `no kind "${kind}" is registered for version "${version}" ${where}`,
  );
}
