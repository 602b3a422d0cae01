/** What the restricted level asks beyond the baseline. Source: pod-security-admission `policy/check_*.go`. */

import type { Container, Volume } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';
import { checkProcMount, checkSeccomp, isSafeProfile } from './baseline.ts';
import {
  badContainers,
  type Check,
  type CheckedPod,
  type CheckPod,
  containersOf,
  hasOwnUsers,
  isWindows,
  namedContainers,
  plural,
  quoted,
  setters,
  sorted,
  type Violation,
} from './check.ts';

function checkEscalation(pod: CheckedPod): Violation | undefined {
  const bad = badContainers(pod, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (bad.length === 0) return undefined;
  const detail = `${namedContainers(bad)} must set securityContext.allowPrivilegeEscalation=false`;
  return { reason: 'allowPrivilegeEscalation != false', detail };
}

function checkCapabilities(pod: CheckedPod): Violation | undefined {
  const missing = badContainers(
    pod,
    ({ securityContext }) => securityContext?.capabilities?.drop?.includes('ALL') !== true,
  );
  const added = ({ securityContext }: Given<Container>): readonly string[] =>
    (securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE');
  const adding = badContainers(pod, (container) => added(container).length > 0);
  const details: string[] = [];
  if (missing.length > 0)
    details.push(`${namedContainers(missing)} must set securityContext.capabilities.drop=["ALL"]`);
  if (adding.length > 0) {
    const names = quoted(sorted(containersOf(pod).flatMap(added)));
    details.push(`${namedContainers(adding)} must not include ${names} in securityContext.capabilities.add`);
  }
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') };
}

/** Kinds of volumes that are allowed. */
const openVolumes: readonly (keyof Volume)[] = [
  ...(['configMap', 'csi', 'downwardAPI', 'emptyDir', 'ephemeral', 'image', 'persistentVolumeClaim'] as const),
  ...(['projected', 'secret'] as const),
];

function checkVolumes({ spec }: CheckedPod): Violation | undefined {
  const bad = (spec.volumes ?? []).filter((volume) => openVolumes.every((kind) => volume[kind] === undefined));
  if (bad.length === 0) return undefined;
  const types = sorted(bad.map((volume) => Object.keys(volume).find((field) => field !== 'name') ?? 'unknown'));
  const names = quoted(bad.map(({ name = '' }) => name));
  const uses = bad.length === 1 ? 'uses' : 'use';
  const what = `${plural('restricted volume type', types.length)} ${quoted(types)}`;
  return { reason: 'restricted volume types', detail: `${plural('volume', bad.length)} ${names} ${uses} ${what}` };
}

function checkNonRoot(pod: CheckedPod): Violation | undefined {
  const reason = 'runAsNonRoot != true';
  const own = pod.spec.securityContext?.runAsNonRoot;
  const who = setters(
    own === false,
    badContainers(pod, ({ securityContext }) => securityContext?.runAsNonRoot === false),
  );
  if (who.length > 0) return { reason, detail: `${who.join(' and ')} must not set securityContext.runAsNonRoot=false` };
  if (own === true) return undefined;
  const silent = badContainers(pod, ({ securityContext }) => securityContext?.runAsNonRoot === undefined);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${namedContainers(silent)} must set securityContext.runAsNonRoot=true` };
}

function checkUser(pod: CheckedPod): Violation | undefined {
  const who = setters(
    pod.spec.securityContext?.runAsUser === 0,
    badContainers(pod, ({ securityContext }) => securityContext?.runAsUser === 0),
  );
  if (who.length === 0) return undefined;
  return { reason: 'runAsUser=0', detail: `${who.join(' and ')} must not set runAsUser=0` };
}

function checkSeccompSet(pod: CheckedPod): Violation | undefined {
  const bad = checkSeccomp(pod);
  if (bad !== undefined) return bad;
  const own = pod.spec.securityContext?.seccompProfile;
  if (own !== undefined && isSafeProfile(own)) return undefined;
  const silent = badContainers(pod, ({ securityContext }) => securityContext?.seccompProfile === undefined);
  if (silent.length === 0) return undefined;
  const types = 'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"';
  return { reason: 'seccompProfile', detail: `pod or ${namedContainers(silent)} must set ${types}` };
}

/** Since version 1.25 what Windows does not have is not asked of its pods. */
const unlessWindows =
  (check: CheckPod): CheckPod =>
  (pod) =>
    isWindows(pod) ? undefined : check(pod);

const unlessOwnUsers =
  (check: CheckPod): CheckPod =>
  (pod) =>
    hasOwnUsers(pod) ? undefined : check(pod);

/** In the order in which violations are told, after those of the baseline. */
export const restrictedChecks: readonly Check[] = [
  {
    id: 'allowPrivilegeEscalation',
    level: 'restricted',
    versions: [
      [8, checkEscalation],
      [25, unlessWindows(checkEscalation)],
    ],
  },
  {
    id: 'capabilities_restricted',
    level: 'restricted',
    versions: [
      [22, checkCapabilities],
      [25, unlessWindows(checkCapabilities)],
    ],
    overrides: ['capabilities_baseline'],
  },
  { id: 'procMount_restricted', level: 'restricted', versions: [[35, checkProcMount]], overrides: ['procMount'] },
  { id: 'restrictedVolumes', level: 'restricted', versions: [[0, checkVolumes]], overrides: ['hostPathVolumes'] },
  {
    id: 'runAsNonRoot',
    level: 'restricted',
    versions: [
      [0, checkNonRoot],
      [35, unlessOwnUsers(checkNonRoot)],
    ],
  },
  {
    id: 'runAsUser',
    level: 'restricted',
    versions: [
      [23, checkUser],
      [35, unlessOwnUsers(checkUser)],
    ],
  },
  {
    id: 'seccompProfile_restricted',
    level: 'restricted',
    versions: [
      [19, checkSeccompSet],
      [25, unlessWindows(checkSeccompSet)],
    ],
    overrides: ['seccompProfile_baseline'],
  },
];
