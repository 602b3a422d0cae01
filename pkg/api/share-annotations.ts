/** Annotations of pods that say how much of their node's network and disks they have a second at most. */

/** Bits a second, to the pod and from it. Source: kubelet `pkg/util/bandwidth/utils.go`. */
export const bandwidthAnnotations = {
  toPod: 'kubernetes.io/ingress-bandwidth',
  fromPod: 'kubernetes.io/egress-bandwidth',
} as const;

/** Bytes and requests a second of the disk of a virtual machine, as quantities. */
export const diskAnnotations = {
  bytesPerSecond: 'vm.coxswain.dev/disk-bytes-per-second',
  requestsPerSecond: 'vm.coxswain.dev/disk-requests-per-second',
} as const;
