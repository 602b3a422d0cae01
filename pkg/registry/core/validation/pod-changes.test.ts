/** What each way to change a pod lets through: status, resize, ephemeral containers. */
import { expect, test } from 'vitest';
import { type Change, strategyOf, subresourceErrors } from '../../testing.ts';

const pods = strategyOf('pods');

const limits = { cpu: '1', memory: '1Gi' };
const object = {
  metadata: { name: 'web', namespace: 'default', resourceVersion: '1' },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'web', resources: { limits, requests: limits } }] },
  status: {
    phase: 'Running',
    qosClass: 'Guaranteed',
    containerStatuses: [{ name: 'c', restartCount: 0, state: { terminated: { exitCode: 0 } } }],
  },
};

test.each<[string, Change, readonly string[]]>([
  ['nothing', () => undefined, []],
  [
    'a container that ended and runs again',
    (pod) => (pod.status.containerStatuses[0].state = { running: {} }),
    ['status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state'],
  ],
  [
    'an address that is none',
    (pod) => (pod.status.podIPs = [{ ip: 'x' }]),
    ['status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'two addresses of one family',
    (pod) => (pod.status.podIPs = [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }]),
    [
      'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family',
    ],
  ],
])('a status with %s', (_what, change, errors) => {
  expect(
    subresourceErrors(
      pods,
      { object: { ...object, spec: { ...object.spec, restartPolicy: 'Never' } }, subresource: 'status' },
      change,
    ),
  ).toEqual(errors);
});

test.each<[string, Change, readonly string[]]>([
  [
    'more',
    (pod) =>
      (pod.spec.containers[0].resources = {
        limits: { cpu: '2', memory: '1Gi' },
        requests: { cpu: '2', memory: '1Gi' },
      }),
    [],
  ],
  ['another quality of service', (pod) => (pod.spec.containers[0].resources.requests.cpu = '500m'), []],
  ['another image', (pod) => (pod.spec.containers[0].image = 'other'), []],
  [
    'no limit any more',
    (pod) => (pod.spec.containers[0].resources = {}),
    [
      'spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing',
      'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed',
      'spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed',
    ],
  ],
])('a resize to %s', (_what, change, errors) => {
  expect(subresourceErrors(pods, { object, subresource: 'resize' }, change)).toEqual(errors);
});

const debug = { name: 'debug', image: 'busybox', terminationMessagePolicy: 'File', imagePullPolicy: 'Always' };
const withDebug = { ...object, spec: { ...object.spec, ephemeralContainers: [debug] } };

test.each<[string, Change, readonly string[]]>([
  ['one more', (pod) => pod.spec.ephemeralContainers.push({ ...debug, name: 'more' }), []],
  [
    'one less',
    (pod) => (pod.spec.ephemeralContainers = []),
    ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be removed\n'],
  ],
  [
    'a changed one',
    (pod) => (pod.spec.ephemeralContainers[0].image = 'other'),
    ['spec.ephemeralContainers: Forbidden: existing ephemeral containers "debug" may not be changed\n'],
  ],
  [
    'one with a port',
    (pod) => pod.spec.ephemeralContainers.push({ ...debug, name: 'more', ports: [{ containerPort: 80 }] }),
    ['spec.ephemeralContainers[1].ports: Forbidden: cannot be set for an Ephemeral Container'],
  ],
  [
    'one that joins no container',
    (pod) => pod.spec.ephemeralContainers.push({ ...debug, name: 'more', targetContainerName: 'x' }),
    ['spec.ephemeralContainers[1].targetContainerName: Not found: "x"'],
  ],
])('ephemeral containers with %s', (_what, change, errors) => {
  expect(subresourceErrors(pods, { object: withDebug, subresource: 'ephemeralcontainers' }, change)).toEqual(errors);
});
