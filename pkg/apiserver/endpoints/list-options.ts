/**
 * Options of reads, and what they demand of the cache.
 * Source: `meta/v1` `ListOptions`; apimachinery `apis/meta/internalversion/validation`; API concepts, "resource versions".
 */
import type { ListOptions as WireOptions } from '#pkg/api/types/meta-v1.ts';
import {
  type FieldError,
  forbiddenField,
  invalidObject,
  notSupported,
  pathsOf,
} from '#pkg/apimachinery/field-error.ts';
import { badRequest, resourceVersionTooLarge } from '#pkg/apimachinery/status-error.ts';
import { isTrue } from '../request-info.ts';
import type { Scope } from './scope.ts';

const field = pathsOf<WireOptions>();

/** How long a read waits for a revision that the cache has not reached. Source: `cacher` `blockTimeout`. */
const reachTimeoutMs = 3_000;

/** What a list or watch asks for; `''` where it says nothing. */
export interface ListOptions {
  readonly resourceVersion: string;
  readonly match: '' | 'Exact' | 'NotOlderThan';
  /** 0 for no limit. */
  readonly limit: number;
  readonly continueToken: string;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly allowBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
}

/** What options are of. */
interface ReadKind {
  readonly isWatch: boolean;
  /** Whether a watch can begin with what there is. */
  readonly sendsInitial?: boolean;
}

/** Reads the options of a list or a watch. Throws BadRequest or Invalid. */
export function parseListOptions(query: URLSearchParams, { isWatch, sendsInitial = false }: ReadKind): ListOptions {
  const initial = query.get('sendInitialEvents');
  const options = {
    resourceVersion: query.get('resourceVersion') ?? '',
    match: (query.get('resourceVersionMatch') ?? '') as ListOptions['match'],
    limit: Math.max(0, integer(query, 'limit') ?? 0),
    continueToken: query.get('continue') ?? '',
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    allowBookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: initial === null ? undefined : isTrue(initial),
    timeoutSeconds: integer(query, 'timeoutSeconds'),
  };
  if (query.size === 0) return options;
  const errors = isWatch ? watchErrors(options, sendsInitial) : listErrors(options);
  if (errors.length > 0) throw invalidObject({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors);
  return options;
}

/** A number of the query, as Go reads it. Throws BadRequest. */
export function integer(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const fault = !/^[+-]?\d+$/.test(text)
    ? 'invalid syntax'
    : BigInt.asIntN(64, BigInt(text.replace(/^\+/, ''))) !== BigInt(text.replace(/^\+/, ''))
      ? 'value out of range'
      : '';
  if (fault !== '') throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${fault}`);
  return Number(text);
}

function listErrors(options: ListOptions): FieldError[] {
  const errors: FieldError[] = [];
  if (options.sendInitialEvents !== undefined) {
    errors.push(forbiddenField(field('sendInitialEvents'), 'sendInitialEvents is forbidden for list'));
  }
  if (options.match === '') return errors;
  if (options.resourceVersion === '') {
    errors.push(
      forbiddenField(
        field('resourceVersionMatch'),
        'resourceVersionMatch is forbidden unless resourceVersion is provided',
      ),
    );
  }
  if (options.continueToken !== '') {
    errors.push(
      forbiddenField(field('resourceVersionMatch'), 'resourceVersionMatch is forbidden when continue is provided'),
    );
  }
  if (options.match !== 'Exact' && options.match !== 'NotOlderThan') {
    errors.push(notSupported(field('resourceVersionMatch'), options.match, ['Exact', 'NotOlderThan', '']));
  }
  if (options.match === 'Exact' && options.resourceVersion === '0') {
    const why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"';
    errors.push(forbiddenField(field('resourceVersionMatch'), why));
  }
  return errors;
}

function watchErrors(options: ListOptions, sendsInitial: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (options.sendInitialEvents !== undefined) {
    if (options.match !== 'NotOlderThan') {
      const why = 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan';
      errors.push(forbiddenField(field('resourceVersionMatch'), why));
    }
    if (!sendsInitial) {
      const why = 'sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
      errors.push(forbiddenField(field('sendInitialEvents'), why));
    }
  } else if (options.match !== '') {
    const why = 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided';
    errors.push(forbiddenField(field('resourceVersionMatch'), why));
  }
  if (options.match !== '' && options.match !== 'NotOlderThan') {
    errors.push(notSupported(field('resourceVersionMatch'), options.match, ['NotOlderThan']));
  }
  if (options.match !== '' && options.continueToken !== '') {
    errors.push(
      forbiddenField(field('resourceVersionMatch'), 'resourceVersionMatch is forbidden when continue is provided'),
    );
  }
  return errors;
}

/** The number of a resourceVersion. Throws BadRequest. */
export function parseVersion(text: string): number {
  if (text === '') return 0;
  const isNumber = /^\d+$/.test(text);
  if (!isNumber || text.length > 20 || BigInt(text) >= 2n ** 64n) {
    const quoted = JSON.stringify(text);
    const fault = isNumber ? 'value out of range' : 'invalid syntax';
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: ${fault}`,
    );
  }
  return Number(text);
}

/**
 * Waits until the cache may answer a read at `resourceVersion`: unset is the newest state, `0` whatever there is, `N` a state that
 * is not older. Throws a Timeout that says so when N lies in the future.
 */
export async function waitForVersion(scope: Scope, resourceVersion: string): Promise<number> {
  const { feed } = scope.served.store;
  const wanted = parseVersion(resourceVersion);
  if (wanted > 0) {
    if (feed.revision >= wanted) return feed.revision;
    if (!(await feed.reached(wanted, reachTimeoutMs))) throw resourceVersionTooLarge(wanted, feed.revision);
    return feed.revision;
  }
  // `0` allows an old state, but not one from before the cache was filled.
  return feed.fresh();
}
