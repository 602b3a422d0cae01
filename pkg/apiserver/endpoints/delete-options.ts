/** Options of a deletion, from the body or the query. Source: `meta/v1` `DeleteOptions` and its validation. */
import { typeSchema } from '#pkg/api/facts.ts';
import { convertAndCheck } from '#pkg/api/validation/structural.ts';
import type { NumberTexts } from '#pkg/apimachinery/decode.ts';
import { type FieldError, invalid, invalidObject, notSupported, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import { RecentTexts } from '../recent-texts.ts';
import { isTrue } from '../request-info.ts';
import { checkKind, mediaTypeOf, readBody } from './body.ts';
import { integer } from './list-options.ts';
import { cannotBeHandled } from './refused-bodies.ts';
import type { Scope } from './scope.ts';

const field = pathsOf<DeleteOptions>();

/** What a deletion asks for; undefined where it says nothing. */
export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: 'Background' | 'Foreground' | 'Orphan' | undefined;
  /** The older form of the policy. */
  readonly orphanDependents: boolean | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
}

interface RawOptions {
  readonly dryRun?: readonly string[];
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: string;
  readonly orphanDependents?: boolean;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

const optionsKind = { kind: 'DeleteOptions' };
const policies = ['Foreground', 'Background', 'Orphan'];

/** A body wins over the query as a whole. Throws BadRequest or Invalid. */
export function parseDeleteOptions(scope: Scope): DeleteOptions {
  const options = fromBody(scope);
  if (options !== undefined)
    scope.audit?.sent({ ...options, kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/__internal' });
  return deleteOptionsOf(options ?? fromQuery(scope.info.query));
}

/** Checks options that came in a body. Throws Invalid. */
export function deleteOptionsOf(raw: RawOptions): DeleteOptions {
  const errors: FieldError[] = [];
  const { propagationPolicy, orphanDependents, gracePeriodSeconds, dryRun = [] } = raw;
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    errors.push(
      invalid(
        field('propagationPolicy'),
        propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    );
  }
  if (propagationPolicy !== undefined && !policies.includes(propagationPolicy)) {
    errors.push(notSupported(field('propagationPolicy'), propagationPolicy, [...policies, 'nil']));
  }
  if (dryRun.some((value) => value !== 'All')) errors.push(notSupported(field('dryRun'), dryRun, ['All']));
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors);
  // A negative period is taken for the smallest. Source: `Store.Delete`, KEP-less fix of 1.22.
  const grace = gracePeriodSeconds !== undefined && gracePeriodSeconds < 0 ? 1 : gracePeriodSeconds;
  return {
    dryRun: dryRun.length > 0,
    gracePeriodSeconds: grace,
    propagationPolicy: propagationPolicy as DeleteOptions['propagationPolicy'],
    orphanDependents,
    uid: raw.preconditions?.uid,
    resourceVersion: raw.preconditions?.resourceVersion,
  };
}

/** What bodies of JSON say: those of most deletions are the same few. */
const knownBodies = new RecentTexts<RawOptions>();

/** Longer ones name an object, and come once. */
const knownBytesMax = 128;

function fromBody({ request, body }: Scope): RawOptions | undefined {
  if (body === undefined || (body.kind === 'bytes' && body.bytes.length === 0)) return undefined;
  const isShort = body.kind === 'bytes' && body.bytes.length <= knownBytesMax;
  if (!isShort || mediaTypeOf(request) !== 'application/json') return optionsIn({ request, body });
  const text = Buffer.from(body.bytes).toString('latin1');
  const known = knownBodies.get(text);
  if (known !== undefined) return known;
  const options = optionsIn({ request, body });
  knownBodies.set(text, options);
  return options;
}

function optionsIn({ request, body }: Pick<Scope, 'request' | 'body'>): RawOptions {
  const raw = readBody({ request, body }, optionsKind.kind, false);
  // Every group serves these options under its own version, so any apiVersion will do.
  const apiVersion = isObject(raw.value) && typeof raw.value.apiVersion === 'string' ? raw.value.apiVersion : '';
  return convertOptions(checkKind(raw, { ...optionsKind, apiVersion: apiVersion || 'v1' }), raw.numbers);
}

/** Options inside another object, such as an Eviction, or as a body. Throws BadRequest for values of a wrong type. */
export function convertOptions(value: unknown, numbers?: NumberTexts): RawOptions {
  const schema = typeSchema('io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions');
  const { object, typeError } = convertAndCheck(value, schema, { strict: 'Ignore', ...(numbers && { numbers }) });
  if (typeError !== undefined)
    throw cannotBeHandled({ group: '', version: 'v1', kind: 'DeleteOptions' }, 'DeleteOptions', typeError);
  return object;
}

function fromQuery(query: URLSearchParams): RawOptions {
  const grace = integer(query, 'gracePeriodSeconds');
  const policy = query.get('propagationPolicy');
  const orphan = query.get('orphanDependents');
  return {
    dryRun: query.getAll('dryRun'),
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(policy === null ? {} : { propagationPolicy: policy }),
    ...(orphan === null ? {} : { orphanDependents: isTrue(orphan) }),
  };
}
