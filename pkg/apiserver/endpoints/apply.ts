/** Server-side apply: PATCH with a configuration that its manager wants to be so. Source: apiserver `handlers/patch.go` `applyPatcher`. */

import { decodeYaml } from '#pkg/apimachinery/decode.ts';
import { goValueName } from '#pkg/apimachinery/go-text.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import { deepClone, isObject } from '#pkg/apimachinery/json.ts';
import { applyObject } from '#pkg/apimachinery/managed-fields/apply.ts';
import { typedErrors } from '#pkg/apimachinery/managed-fields/typed-errors.ts';
import { type GroupVersionKind, type JsonObject, type KubeObject, parseApiVersion } from '#pkg/apimachinery/object.ts';
import { omitZeros } from '#pkg/apimachinery/omit-empty.ts';
import { badRequest, conflict, type StatusError } from '#pkg/apimachinery/status-error.ts';
import { timestamp } from '#pkg/base/clock.ts';
import { bytesOf, type RawBody } from './body.ts';
import { changeObject, checkName } from './change.ts';
import { createDraft } from './create.ts';
import { type BodyKind, draftOf, servedKind } from './decode.ts';
import { dropsStatus, withoutReset } from './managers.ts';
import { ensureNamespace, metadataOf } from './metadata.ts';
import type { Scope } from './scope.ts';
import { inVersions } from './versions.ts';
import { type FieldValidation, parseWriteOptions, type WriteOptions } from './write-options.ts';

/** Answers PATCH with an apply configuration. */
export async function applyServerSide(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'PatchOptions', true);
  const config = ownPart(scope, decodeConfig(scope, servedKind(scope), options.fieldValidation));
  scope.audit?.patched(config);
  const { subresource } = scope.info;
  const name = scope.info.parts[1] ?? '';
  const apply = (live: KubeObject | undefined) => applied(scope, config, { live, options, subresource });
  return changeObject(scope, {
    dryRun: options.dryRun,
    manager: options.fieldManager,
    subresource,
    isApply: true,
    draft: apply,
    ...(subresource === ''
      ? {
          async create() {
            if ((config.metadata as KubeObject['metadata'])?.uid) throw noObject(scope, name);
            const draft = await apply(undefined);
            ensureNamespace(scope, metadataOf(draft));
            checkName(scope, metadataOf(draft));
            return createDraft(scope, draft, {
              dryRun: options.dryRun,
              manager: options.fieldManager,
              name,
              isApply: true,
            });
          },
        }
      : {}),
  });
}

function noObject(scope: Scope, name: string): Error {
  return conflict(
    scope.subject,
    name,
    'uid mismatch: the provided object specified a uid, and no existing object was found',
  );
}

/** The configuration in the body, as it is: name and namespace are looked at in what it makes of the object. Throws BadRequest. */
export function decodeConfig(scope: Scope, kind: BodyKind, validation: FieldValidation): JsonObject {
  const raw = readConfig(scope, validation);
  const value = checkConfig(kind, raw.value ?? {});
  const refuse = (why: string): StatusError => untypable(kind, value, why);
  // What the schema does not know cannot be owned, so it is refused whatever the validation asked for.
  const why = typedErrors(value, kind.schema);
  if (why !== undefined) throw refuse(why);
  const config = draftOf(scope, value, { kind, validation: 'Strict', owned: raw.owned, keepsEmpty: true, refuse });
  if ((metadataOf(config).managedFields ?? undefined) !== undefined) {
    throw badRequest('metadata.managedFields must be nil');
  }
  for (const duplicates of raw.duplicates) {
    if (validation === 'Strict') throw badRequest(`error strict decoding YAML: ${duplicates}`);
    scope.warnings.push(duplicates);
  }
  return config;
}

/** The configuration as an object of the kind. Source: `util/managedfields`. Throws BadRequest. */
function checkConfig(expected: BodyKind, value: unknown): JsonObject {
  if (!isObject(value)) {
    const why = `json: cannot unmarshal ${goValueName(value)} into Go value of type map[string]interface {}`;
    throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
  }
  const gv = parseApiVersion(textOf(value.apiVersion)) ?? { group: '', version: '' };
  const kind = textOf(value.kind);
  if (gv.group === expected.group && gv.version === expected.version && kind === expected.kind) return value;
  throw badRequest(`invalid object type: ${kindText({ ...gv, kind })}`);
}

/** A kind as Go prints it. */
function kindText({ group, version, kind }: GroupVersionKind): string {
  return `${group}/${version}, Kind=${kind}`;
}

/** A field that should be text; what else a client has put there is as good as nothing. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** A configuration that is no object of its kind. */
function untypable(kind: BodyKind, { metadata }: JsonObject, why: string): StatusError {
  const { namespace, name } = isObject(metadata) ? metadata : {};
  const place = `${textOf(namespace)}/${textOf(name)}`;
  return badRequest(`failed to create typed patch object (${place}; ${kindText(kind)}): ${why}`);
}

/** What the request may change at all: the rest of the configuration is nobody's. */
function ownPart(scope: Scope, config: JsonObject): JsonObject {
  const { subresource } = scope.info;
  if (subresource === '') return dropsStatus(scope.served) ? withoutReset(scope, config) : config;
  if (subresource !== 'status') return config;
  const { kind, apiVersion, metadata, status } = config;
  return { kind, apiVersion, metadata, ...(status === undefined ? {} : { status }) };
}

function readConfig({ body }: Scope, validation: FieldValidation): RawBody {
  if (body?.kind === 'object') return { value: body.object, owned: false, duplicates: [], bytes: new Uint8Array(0) };
  const bytes = bytesOf(body);
  const decoded = decodeYaml(bytes, { findDuplicates: validation !== 'Ignore', wholeIntegers: true });
  if (!decoded.ok) throw badRequest(`error decoding YAML: ${decoded.error}`);
  const { yamlDuplicates } = decoded;
  const duplicates = yamlDuplicates === undefined ? [] : [`error converting YAML to JSON: ${yamlDuplicates}`];
  return { value: decoded.value, owned: true, duplicates, bytes };
}

/** The object with the configuration laid over it. Throws Conflict. */
export function applied(
  scope: Scope,
  config: JsonObject,
  {
    live,
    options,
    subresource,
  }: { readonly live: KubeObject | undefined; readonly options: WriteOptions; readonly subresource: string },
): JsonObject | Promise<JsonObject> {
  const { served, core } = scope;
  const given = {
    live,
    config: config,
    manager: options.fieldManager,
    force: options.force,
    schema: served.schema,
    apiVersion: served.apiVersion,
    timestamp: timestamp(core.clock),
    subresource,
  };
  const draftOfResult = (result: ReturnType<typeof applyObject>): JsonObject => {
    if (!result.ok) throw result.error;
    // Defaults take the place of zeros that say nothing.
    return deepClone(omitZeros(result.object, served.schema));
  };
  const applying = inVersions(scope, (versions) => applyObject({ ...given, versions }));
  return applying instanceof Promise ? applying.then(draftOfResult) : draftOfResult(applying);
}
