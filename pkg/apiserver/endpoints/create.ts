/** CREATE of an object. Source: apiserver `endpoints/handlers/create.go`, `registry/generic/registry/store.go` `Create`. */
import { invalidObject, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { alreadyExists, badRequest, StatusError } from '#pkg/apimachinery/status-error.ts';
import { noFields, writeUnsetAgain } from '#pkg/apimachinery/write-unset.ts';
import { draftResponse } from '../responses.ts';
import { asIfStored } from '../storage/version-view.ts';
import type { AdmissionAttributes, StrategyContext } from '../strategy.ts';
import { decodeNew, keptSpec, prepareDraft, tellSent } from './decode.ts';
import { createdSets, type FinalSpec, finalSpec, rememberGood, type SentSpec } from './known-specs.ts';
import { dropsStatus, trackManager } from './managers.ts';
import { ensureNamespace, generateName, metadataOf, stampNew } from './metadata.ts';
import { entryResponse } from './read.ts';
import { settle } from './reserved.ts';
import { type Scope, strategyContext } from './scope.ts';
import { checkObject } from './validate.ts';
import { type FieldValidation, managerOf, parseWriteOptions } from './write-options.ts';

const field = pathsOf<KubeObject>();

/** How often a generated name that is taken is replaced by another. Source: `maxNameGenerationCreateAttempts`. */
const generateAttemptsMax = 8;

/** Answers POST to a collection. */
export async function createObject(scope: Scope): Promise<ApiResponse> {
  const options = parseWriteOptions(scope.info.query, 'CreateOptions');
  const { draft, sent } = decodeNew(scope, options.fieldValidation);
  tellSent(scope, draft);
  const manager = managerOf(options, scope.request.headers);
  return createDraft(scope, draft, { ...options, manager, name: '', ...(sent === undefined ? {} : { sent }) });
}

/** In whose name, and under which name, a draft is created. */
export interface CreateDraftOptions {
  readonly dryRun: boolean;
  readonly manager: string;
  /** The name that the path demands, for creation by update; `''` otherwise. */
  readonly name: string;
  /** Managed fields are already in the draft. */
  readonly isApply?: boolean;
  /** The spec as it was sent, and how strictly it was decoded. */
  readonly sent?: SentSpec;
  readonly fieldValidation?: FieldValidation;
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
  const known = options.sent?.known;
  prepareDraft(scope, draft, known === undefined ? noFields : keptSpec);
  const generated = ensureName(scope, metadata, options.name);
  const tracking = options.isApply ? undefined : trackCreation(scope, draft, options);
  if (tracking !== undefined) await tracking;
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
  const spec = checkNew(scope, draft, context);
  const validating = scope.core.admission.validate(attributes, context);
  if (validating !== undefined) await validating;
  const reserving = scope.core.admission.reserve(attributes, context);
  const naming = { context, generated, specText: spec?.text };
  if (reserving === undefined) return storeNamed(scope, draft, naming);
  return settle(await reserving, () => storeNamed(scope, draft, naming));
}

interface Naming {
  readonly context: StrategyContext;
  readonly generated: boolean;
  readonly specText: string | undefined;
}

/** Writes the draft; under another name where one that was generated is taken. */
async function storeNamed(
  scope: Scope,
  draft: JsonObject,
  { context, generated, specText }: Naming,
): Promise<ApiResponse> {
  const metadata = metadataOf(draft);
  for (let attempt = 1; ; attempt++) {
    const answer = await store(scope, draft, context, specText);
    if (answer !== undefined) return answer;
    if (!generated || attempt >= generateAttemptsMax) throw await taken(scope, metadata, generated);
    metadata.name = generateName(scope, metadata);
  }
}

/** Puts the fields down to their manager. What the spec has become is remembered, as they are the first thing that is made of it. */
function trackCreation(
  scope: Scope,
  draft: JsonObject,
  { manager, sent, fieldValidation = 'Ignore' }: CreateDraftOptions,
): Promise<void> | undefined {
  const created = sent && createdSets(scope, sent, { draft, validation: fieldValidation });
  return trackManager(scope, {
    draft,
    old: undefined,
    manager,
    subresource: '',
    ...(created === undefined ? {} : { created }),
  });
}

/** Completes a draft that admission has let pass, and checks it. Returns the spec, where that may be known, which nobody changes from now on. */
function checkNew(scope: Scope, draft: JsonObject, context: StrategyContext): FinalSpec | undefined {
  const { served, warnings } = scope;
  stampNew(scope, metadataOf(draft));
  resetStatus(scope, draft);
  const warned = warnings.length;
  const spec = finalSpec(scope, draft);
  const told = spec?.isGood === true ? { ...context, isSpecGood: true } : context;
  served.strategy.prepareForCreate?.(draft, told);
  writeUnsetAgain(draft, served.schema);
  checkObject(scope, draft, undefined, { context: told, subresource: '', warned });
  if (spec !== undefined && warnings.length === warned) rememberGood(scope, draft, spec);
  return spec;
}

/** Writes the draft; undefined when its name is taken. `specText` is its spec as JSON, where that was made already. */
async function store(
  scope: Scope,
  draft: JsonObject,
  context: StrategyContext,
  specText: string | undefined,
): Promise<ApiResponse | undefined> {
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
    const texts = specText === undefined || !served.view.isStored ? undefined : { spec: specText };
    const result = await served.store.put(key, served.view.toStored(draft), 0, texts);
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
