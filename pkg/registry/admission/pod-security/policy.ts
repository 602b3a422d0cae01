/**
 * The policy of a namespace: which level of which version of the standards pods have to keep to, are warned of and audited by. Read from the
 * labels of the namespace. Pure. Source: pod-security-admission `api/helpers.go`, `policy/registry.go`.
 */
import { at, type FieldError, invalid, untyped } from '#pkg/apimachinery/field-error.ts';
import { baselineChecks } from './baseline.ts';
import type { CheckedPod, CheckPod, Violation } from './check.ts';
import { restrictedChecks } from './restricted.ts';

/** From the one that allows everything to the strictest. */
const securityLevels = ['privileged', 'baseline', 'restricted'] as const;
/** The levels, from the widest to the narrowest. */
export type SecurityLevel = (typeof securityLevels)[number];

/** A level as a version of the standards has it. */
export interface LevelVersion {
  readonly level: SecurityLevel;
  /** `latest`, `v1.30`. */
  readonly version: string;
}

/** What is refused, noted in the audit log, and warned of. */
export interface SecurityPolicy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

/** The minor version of the standards that `latest` is: that of the API which is served. */
const latestMinor = 36;

const privileged: LevelVersion = { level: 'privileged', version: 'latest' };
/** What holds where no label says otherwise. */
export const privilegedPolicy: SecurityPolicy = { enforce: privileged, audit: privileged, warn: privileged };

const prefix = 'pod-security.kubernetes.io/';
const labelsPath = untyped('metadata.labels');

/** The policy that labels say. */
export interface ParsedPolicy {
  readonly policy: SecurityPolicy;
  /** What is wrong with the labels. There is a policy all the same: what cannot be read is enforced as strictly as can be. */
  readonly errors: readonly FieldError[];
}

/** Names by which a policy is said: those of labels behind their prefix, and of fields. */
export type PolicyField = keyof SecurityPolicy | `${keyof SecurityPolicy}-version`;

/** A level or version that is none, and what it should be. */
interface PolicyProblem {
  readonly name: PolicyField;
  readonly value: string;
  readonly why: string;
}

/** The policy that labels ask for. */
export function parsePolicy(labels: Readonly<Record<string, string>>, defaults: SecurityPolicy): ParsedPolicy {
  const said = Object.fromEntries(
    Object.entries(labels).flatMap(([label, value]) =>
      label.startsWith(prefix) ? [[label.slice(prefix.length), value] as const] : [],
    ),
  );
  const { policy, problems } = readPolicy(said, defaults);
  const errors = problems.map(({ name, value, why }) => invalid(at(labelsPath, prefix + name), value, why));
  const { enforce } = policy;
  let { warn } = policy;
  // Who enforces a level is warned of it as well: of the pods of workloads, which are not refused themselves.
  const isReadable = securityLevels.some((one) => one === said.enforce);
  if (said.warn === undefined && isReadable && isStricter(enforce.level, warn.level)) {
    warn = { level: enforce.level, version: said['warn-version'] === undefined ? enforce.version : warn.version };
  }
  return { policy: { ...policy, warn }, errors };
}

/** What holds where no label says otherwise, as a configuration says it by the names of the labels. */
export function policyDefaults(said: Readonly<Partial<Record<PolicyField, string>>>): {
  readonly policy: SecurityPolicy;
  readonly problems: readonly PolicyProblem[];
} {
  return readPolicy(said, privilegedPolicy);
}

function readPolicy(
  said: Readonly<Partial<Record<PolicyField, string>>>,
  defaults: SecurityPolicy,
): { readonly policy: SecurityPolicy; readonly problems: readonly PolicyProblem[] } {
  const problems: PolicyProblem[] = [];
  const levelOf = (mode: keyof SecurityPolicy, unreadable: SecurityLevel): SecurityLevel => {
    const value = said[mode];
    if (value === undefined) return defaults[mode].level;
    const level = securityLevels.find((one) => one === value);
    if (level === undefined) problems.push({ name: mode, value, why: `must be one of ${securityLevels.join(', ')}` });
    return level ?? unreadable;
  };
  const versionOf = (mode: keyof SecurityPolicy): string => {
    const name: PolicyField = `${mode}-version`;
    const value = said[name];
    if (value === undefined) return defaults[mode].version;
    if (value === 'latest' || /^v1\.(\d|[1-9]\d+)$/.test(value)) return value;
    problems.push({ name, value, why: 'must be "latest" or "v1.x"' });
    return 'latest';
  };
  const read = (mode: keyof SecurityPolicy, unreadable: SecurityLevel): LevelVersion => {
    const level = levelOf(mode, unreadable);
    return { level, version: versionOf(mode) };
  };
  const enforce = read('enforce', 'restricted');
  const audit = read('audit', 'privileged');
  return { policy: { enforce, audit, warn: read('warn', 'privileged') }, problems };
}

/** Whether `a` allows less than `b`. */
export function isStricter(a: SecurityLevel, b: SecurityLevel): boolean {
  return securityLevels.indexOf(a) > securityLevels.indexOf(b);
}

/** Whether both are the same level of the same version. */
export function sameLevel(a: LevelVersion, b: LevelVersion): boolean {
  return a.level === b.level && a.version === b.version;
}

/** `restricted:latest`. */
export function levelText({ level, version }: LevelVersion): string {
  return `${level}:${version}`;
}

/** What a pod violates of a level, in order. */
export function violationsOf({ level, version }: LevelVersion, pod: CheckedPod): readonly Violation[] {
  if (level === 'privileged') return [];
  const minor = version === 'latest' ? latestMinor : Math.min(latestMinor, Number(version.slice('v1.'.length)));
  return checksOf(level, minor).flatMap((check) => check(pod) ?? []);
}

/** `reason (detail), reason (detail)`. */
export function violationText(violations: readonly Violation[]): string {
  return violations.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}

function checksOf(level: 'baseline' | 'restricted', minor: number): readonly CheckPod[] {
  const active = ({ versions }: (typeof baselineChecks)[number]): CheckPod | undefined =>
    versions.findLast(([since]) => since <= minor)?.[1];
  const restricted = level === 'restricted' ? restrictedChecks.filter((check) => active(check) !== undefined) : [];
  const overridden = new Set(restricted.flatMap(({ overrides = [] }) => overrides));
  return [...baselineChecks.filter(({ id }) => !overridden.has(id)), ...restricted].flatMap(
    (check) => active(check) ?? [],
  );
}
