/**
 * Asks a server of somebody else's whether a pod may have its images. What it says counts for a time.
 * Source: upstream `plugin/pkg/admission/imagepolicy`.
 */
import { pods } from '#pkg/api/types/refs.ts';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject, KubeObject } from '#pkg/apimachinery/object.ts';
import {
  type AdmissionAttributes,
  type AdmissionPlugin,
  about,
  type StrategyContext,
} from '#pkg/apiserver/strategy.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { AnswerCache } from '../../remote/answer-cache.ts';
import { checkedFields } from '../../remote/config-shape.ts';
import { askRemote, type RemoteDeps, type RemoteServer } from '../../remote/remote-server.ts';
import { refusal } from '../refusal.ts';

/** How the server is asked. */
export interface ImagePolicy {
  /** Path of the file that says where it is. */
  readonly kubeConfigFile: string;
  /** How long what it allows counts. */
  readonly allowMs: number;
  /** How long its refusals count. */
  readonly denyMs: number;
  /** First pause before it is asked again. */
  readonly backoffMs: number;
  /** What holds where it cannot be asked. */
  readonly defaultAllow: boolean;
}

interface Fields {
  readonly kubeConfigFile?: string;
  /** Seconds; 0: the default, -1: none. */
  readonly allowTTL?: number;
  readonly denyTTL?: number;
  /** Milliseconds, with the same two. */
  readonly retryBackoff?: number;
  readonly defaultAllow?: boolean;
}

const root = 'imagePolicy';
const shape = {
  [root]: {
    fields: {
      kubeConfigFile: 'string',
      allowTTL: 'number',
      denyTTL: 'number',
      retryBackoff: 'number',
      defaultAllow: 'boolean',
    },
  },
} as const;

const ttlSeconds = { allowDefault: 300, denyDefault: 30, min: 1, max: 1_800 };
const backoffMs = { byDefault: 500, min: 1, max: 300_000 };
const attemptSeconds = 30;
const auditPrefix = 'imagepolicywebhook.image-policy.k8s.io/';
const ownAnnotations = '.image-policy.k8s.io/';

/** Reads the configuration. Throws an `Error` in one line. */
export function readImagePolicy(value: unknown): ImagePolicy {
  const config: { [root]?: Fields } = checkedFields(value, shape);
  const { kubeConfigFile = '', allowTTL = 0, denyTTL = 0, retryBackoff = 0, defaultAllow = false } = config[root] ?? {};
  if (kubeConfigFile === '') throw new Error(`${root}.kubeConfigFile: Required value`);
  const { min, max } = ttlSeconds;
  const ttl = (name: string, given: number, byDefault: number): number =>
    within(name, given, { min, max, byDefault }) * 1_000;
  return {
    kubeConfigFile,
    allowMs: ttl('allowTTL', allowTTL, ttlSeconds.allowDefault),
    denyMs: ttl('denyTTL', denyTTL, ttlSeconds.denyDefault),
    backoffMs: within('retryBackoff', retryBackoff, backoffMs),
    defaultAllow,
  };
}

function within(
  name: string,
  given: number,
  { min, max, byDefault }: { readonly min: number; readonly max: number; readonly byDefault: number },
): number {
  if (given === -1) return 0;
  if (given === 0) return byDefault;
  if (given >= min && given <= max) return given;
  throw new Error(`${root}.${name}: Invalid value: ${given}: valid value is between ${min} and ${max}`);
}

interface Verdict {
  readonly allowed: boolean;
  readonly reason: string;
  readonly audit: JsonObject;
}

/** The plugin; `server` is what the file of `policy` says. */
export function imagePolicyWebhookPlugin(
  { policy, server }: { readonly policy: ImagePolicy; readonly server: RemoteServer },
  deps: RemoteDeps,
): AdmissionPlugin {
  const cache = new AnswerCache<Verdict>(deps.clock);
  const ask = async (spec: JsonObject): Promise<Verdict> => {
    const question = JSON.stringify(spec);
    const kept = cache.get(question);
    if (kept !== undefined) return kept;
    const review = { apiVersion: 'imagepolicy.k8s.io/v1alpha1', kind: 'ImageReview', metadata: {}, spec, status: {} };
    const answer = await askRemote(server, review, {
      ...deps,
      seconds: attemptSeconds,
      firstPauseMs: policy.backoffMs,
    });
    const { allowed, reason, auditAnnotations }: JsonObject = isObject(answer.status) ? answer.status : {};
    const verdict = {
      allowed: allowed === true,
      reason: typeof reason === 'string' ? reason : '',
      audit: isObject(auditAnnotations) ? auditAnnotations : {},
    };
    cache.keep(question, verdict, verdict.allowed ? policy.allowMs : policy.denyMs);
    return verdict;
  };
  return {
    name: 'ImagePolicyWebhook',
    handles: (attributes) =>
      (attributes.operation === 'CREATE' || attributes.operation === 'UPDATE') && imagesOf(attributes) !== undefined,
    async validate(attributes, { audit }: StrategyContext) {
      let verdict: Verdict;
      try {
        verdict = await ask(specOf(attributes));
      } catch (error) {
        if (!policy.defaultAllow) throw refusal(attributes, errorText(error));
        audit?.annotate(`${auditPrefix}failed-open`, 'true');
        return;
      }
      for (const [key, value] of Object.entries(verdict.audit)) audit?.annotate(auditPrefix + key, String(value));
      if (verdict.allowed) return;
      const { reason } = verdict;
      const why =
        reason === ''
          ? 'one or more images rejected by webhook backend'
          : `image policy webhook backend denied one or more images: ${reason}`;
      throw refusal(attributes, why);
    },
  };
}

/** Those that a request is about; undefined where it is about none. */
function imagesOf(attributes: AdmissionAttributes): readonly string[] | undefined {
  const spec = about(attributes, pods)?.draft?.spec;
  if (spec !== undefined)
    return [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ image = '' }) => image);
  const later = about(attributes, pods, 'ephemeralcontainers')?.draft?.spec;
  return later?.ephemeralContainers?.map(({ image = '' }) => image);
}

function specOf(attributes: AdmissionAttributes): JsonObject {
  const { annotations = {} } = metadataOf(attributes.draft) ?? {};
  const own = Object.entries(annotations).filter(([name]) => name.includes(ownAnnotations));
  return {
    containers: (imagesOf(attributes) ?? []).map((image) => ({ image })),
    ...(own.length === 0 ? {} : { annotations: Object.fromEntries(own) }),
    namespace: attributes.namespace,
  };
}

function metadataOf(draft: KubeObject | undefined): KubeObject['metadata'] {
  return draft?.metadata;
}
