import { expect, test } from 'vitest';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { strategyOf, testContext } from './testing.ts';

const metadata = { name: 'web', namespace: 'default' };
const headless = { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'] };
const oldClass = { 'volume.beta.kubernetes.io/storage-class': 'fast' };
const oldClassWarning =
  'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" attribute instead';
const claim = (storage: string): object => ({ spec: { resources: { requests: { storage } } } });

test.each<[string, string, object, readonly string[]]>([
  ['services', 'nothing odd', { spec: { ports: [{ port: 80 }] } }, []],
  ['services', 'no address', { spec: headless }, []],
  [
    'services',
    'no address and stickiness',
    { spec: { ...headless, sessionAffinity: 'ClientIP' } },
    ['spec.SessionAffinity is ignored for headless services'],
  ],
  [
    'services',
    'addresses of its own',
    { spec: { externalIPs: ['1.2.3.4'] } },
    ['spec.externalIPs is deprecated and may no longer be implemented in some clusters'],
  ],
  [
    'services',
    'a name outside to no effect',
    { spec: { externalName: 'a.com' } },
    ['spec.externalName is ignored when spec.type is not "ExternalName"'],
  ],
  [
    'services',
    'traffic to what is close',
    { spec: { trafficDistribution: 'PreferClose' } },
    ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'],
  ],
  [
    'persistentvolumes',
    'a class of old and a policy of old',
    { metadata: { ...metadata, annotations: oldClass }, spec: { persistentVolumeReclaimPolicy: 'Recycle', rbd: {} } },
    [
      oldClassWarning,
      'spec.rbd: deprecated in v1.28, non-functional in v1.31+',
      'spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.',
    ],
  ],
  [
    'persistentvolumeclaims',
    'half a byte',
    claim('500m'),
    ['spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer'],
  ],
  [
    'statefulsets',
    'claims of half a byte and every revision',
    { spec: { revisionHistoryLimit: -1, volumeClaimTemplates: [claim('500m')] } },
    [
      'spec.volumeClaimTemplates[0].spec.resources.requests[storage]: fractional byte value "500m" is invalid, must be an integer',
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    ],
  ],
  [
    'ingresses',
    'a class of old',
    { metadata: { ...metadata, annotations: { 'kubernetes.io/ingress.class': 'nginx' } }, spec: {} },
    [`annotation "kubernetes.io/ingress.class" is deprecated, please use 'spec.ingressClassName' instead`],
  ],
])('new %s with %s', (resource, _what, object, expected) => {
  const warnings: string[] = [];
  const draft = structuredClone({ metadata, ...object }) as JsonObject;
  const strategy = strategyOf(resource);
  strategy.setDefaults?.(draft);
  strategy.prepareForCreate?.(draft, { ...testContext(), warn: (text) => warnings.push(text) });
  expect(warnings).toEqual(expected);
});
