/** CREATE of an object. Source: apiserver `endpoints/handlers/create.go`, `registry/generic/registry/store.go` `Create`. */
import { invalidObject, pathsOf, required } from '#pkg/apimachinery/field-error.ts';
import type { ApiResponse } from '#pkg/apimachinery/http.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import { alreadyExists, badRequest, StatusError } from '#pkg/apimachinery/status-error.ts';
import { noFields, writeUnsetAgain } from '#pkg/apimachinery/write-unset.ts';
import { type Awaitable, onceThere } from '#pkg/base/async.ts';
import { draftResponse } from '../responses.ts';
import { asIfStored } from '../storage/version-view.ts';
import type { AdmissionAttributes, StrategyContext } from '../strategy.ts';
import { decodeNew, keptSpec, prepareDraft, tellSent } from './decode.ts';
import {
  type CompleteSpec,
  createdSets,
  type FinalSpec,
  finalSpec,
  rememberGood,
  type SentSpec,
} from './known-specs.ts';
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
export function createObject(scope: Scope): Awaitable<ApiResponse> {
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

/** Creates what a draft of the served version says. Nothing is waited for, not even for a turn of the event loop, unless a step has to wait. */
export function createDraft(scope: Scope, draft: JsonObject, options: CreateDraftOptions): Awaitable<ApiResponse> {
  const context = strategyContext(scope, options.dryRun);
  const metadata = metadataOf(draft);
  const isVersioned = (metadata.resourceVersion ?? '') !== '';
  ensureNamespace(scope, metadata);
  const known = options.sent?.known;
  prepareDraft(scope, draft, known === undefined ? noFields : keptSpec);
  const generated = ensureName(scope, metadata, options.name);
  const tracking = options.isApply ? undefined : trackCreation(scope, draft, options);
  const creation = { context, generated, isVersioned, known };
  if (tracking !== undefined) return tracking.then(() => admitNew(scope, draft, creation));
  return admitNew(scope, draft, creation);
}

function admitNew(
  scope: Scope,
  draft: JsonObject,
  { context, generated, isVersioned, known }: Omit<Creation, 'attributes' | 'draft'>,
): Awaitable<ApiResponse> {
  const { info } = scope.served;
  const { name } = metadataOf(draft);
  const attributes: AdmissionAttributes = {
    operation: 'CREATE',
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: '',
    kind: info.kind,
    namespace: scope.info.namespace,
    name: typeof name === 'string' ? name : '',
    draft,
    old: undefined,
  };
  const state = { draft, attributes, context, generated, isVersioned, known };
  const admitting = scope.core.admission.admit(attributes, context);
  return admitting === undefined ? checkAdmitted(scope, state) : admitting.then(() => checkAdmitted(scope, state));
}

interface Creation {
  readonly draft: JsonObject;
  readonly attributes: AdmissionAttributes;
  readonly context: StrategyContext;
  /** Its name was. */
  readonly generated: boolean;
  /** It came with a resourceVersion. */
  readonly isVersioned: boolean;
  /** What its spec is before admission, where that came before. */
  readonly known: CompleteSpec | undefined;
}

/** Checks what is to be stored and stores it. */
function checkAdmitted(scope: Scope, state: Creation): Awaitable<ApiResponse> {
  const spec = checkNew(scope, state);
  checkUnversioned(state);
  const write = (): Awaitable<ApiResponse> => storeNamed(scope, state, spec?.text);
  const validating = scope.core.admission.validate(state.attributes, state.context);
  if (validating === undefined) return storeReserved(scope, state, write);
  return validating.then(() => storeReserved(scope, state, write));
}

/** Throws BadRequest. It is the store that refuses a version, once all else is well, and nobody asks it in a dry run. Source: `DryRunnableStorage.Create`. */
function checkUnversioned({ isVersioned, context }: Creation): void {
  if (isVersioned && !context.dryRun) throw badRequest('resourceVersion should not be set on objects to be created');
}

function storeReserved(
  scope: Scope,
  { attributes, context }: Creation,
  write: () => Awaitable<ApiResponse>,
): Awaitable<ApiResponse> {
  const reserving = scope.core.admission.reserve(attributes, context);
  return reserving === undefined ? write() : reserving.then((reservation) => settle(reservation, write));
}

/** Writes the draft; under another name where one that was generated is taken. */
function storeNamed(scope: Scope, state: Creation, specText: string | undefined, attempt = 1): Awaitable<ApiResponse> {
  return onceThere(store(scope, state, specText), (answer) => {
    if (answer !== undefined) return answer;
    const metadata = metadataOf(state.draft);
    if (!state.generated || attempt >= generateAttemptsMax) return refuseTaken(scope, metadata, state.generated);
    metadata.name = generateName(scope, metadata);
    return storeNamed(scope, state, specText, attempt + 1);
  });
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
function checkNew(scope: Scope, { draft, context, known }: Creation): FinalSpec | undefined {
  const { served, warnings } = scope;
  stampNew(scope, metadataOf(draft));
  resetStatus(scope, draft);
  const warned = warnings.length;
  const spec = finalSpec(scope, draft, known);
  const told = spec?.isGood === true ? { ...context, isSpecGood: true } : context;
  served.strategy.prepareForCreate?.(draft, told);
  writeUnsetAgain(draft, served.schema);
  checkObject(scope, draft, undefined, { context: told, subresource: '', warned });
  if (spec !== undefined && warnings.length === warned) rememberGood(scope, draft, spec);
  return spec;
}

/** Writes the draft; undefined when its name is taken. `specText` is its spec as JSON, where that was made already. */
function store(scope: Scope, state: Creation, specText: string | undefined): Awaitable<ApiResponse | undefined> {
  return scope.served.strategy.begin === undefined ? write(scope, state, specText) : writeBegun(scope, state, specText);
}

/** The same where something is reserved for the write. */
async function writeBegun(
  scope: Scope,
  state: Creation,
  specText: string | undefined,
): Promise<ApiResponse | undefined> {
  const { draft, context } = state;
  const reservation = await scope.served.strategy.begin?.(draft, undefined, context, scope.core.reader);
  let kept = false;
  try {
    const answer = await write(scope, state, specText);
    kept = answer !== undefined && !context.dryRun;
    return answer;
  } finally {
    await (kept ? reservation?.commit() : reservation?.rollback());
  }
}

function write(
  scope: Scope,
  { draft, context }: Creation,
  specText: string | undefined,
): Awaitable<ApiResponse | undefined> {
  const { store: objects, view } = scope.served;
  const key = objects.key(scope.info.namespace, (draft.metadata as JsonObject).name as string);
  if (context.dryRun) {
    return onceThere(objects.get(key), (there) =>
      there === undefined ? draftResponse(201, asIfStored(view, draft)) : undefined,
    );
  }
  const known = specText === undefined || !view.isStored ? undefined : { texts: { spec: specText } };
  return onceThere(objects.put(key, view.toStored(draft), 0, known), (result) =>
    result.ok ? entryResponse(201, scope, result.entry) : undefined,
  );
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

/** Refuses a name that is taken. Says so when that is about to change. */
async function refuseTaken({ served, subject, info }: Scope, metadata: JsonObject, generated: boolean): Promise<never> {
  const name = metadata.name as string;
  const holder = await served.store.get(served.store.key(info.namespace, name));
  const { message, status } = alreadyExists(subject, name);
  const isGoing = holder?.object.metadata?.deletionTimestamp !== undefined;
  const suffix = generated ? ', the server was not able to generate a unique name for the object' : '';
  throw new StatusError({
    code: 409,
    reason: 'AlreadyExists',
    message: `${isGoing ? 'object is being deleted: ' : ''}${message}${suffix}`,
    details: { ...status.details, ...(generated ? { retryAfterSeconds: 1 } : {}) },
  });
}
