import { expect, test } from 'vitest';
import type { Pod } from '#pkg/api/types/core-v1.ts';
import type { NetworkPolicySpec } from '#pkg/api/types/networking-v1.ts';
import { noPolicies, policyCommands } from './policy-table.ts';
import { PolicyTracker } from './policy-tracker.ts';

function makePod(
  name: string,
  ip: string,
  fields: { readonly nodeName?: string; readonly namespace?: string } = {},
): Pod {
  const { nodeName = 'n1', namespace = 'shop' } = fields;
  return {
    metadata: { name, namespace, labels: { app: name } },
    spec: { nodeName, containers: [{ name: 'c', ports: [{ name: 'web', containerPort: 8080 }] }] },
    status: { podIP: ip },
  };
}

function trackerOf(...specs: readonly NetworkPolicySpec[]): PolicyTracker {
  const tracker = new PolicyTracker({ nodeName: 'n1' });
  tracker.setNamespace({ metadata: { name: 'shop', labels: { team: 'a' } } });
  tracker.setPod(makePod('web', '10.1.0.2'));
  tracker.setPod(makePod('db', '10.1.0.3'));
  for (const [index, spec] of specs.entries())
    tracker.setPolicy({ metadata: { name: `p${index}`, namespace: 'shop' }, spec });
  return tracker;
}

const app = (name: string) => ({ matchLabels: { app: name } });

/** Without the hashes in names. */
const plain = (text: string): string =>
  text.replaceAll(/\b(p|gress-)[0-9a-f]{12}\b/g, '$1*').replaceAll(/(gress)-[0-9a-f]{12}/g, '$1-*');

function elementsOf(tracker: PolicyTracker): readonly string[] {
  return tracker
    .state()
    .elements.flatMap(({ elements }) =>
      elements.map(({ set, key, value }) => plain(value === undefined ? `${set} ${key}` : `${set} ${key} : ${value}`)),
    );
}

const fromWeb: NetworkPolicySpec = {
  podSelector: app('db'),
  ingress: [{ from: [{ podSelector: app('web') }], ports: [{ port: 5432, endPort: 5440 }, { port: 'web' }] }],
};

test('a policy comes to sets, a chain that drops what no rule lets through, and elements that lead there', () => {
  const tracker = trackerOf(fromWeb);
  expect([...tracker.state().chains.values()].map((rules) => rules.map(plain))).toEqual([
    [
      'ip saddr @p*-i0-pods4 meta l4proto . th dport @p*-i0-ports return',
      'ip saddr @p*-i0-pods4 ip daddr . meta l4proto . th dport @p*-i0-named4 return',
      'ip6 saddr @p*-i0-pods6 meta l4proto . th dport @p*-i0-ports return',
      'ip6 saddr @p*-i0-pods6 ip6 daddr . meta l4proto . th dport @p*-i0-named6 return',
      'drop',
    ],
  ]);
  expect(elementsOf(tracker)).toEqual([
    'p*-i0-pods4 10.1.0.2',
    'p*-i0-ports tcp . 5432-5440',
    'p*-i0-named4 10.1.0.3 . tcp . 8080',
    'ingress4 10.1.0.3 : jump ingress-*',
    'self4 10.1.0.3 . 10.1.0.3',
  ]);
});

test('pods that come, go, end or change their labels change elements alone; what nobody looks at changes nothing', () => {
  const tracker = trackerOf(fromWeb);
  const before = tracker.state();
  tracker.setPod(makePod('web', '10.1.0.9'));
  const after = tracker.state();
  expect(policyCommands(before, after, [])).toEqual([]);
  expect(elementsOf(tracker)).toContain('p*-i0-pods4 10.1.0.9');
  tracker.setPod({ ...makePod('web', '10.1.0.9'), status: { podIP: '10.1.0.9', phase: 'Succeeded' } });
  expect(elementsOf(tracker).some((line) => line.includes('pods4'))).toBe(false);
  tracker.removePod(makePod('db', '10.1.0.3'));
  expect(elementsOf(tracker)).toEqual(['p*-i0-ports tcp . 5432-5440']);
});

test('rules follow from policyTypes: none of a direction lets nothing through, an empty one everything', () => {
  const types = (spec: NetworkPolicySpec) =>
    [...trackerOf({ podSelector: {}, ...spec }).state().chains].map(
      ([name, rules]) => `${plain(name)}: ${rules.join()}`,
    );
  expect(types({})).toEqual(['ingress-*: drop']);
  expect(types({ ingress: [{}] })).toEqual(['ingress-*: return,drop']);
  expect(types({ egress: [] })).toEqual(['ingress-*: drop', 'egress-*: drop']);
  expect(types({ policyTypes: ['Egress'], egress: [{}] })).toEqual(['egress-*: return,drop']);
});

test('only pods of the node are led to chains, and namespaces are looked at by their labels', () => {
  const tracker = trackerOf({
    podSelector: {},
    ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'b' } } }] }],
  });
  tracker.setPod(makePod('far', '10.2.0.2', { nodeName: 'n2' }));
  tracker.setPod(makePod('guest', '10.2.0.3', { nodeName: 'n2', namespace: 'other' }));
  expect(elementsOf(tracker).filter((line) => line.startsWith('ingress'))).toHaveLength(2);
  expect(elementsOf(tracker).filter((line) => line.includes('pods'))).toEqual([]);
  tracker.setNamespace({ metadata: { name: 'other', labels: { team: 'b' } } });
  expect(elementsOf(tracker).filter((line) => line.includes('pods'))).toEqual(['p*-i0-pods4 10.2.0.3']);
});

test('what is gone is removed after what looked at it', () => {
  const tracker = trackerOf(fromWeb);
  const commands = policyCommands(tracker.state(), noPolicies, ['(elements)']).map(plain);
  expect(commands[0]).toBe('(elements)');
  expect(commands[1]).toMatch(/^delete chain/);
  expect(commands.slice(2).every((line) => line.startsWith('delete set'))).toBe(true);
});
