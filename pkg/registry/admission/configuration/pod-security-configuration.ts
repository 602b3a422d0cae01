/** What the plugin PodSecurity is configured by. Source: pod-security-admission `admission/api/v1`, `admission/api/validation`. */
import { at, child, duplicate, type FieldError, invalid, pathsOf } from '#pkg/apimachinery/field-error.ts';
import { dns1123LabelProblems, dns1123SubdomainProblems } from '#pkg/apimachinery/names.ts';
import { refuseConfig } from '../../remote/config-errors.ts';
import { checkedConfig } from '../../remote/config-shape.ts';
import type { PodSecurityOptions } from '../pod-security/pod-security.ts';
import { type PolicyField, policyDefaults } from '../pod-security/policy.ts';

interface Configuration {
  readonly defaults?: Readonly<Partial<Record<PolicyField, string>>>;
  readonly exemptions?: {
    readonly usernames?: readonly string[];
    readonly namespaces?: readonly string[];
    readonly runtimeClasses?: readonly string[];
  };
}

const modes = ['enforce', 'audit', 'warn'];
const names = { list: 'string' } as const;
const kind = {
  kind: 'PodSecurityConfiguration',
  group: 'pod-security.admission.config.k8s.io',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  fields: {
    defaults: {
      fields: Object.fromEntries(
        modes.flatMap((mode) => [mode, `${mode}-version`]).map((name) => [name, 'string'] as const),
      ),
    },
    exemptions: { fields: { usernames: names, namespaces: names, runtimeClasses: names } },
  },
} as const;

const field = pathsOf<Configuration>();

/** Reads it. Throws an `Error` that says in one line all that is wrong. */
export function readPodSecurityConfiguration(value: unknown): PodSecurityOptions {
  const { defaults = {}, exemptions = {} }: Configuration = checkedConfig(value, kind);
  const { policy, problems } = policyDefaults(defaults);
  const unset = (name: string): readonly string[] => (name === '' ? ['username must not be empty'] : []);
  refuseConfig([
    ...problems.map(({ name, value, why }) => invalid(child(field('defaults'), name), value, why)),
    ...exemptionErrors('namespaces', exemptions.namespaces, dns1123LabelProblems),
    ...exemptionErrors('runtimeClasses', exemptions.runtimeClasses, dns1123SubdomainProblems),
    ...exemptionErrors('usernames', exemptions.usernames, unset),
  ]);
  return { defaults: policy, exemptions };
}

function exemptionErrors(
  of: 'namespaces' | 'runtimeClasses' | 'usernames',
  all: readonly string[] = [],
  problemsOf: (name: string) => readonly string[],
): readonly FieldError[] {
  return all.flatMap((name, index) => {
    const path = at(child(field('exemptions'), of), index);
    const problems = problemsOf(name);
    if (problems.length > 0) return [invalid(path, name, problems.join(', '))];
    return all.indexOf(name) < index ? [duplicate(path, name)] : [];
  });
}
