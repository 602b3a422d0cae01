/**
 * Refuses pods that violate the Pod Security Standards as far as the labels of their namespace ask for it, and warns of workloads that would make such
 * pods. Labels of namespaces are checked, and a stricter one warns of the pods that are there.
 * Not done: audit annotations, as there is no audit log. Source: pod-security-admission `admission/admission.go`; upstream
 * `plugin/pkg/admission/security/podsecurity`.
 */
import type { Namespace, Pod, PodSpec, PodTemplateSpec } from '#pkg/api/types/core-v1.ts';
import {
  cronJobs,
  daemonSets,
  deployments,
  jobs,
  namespaces,
  pods,
  podTemplates,
  replicaSets,
  replicationControllers,
  statefulSets,
} from '#pkg/api/types/refs.ts';
import { fields, type Given } from '#pkg/apimachinery/draft.ts';
import { invalidObject } from '#pkg/apimachinery/field-error.ts';
import type { KubeObject } from '#pkg/apimachinery/object.ts';
import { forbidden, internalError } from '#pkg/apimachinery/status-error.ts';
import {
  type AdmissionAttributes,
  type AdmissionPlugin,
  about,
  type RegistryReader,
  readAll,
  readOne,
  type StrategyContext,
} from '#pkg/apiserver/strategy.ts';
import { onceThere } from '#pkg/base/async.ts';
import type { CheckedPod } from './check.ts';
import {
  isStricter,
  type LevelVersion,
  levelText,
  parsePolicy,
  privilegedPolicy,
  type SecurityPolicy,
  sameLevel,
  violationsOf,
  violationText,
} from './policy.ts';

/** What holds beside the labels of namespaces. */
export interface PodSecurityOptions {
  /** What holds where labels do not say otherwise. Default: everything is allowed. */
  readonly defaults?: SecurityPolicy;
  /** Who and what is not looked at. Default: nobody and nothing. */
  readonly exemptions?: {
    readonly usernames?: readonly string[];
    readonly namespaces?: readonly string[];
    readonly runtimeClasses?: readonly string[];
  };
}

/** Pods that a change of a namespace looks at, at most; the rest is said not to have been looked at. Source: `defaultNamespaceMaxPodsToCheck`. */
const namespacePodsMax = 3_000;

/** Subresources of pods by which nothing of what is looked at can change. */
const ignoredSubresources: ReadonlySet<string> = new Set([
  ...['attach', 'binding', 'eviction', 'exec', 'log', 'portforward', 'proxy', 'status'],
]);

type Template = Given<PodTemplateSpec> | null | undefined;

/** Where workloads have their pod template, by resource and group. */
const templates: Readonly<Record<string, (attributes: AdmissionAttributes) => Template>> = {
  'replicationcontrollers/': (asked) => about(asked, replicationControllers)?.draft?.spec?.template,
  'podtemplates/': (asked) => about(asked, podTemplates)?.draft?.template,
  'replicasets/apps': (asked) => about(asked, replicaSets)?.draft?.spec?.template,
  'deployments/apps': (asked) => about(asked, deployments)?.draft?.spec?.template,
  'statefulsets/apps': (asked) => about(asked, statefulSets)?.draft?.spec?.template,
  'daemonsets/apps': (asked) => about(asked, daemonSets)?.draft?.spec?.template,
  'jobs/batch': (asked) => about(asked, jobs)?.draft?.spec?.template,
  'cronjobs/batch': (asked) => about(asked, cronJobs)?.draft?.spec?.jobTemplate?.spec?.template,
};

/** Their resources alone, as nearly every write is of none of them. */
const templateResources: ReadonlySet<string> = new Set(
  Object.keys(templates).map((name) => name.slice(0, name.indexOf('/'))),
);

/** The plugin; upstream's defaults unless told otherwise. */
export function createPodSecurityPlugin(options: PodSecurityOptions = {}): AdmissionPlugin {
  const { defaults = privilegedPolicy, exemptions = {} } = options;
  const rules: Rules = {
    defaults,
    usernames: new Set(exemptions.usernames),
    namespaces: new Set(exemptions.namespaces),
    runtimeClasses: new Set(exemptions.runtimeClasses),
    policies: new WeakMap(),
  };
  return {
    name: 'PodSecurity',
    handles: ({ operation, group, resource, subresource }) => {
      if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
      if (group === '' && resource === 'pods') return !ignoredSubresources.has(subresource);
      if (subresource !== '') return false;
      if (group === '' && resource === 'namespaces') return true;
      return templateResources.has(resource) && templates[`${resource}/${group}`] !== undefined;
    },
    validate: (attributes, context, reader) => {
      const request = { attributes, context, reader, rules };
      const namespace = about(attributes, namespaces);
      return namespace === undefined ? validatePods(request) : validateNamespace(namespace, request);
    },
  };
}

interface Rules {
  readonly defaults: SecurityPolicy;
  readonly usernames: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
  readonly runtimeClasses: ReadonlySet<string>;
  /** What was read of the labels of a namespace, for the many pods that come to it. */
  readonly policies: WeakMap<KubeObject, SecurityPolicy>;
}

interface Request {
  readonly attributes: AdmissionAttributes;
  readonly context: StrategyContext;
  readonly reader: RegistryReader;
  readonly rules: Rules;
}

function labelsOf(object: KubeObject | undefined): Readonly<Record<string, string>> {
  return object?.metadata?.labels ?? {};
}

function policyOf(namespace: KubeObject, { policies, defaults }: Rules): SecurityPolicy {
  let policy = policies.get(namespace);
  if (policy === undefined) {
    ({ policy } = parsePolicy(labelsOf(namespace), defaults));
    policies.set(namespace, policy);
  }
  return policy;
}

async function validateNamespace(
  { draft, old, operation, kind, name }: AdmissionAttributes<Namespace>,
  { context, reader, rules }: Request,
): Promise<void> {
  const { policy, errors } = parsePolicy(labelsOf(draft), rules.defaults);
  const before = operation === 'UPDATE' ? parsePolicy(labelsOf(old), rules.defaults) : undefined;
  const isNews = JSON.stringify(errors) !== JSON.stringify(before?.errors ?? []);
  if (errors.length > 0 && isNews) throw invalidObject({ group: '', kind }, name, errors);
  const isExempt = rules.namespaces.has(name);
  if (before === undefined) {
    if (isExempt) warnOfExemption(labelsOf(draft), { policy, name, context });
    return;
  }
  const [now, then] = [policy.enforce, before.policy.enforce];
  if (sameLevel(now, then) || now.level === 'privileged') return;
  if (now.version === then.version && !isStricter(now.level, then.level)) return;
  if (isExempt) warnOfExemption(labelsOf(draft), { policy, name, context });
  else await warnOfPods(name, now, { context, reader, rules });
}

/** An exempt namespace may have labels, to no effect. */
function warnOfExemption(
  labels: Readonly<Record<string, string>>,
  { policy, name, context }: { policy: SecurityPolicy; name: string; context: StrategyContext },
): void {
  const set = (['enforce', 'audit', 'warn'] as const).filter(
    (mode) =>
      policy[mode].level !== 'privileged' &&
      ['', '-version'].some((end) => Object.hasOwn(labels, `pod-security.kubernetes.io/${mode}${end}`)),
  );
  if (set.length === 0) return;
  const shown = set.map((mode) => `${mode}=${levelText(policy[mode])}`).join(', ');
  context.warn(`namespace "${name}" is exempt from Pod Security, and the policy (${shown}) will be ignored`);
}

/** Of each reason the first pod by name, and how many others there are. One pod of each controller comes before the rest. */
async function warnOfPods(
  namespace: string,
  enforce: LevelVersion,
  { context, reader, rules }: Pick<Request, 'context' | 'reader' | 'rules'>,
): Promise<void> {
  const all = byController(
    (await readAll(reader, pods, namespace)).filter(
      ({ spec }) => !rules.runtimeClasses.has(spec?.runtimeClassName ?? ''),
    ),
  );
  const looked = all.slice(0, namespacePodsMax);
  const namesOf = new Map<string, string[]>();
  for (const pod of looked) {
    const violations = violationsOf(enforce, checkedPod(pod));
    if (violations.length === 0) continue;
    const reasons = violations.map(({ reason }) => reason).join(', ');
    namesOf.set(reasons, [...(namesOf.get(reasons) ?? []), pod.metadata?.name ?? '']);
  }
  if (looked.length < all.length) {
    const many = `${looked.length} of ${all.length} existing pods`;
    context.warn(`new PodSecurity enforce level only checked against the first ${many}`);
  }
  if (namesOf.size === 0) return;
  const level = levelText(enforce);
  context.warn(`existing pods in namespace "${namespace}" violate the new PodSecurity enforce level "${level}"`);
  const lines = [...namesOf].map(([reasons, names]) => {
    const others = names.length - 1;
    const more = others === 0 ? '' : ` (and ${others} other pod${others === 1 ? '' : 's'})`;
    return `${names.toSorted()[0]}${more}: ${reasons}`;
  });
  for (const line of lines.sort()) context.warn(line);
}

function byController(all: readonly Pod[]): readonly Pod[] {
  const seen = new Set<string>();
  const [first, rest]: [Pod[], Pod[]] = [[], []];
  for (const pod of all) {
    const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller === true)?.uid;
    if (owner === undefined || !seen.has(owner)) first.push(pod);
    else rest.push(pod);
    if (owner !== undefined) seen.add(owner);
  }
  return [...first, ...rest];
}

function checkedPod({ metadata, spec }: Given<Pod | PodTemplateSpec>): CheckedPod {
  return { annotations: metadata?.annotations ?? {}, spec: spec ?? {} };
}

function validatePods(request: Request): Promise<void> | void {
  const { attributes, context, reader, rules } = request;
  const { namespace } = attributes;
  if (attributes.draft === undefined || rules.namespaces.has(namespace) || rules.usernames.has(context.user.name))
    return;
  const owner = readOne(reader, namespaces, { namespace: '', name: namespace });
  return onceThere(owner, (found) => validatePodsOf(found, request));
}

function validatePodsOf(owner: Namespace | undefined, { attributes, context, rules }: Request): void {
  const { operation, group, resource, namespace, name } = attributes;
  const ofPod = about(attributes, pods, attributes.subresource);
  const isPod = ofPod !== undefined;
  if (owner === undefined) {
    if (isPod) throw internalError(`failed to lookup namespace "${namespace}"`);
    return;
  }
  const policy = policyOf(owner, rules);
  // Refusals are for pods: a workload is told by warnings what its pods would be refused for.
  if (policy.warn.level === 'privileged' && (!isPod || policy.enforce.level === 'privileged')) return;
  const pod = isPod ? ofPod.draft : templates[`${resource}/${group}`]?.(attributes);
  if (!pod) return;
  if (isPod && operation === 'UPDATE' && !isSignificant(ofPod.draft?.spec, ofPod.old?.spec)) return;
  if (rules.runtimeClasses.has(pod.spec?.runtimeClassName ?? '')) return;
  const checked = checkedPod(pod);
  if (isPod) {
    const violations = violationsOf(policy.enforce, checked);
    if (violations.length > 0) {
      const why = `violates PodSecurity "${levelText(policy.enforce)}": ${violationText(violations)}`;
      throw forbidden({ group, resource }, name, why);
    }
  }
  const wouldViolate = violationsOf(policy.warn, checked);
  if (wouldViolate.length === 0) return;
  context.warn(`would violate PodSecurity "${levelText(policy.warn)}": ${violationText(wouldViolate)}`);
}

/** Whether an update changes what may be changed of what is looked at: images, and ephemeral containers that are added. */
function isSignificant(spec: Given<PodSpec> | undefined, before: Given<PodSpec> | undefined): boolean {
  for (const field of fields('containers', 'initContainers')) {
    const [now, then] = [spec?.[field] ?? [], before?.[field] ?? []];
    if (now.length !== then.length || now.some(({ image }, index) => image !== then[index]?.image)) return true;
  }
  return (spec?.ephemeralContainers ?? []).some(
    ({ name, image }) => before?.ephemeralContainers?.find((one) => one.name === name)?.image !== image,
  );
}
