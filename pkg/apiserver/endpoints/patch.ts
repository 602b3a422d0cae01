/** PATCH of an object or of a subresource that is a part of it. Source: apiserver `endpoints/handlers/patch.go`. */
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { applyServerSide } from './apply.ts';
import { checkKind } from './body.ts';
import { changeObject } from './change.ts';
import { draftOf } from './decode.ts';
import { patchedValue, patchTypeOf, readPatch } from './patch-value.ts';
import type { Scope } from './scope.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

/** Answers PATCH. */
export async function patchObject(scope: Scope): Promise<ApiResponse> {
  const type = patchTypeOf(scope.request);
  if (type === 'apply') return applyServerSide(scope);
  const options = parseWriteOptions(scope.info.query, 'PatchOptions');
  const patch = readPatch(scope.request);
  const { served } = scope;
  let validation = options.fieldValidation;
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: managerOf(options, scope.request.headers),
    subresource: scope.info.subresource,
    draft(old: KubeObject) {
      const value = patchedValue(type, { patch, old: old as JsonObject, schema: served.schema });
      const expected = { kind: served.info.kind, apiVersion: served.apiVersion };
      checkKind({ value, owned: false, duplicates: [], bytes: noBytes }, expected);
      const draft = draftOf(scope, value, { validation, owned: false });
      // What is warned of once is not warned of again after a lost race.
      if (validation === 'Warn') validation = 'Ignore';
      return draft;
    },
  });
}

const noBytes = new Uint8Array(0);
