/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ListMeta, ObjectMeta } from '#pkg/apimachinery/object.ts';

export interface LeaseCandidate {
  readonly apiVersion?: 'coordination.k8s.io/v1alpha2';
  readonly kind?: 'LeaseCandidate';
  readonly metadata?: ObjectMeta;
  readonly spec: LeaseCandidateSpec;
}

export interface LeaseCandidateList {
  readonly apiVersion?: 'coordination.k8s.io/v1alpha2';
  readonly kind?: 'LeaseCandidateList';
  readonly metadata?: ListMeta;
  readonly items: readonly LeaseCandidate[];
}

export interface LeaseCandidateSpec {
  readonly leaseName: string;
  readonly pingTime?: string;
  readonly renewTime?: string;
  readonly binaryVersion: string;
  readonly emulationVersion?: string;
  readonly strategy: "OldestEmulationVersion" | (string & {});
}
