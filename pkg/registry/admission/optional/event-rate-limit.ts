/**
 * Lets so many events in a second be written to the server, of a namespace, by a user, or of a source about an object, and refuses others.
 * Source: upstream `plugin/pkg/admission/eventratelimit`; client-go `flowcontrol` `TryAccept`.
 */
import { at, child, type FieldError, invalid, notSupported, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '#pkg/apiserver/strategy.ts';
import type { UserInfo } from '#pkg/apiserver/user-info.ts';
import { RecentMap } from '#pkg/base/recent-map.ts';
import { refuseConfig } from '../../remote/config-errors.ts';
import { checkedConfig } from '../../remote/config-shape.ts';

const types = ['Namespace', 'Server', 'SourceAndObject', 'User'] as const;

/** One limit. */
export interface EventLimit {
  readonly type?: string;
  /** Events in a second. */
  readonly qps?: number;
  /** Events at once. */
  readonly burst?: number;
  /** How many namespaces, users or sources are remembered; the one that was heard of least lately is forgotten. Default, and 0: 4,096. */
  readonly cacheSize?: number;
}

interface Configuration {
  readonly limits?: readonly EventLimit[];
}

const kind = {
  kind: 'Configuration',
  group: 'eventratelimit.admission.k8s.io',
  versions: ['v1alpha1'],
  fields: { limits: { list: { fields: { type: 'string', qps: 'number', burst: 'number', cacheSize: 'number' } } } },
} as const;

const cacheSizeDefault = 4_096;
const field = pathsOf<Configuration>();

/** Reads the configuration. Throws an `Error` that says in one line all that is wrong. */
export function readEventLimits(value: unknown): readonly EventLimit[] {
  const { limits = [] }: Configuration = checkedConfig(value, kind);
  const root = field('limits');
  refuseConfig(
    limits.length === 0
      ? [invalid(root, 'null', 'must not be empty')]
      : limits.flatMap(({ type = '', qps = 0, burst = 0, cacheSize = 0 }, index): readonly FieldError[] => {
          const path = at(root, index);
          const isKnown = types.some((one) => one === type);
          return [
            ...(isKnown ? [] : [notSupported(child(path, 'type'), type, types)]),
            ...(burst > 0 ? [] : [invalid(child(path, 'burst'), burst, 'must be positive')]),
            ...(qps > 0 ? [] : [invalid(child(path, 'qps'), qps, 'must be positive')]),
            ...(cacheSize >= 0 || type === 'Server'
              ? []
              : [invalid(child(path, 'cacheSize'), cacheSize, 'must not be negative')]),
          ];
        }),
  );
  return limits;
}

/** The plugin, by these limits. */
export function eventRateLimitPlugin(limits: readonly EventLimit[]): AdmissionPlugin {
  const limiters = limits.map((limit) => ({
    limit,
    buckets: new RecentMap<Bucket>(limit.cacheSize || cacheSizeDefault),
  }));
  return {
    name: 'EventRateLimit',
    handles: ({ operation, kind: asked, group }) =>
      (operation === 'CREATE' || operation === 'UPDATE') &&
      asked === 'Event' &&
      (group === '' || group === 'events.k8s.io'),
    validate(attributes, { dryRun, user, networkClock }) {
      if (dryRun) return;
      const nowMs = networkClock.monotonicMs();
      const reached = limiters.flatMap(({ limit, buckets }) => {
        const key = keyOf(limit.type, attributes, user);
        return take(buckets, { key, limit, nowMs }) ? [] : [`limit reached on type ${limit.type} for key ${key}`];
      });
      if (reached.length === 0) return;
      const why = reached.length === 1 ? reached[0] : `[${reached.join(', ')}]`;
      throw new StatusError({ code: 429, reason: 'TooManyRequests', message: `Too many requests: ${why}` });
    },
  };
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Takes one token; false where there is none. */
function take(
  buckets: RecentMap<Bucket>,
  { key, limit, nowMs }: { readonly key: string; readonly limit: EventLimit; readonly nowMs: number },
): boolean {
  const { qps = 0, burst = 0 } = limit;
  const bucket = buckets.get(key) ?? { tokens: burst, atMs: nowMs };
  bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) / 1_000) * qps);
  bucket.atMs = nowMs;
  buckets.set(key, bucket);
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

/** What a limit counts by. An event of the newer group has the same fields under other names. */
function keyOf(type: EventLimit['type'], { namespace, draft }: AdmissionAttributes, user: UserInfo): string {
  if (type === 'Namespace') return namespace;
  if (type === 'User') return user.name;
  if (type !== 'SourceAndObject') return '';
  const source = objectIn(draft?.source ?? draft?.deprecatedSource);
  const object = objectIn(draft?.involvedObject ?? draft?.regarding);
  const { component, host } = source;
  return [component, host, object.kind, object.namespace, object.name, object.uid, object.apiVersion]
    .map((part) => (typeof part === 'string' ? part : ''))
    .join('');
}

function objectIn(value: unknown): JsonObject {
  return isObject(value) ? value : {};
}
