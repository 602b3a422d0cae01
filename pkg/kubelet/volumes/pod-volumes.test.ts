import { expect, test } from 'vitest';
import { isReadOnlyVolume } from './pod-volumes.ts';

test("volumes that the kubelet writes, and claims that say so, are nobody's to write to", () => {
  const name = 'v';
  for (const volume of [
    { name, configMap: {} },
    { name, secret: {} },
    { name, projected: {} },
    { name, downwardAPI: {} },
    { name, persistentVolumeClaim: { claimName: 'c', readOnly: true } },
  ])
    expect(isReadOnlyVolume(volume), JSON.stringify(volume)).toBe(true);
  for (const volume of [
    undefined,
    { name },
    { name, emptyDir: {} },
    { name, hostPath: { path: '/' } },
    { name, persistentVolumeClaim: { claimName: 'c' } },
  ])
    expect(isReadOnlyVolume(volume), JSON.stringify(volume)).toBe(false);
});
