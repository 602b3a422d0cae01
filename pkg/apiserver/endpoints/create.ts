/** CREATE of an object. Source: apiserver `endpoints/handlers/create.go`, `registry/generic/registry/store.go` `Create`. */
import { invalidObject, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { alreadyExists, badRequest, StatusError } from '#pkg/apimachinery/status-error.ts';
import { writeUnsetAgain } from '#pkg/apimachinery/write-unset.ts';
import { draftResponse } from '../responses.ts';
import { asIfStored } from '../storage/version-view.ts';
import type { AdmissionAttributes, StrategyContext } from '../strategy.ts';
import { decodeDraft, prepareDraft } from './decode.ts';
import { dropsStatus, trackManager } from './managers.ts';
import { ensureNamespace, generateName, metadataOf, stampNew } from './metadata.ts';
import { entryResponse } from './read.ts';
import { settle } from './reserved.ts';
import { type Scope, strategyContext } from './scope.ts';
import { checkObject } from './validate.ts';
import { managerOf, parseWriteOptions } from './write-options.ts';

const field = pathsOf<KubeObject>();

/** How often a generated name that is taken is replaced by another. Source: `maxNameGenerationCreateAttempts`. */
const generateAttemptsMax = 8;

/** Answers POST to a collection. */
export async function createObject(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const draft = decodeDraft(scope, options.fieldValidation);
  return createDraft(scope, draft, { ...options, manager: managerOf(options, scope.request.headers), name: '' });
}

/** In whose name, and under which name, a draft is created. */
export interface CreateDraftOptions {
  readonly dryRun: boolean;
  readonly manager: string;
  /** The name that the path demands, for creation by update; `''` otherwise. */
  readonly name: string;
  /** Managed fields are already in the draft. */
  readonly isApply?: boolean;
}

/** Creates what a draft of the served version says. */
export async function createDraft(scope: Scope, draft: JsonObject, options: CreateDraftOptions): Promise<ApiResponse> {
  const { served } = scope;
  const context = strategyContext(scope, options.dryRun);
  const metadata = metadataOf(draft);
  if ((metadata.resourceVersion ?? '') !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  ensureNamespace(scope, metadata);
  prepareDraft(scope, draft);
  const generated = ensureName(scope, metadata, options.name);
  if (!options.isApply) trackManager(scope, { draft, old: undefined, manager: options.manager, subresource: '' });
  const attributes: AdmissionAttributes = {
    operation: 'CREATE',
    group: served.info.group,
    version: served.info.version,
    resource: served.info.resource,
    subresource: '',
    kind: served.info.kind,
    namespace: scope.info.namespace,
    name: (metadata.name as string | undefined) ?? '',
    draft,
    old: undefined,
  };
  const admitting = scope.core.admission.admit(attributes, context);
  if (admitting !== undefined) await admitting;
  stampNew(scope, metadata);
  resetStatus(scope, draft);
  const warned = scope.warnings.length;
  served.strategy.prepareForCreate?.(draft, context);
  writeUnsetAgain(draft, served.schema);
  checkObject(scope, draft, undefined, { context, subresource: '', warned });
  const validating = scope.core.admission.validate(attributes, context);
  if (validating !== undefined) await validating;
  const reserving = scope.core.admission.reserve(attributes, context);
  if (reserving === undefined) return storeNamed(scope, draft, { context, generated });
  return settle(await reserving, () => storeNamed(scope, draft, { context, generated }));
}

/** Writes the draft; under another name where one that was generated is taken. */
async function storeNamed(
  scope: Scope,
  draft: JsonObject,
  { context, generated }: { readonly context: StrategyContext; readonly generated: boolean },
): Promise<ApiResponse> {
  const metadata = metadataOf(draft);
  for (let attempt = 1; ; attempt++) {
    const answer = await store(scope, draft, context);
    if (answer !== undefined) return answer;
    if (!generated || attempt >= generateAttemptsMax) throw await taken(scope, metadata, generated);
    metadata.name = generateName(scope, metadata);
  }
}

/** Writes the draft; undefined when its name is taken. */
async function store(scope: Scope, draft: JsonObject, context: StrategyContext): Promise<ApiResponse | undefined> {
  const { served, core } = scope;
  const metadata = draft.metadata as JsonObject;
  const key = served.store.key(scope.info.namespace, metadata.name as string);
  const reservation = served.strategy.begin && (await served.strategy.begin(draft, undefined, context, core.reader));
  let kept = false;
  try {
    if (context.dryRun) {
      if ((await served.store.get(key)) !== undefined) return undefined;
      return draftResponse(201, asIfStored(served.view, draft));
    }
    const result = await served.store.put(key, served.view.toStored(draft), 0);
    if (!result.ok) return undefined;
    kept = true;
    return entryResponse(201, scope, result.entry);
  } finally {
    if (kept) reservation?.commit();
    else reservation?.rollback();
  }
}

/** Generates the name when there is none; returns whether it did. */
function ensureName(scope: Scope, metadata: JsonObject, wanted: string): boolean {
  if (wanted !== '') {
    metadata.name ??= wanted;
    return false;
  }
  if ((metadata.name ?? '') !== '') return false;
  if ((metadata.generateName ?? '') !== '') {
    metadata.name = generateName(scope, metadata);
    return true;
  }
  const error = required(field('metadata.name'), 'name or generateName is required');
  throw invalidObject(scope.served.info, '', [error]);
}

/** A client does not set the status of a new object where that is a subresource. */
function resetStatus(scope: Scope, draft: JsonObject): void {
  if (dropsStatus(scope.served) && scope.served.strategy.prepareForCreate === undefined) delete draft.status;
}

/** The refusal of a name that is taken. It says so when that is about to change. */
async function taken({ served, subject, info }: Scope, metadata: JsonObject, generated: boolean): Promise<StatusError> {
  const name = metadata.name as string;
  const holder = await served.store.get(served.store.key(info.namespace, name));
  const { message, status } = alreadyExists(subject, name);
  const isGoing = holder?.object.metadata?.deletionTimestamp !== undefined;
  const suffix = generated ? ', the server was not able to generate a unique name for the object' : '';
  return new StatusError({
    code: 409,
    reason: 'AlreadyExists',
    message: `${isGoing ? 'object is being deleted: ' : ''}${message}${suffix}`,
    details: { ...status.details, ...(generated ? { retryAfterSeconds: 1 } : {}) },
  });
}
