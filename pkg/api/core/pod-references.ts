/** Which Secrets, ConfigMaps and claims a pod refers to by name. Source: `pkg/api/v1/pod/util.go` `VisitPodSecretNames`, `VisitPodConfigmapNames`. */
import type { Container, EphemeralContainer, Pod, Volume } from '#pkg/api/types/core-v1.ts';
import type { Given } from '#pkg/apimachinery/draft.ts';

/** Names by kind, each once. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>;
  readonly configMaps: ReadonlySet<string>;
  readonly claims: ReadonlySet<string>;
}

type AnyContainer = Given<Container> | Given<EphemeralContainer>;

/** Names in the namespace of the pod; of ephemeral containers only when asked for. */
export function podReferences(pod: Given<Pod>, { withEphemeral = false } = {}): PodReferences {
  const secrets = new Set<string>();
  const configMaps = new Set<string>();
  const claims = new Set<string>();
  const { spec } = pod;
  const containers: readonly AnyContainer[] = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(withEphemeral ? (spec?.ephemeralContainers ?? []) : []),
  ];
  const add = (set: Set<string>, name: string | null | undefined): void => {
    if (name) set.add(name);
  };
  for (const { name } of spec?.imagePullSecrets ?? []) add(secrets, name);
  for (const { env, envFrom } of containers) {
    for (const { secretRef, configMapRef } of envFrom ?? []) {
      add(secrets, secretRef?.name);
      add(configMaps, configMapRef?.name);
    }
    for (const { valueFrom } of env ?? []) {
      add(secrets, valueFrom?.secretKeyRef?.name);
      add(configMaps, valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec?.volumes ?? []) {
    for (const name of secretsOfVolume(volume)) add(secrets, name);
    add(configMaps, volume.configMap?.name);
    for (const { configMap } of volume.projected?.sources ?? []) add(configMaps, configMap?.name);
    add(claims, volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral !== undefined && volume.ephemeral !== null)
      add(claims, `${pod.metadata?.name}-${volume.name}`);
  }
  return { secrets, configMaps, claims };
}

function secretsOfVolume(volume: Given<Volume>): readonly (string | null | undefined)[] {
  return [
    volume.azureFile?.secretName,
    volume.cephfs?.secretRef?.name,
    volume.cinder?.secretRef?.name,
    volume.flexVolume?.secretRef?.name,
    ...(volume.projected?.sources ?? []).map(({ secret }) => secret?.name),
    volume.rbd?.secretRef?.name,
    volume.secret?.secretName,
    volume.scaleIO?.secretRef?.name,
    volume.iscsi?.secretRef?.name,
    volume.storageos?.secretRef?.name,
    volume.csi?.nodePublishSecretRef?.name,
  ];
}
