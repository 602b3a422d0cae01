import { expect, test } from 'vitest';
import type { ContainerPort, Pod } from '#pkg/api/types/core-v1.ts';
import { makeNode, makePod } from '#pkg/testing/builders.ts';
import { filtered, hinted } from '../../framework/plugin-tester.ts';
import { nodePorts } from './node-ports.ts';

type Port = Partial<ContainerPort>;

const onPorts = (name: string, ...ports: readonly Port[]): Pod =>
  makePod(name)
    .meta({ uid: name })
    .ports(...ports.map((port) => ({ containerPort: 80, ...port }))).object;
const refusal = "Unschedulable: node(s) didn't have free ports for the requested pod ports";

test.each<{ readonly rule: string; readonly taken: Port; readonly wanted: Port; readonly expected: string }>([
  { rule: 'the same port', taken: { hostPort: 80 }, wanted: { hostPort: 80 }, expected: refusal },
  { rule: 'another port', taken: { hostPort: 80 }, wanted: { hostPort: 81 }, expected: 'Success' },
  { rule: 'no host port', taken: { hostPort: 80 }, wanted: {}, expected: 'Success' },
  {
    rule: 'the same port of another protocol',
    taken: { hostPort: 80 },
    wanted: { hostPort: 80, protocol: 'UDP' },
    expected: 'Success',
  },
  {
    rule: 'one address, all addresses wanted',
    taken: { hostPort: 80, hostIP: '127.0.0.1' },
    wanted: { hostPort: 80 },
    expected: refusal,
  },
  {
    rule: 'all addresses, one wanted',
    taken: { hostPort: 80, hostIP: '0.0.0.0' },
    wanted: { hostPort: 80, hostIP: '127.0.0.1' },
    expected: refusal,
  },
  {
    rule: 'another address',
    taken: { hostPort: 80, hostIP: '127.0.0.1' },
    wanted: { hostPort: 80, hostIP: '127.0.0.2' },
    expected: 'Success',
  },
  { rule: 'a port that ends alike', taken: { hostPort: 8080 }, wanted: { hostPort: 80 }, expected: 'Success' },
])('filter: $rule', ({ taken, wanted, expected }) => {
  const cluster = { nodes: [makeNode('n')], placed: { n: [onPorts('other', taken)] } };
  expect(filtered(nodePorts, onPorts('p', wanted), cluster)).toEqual({ n: expected });
});

test('filter: the ports of a sidecar count, those of an init container do not', () => {
  const init = (restartPolicy?: string): Pod =>
    makePod('p').spec({
      initContainers: [
        {
          name: 'init',
          ports: [{ containerPort: 80, hostPort: 80 }],
          ...(restartPolicy === undefined ? {} : { restartPolicy }),
        },
      ],
    }).object;
  const cluster = { nodes: [makeNode('n')], placed: { n: [onPorts('other', { hostPort: 80 })] } };
  expect(filtered(nodePorts, init(), cluster)).toEqual({ n: 'Success' });
  expect(filtered(nodePorts, init('Always'), cluster)).toEqual({ n: refusal });
});

test('hint: a pod that leaves helps if it held one of the ports', () => {
  const leaving = (port: Port) =>
    hinted(nodePorts, onPorts('p', { hostPort: 80 }), {
      resource: 'AssignedPod',
      action: 'Delete',
      previous: onPorts('other', port),
    });
  expect([leaving({ hostPort: 80 }), leaving({ hostPort: 81 }), leaving({ hostPort: 80, protocol: 'UDP' })]).toEqual([
    'Queue',
    'Skip',
    'Skip',
  ]);
});
