/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { ObjectMeta } from '#pkg/apimachinery/object.ts';
import type { UserInfo } from './authentication-v1.ts';

export interface SelfSubjectReview {
  readonly apiVersion?: 'authentication.k8s.io/v1alpha1';
  readonly kind?: 'SelfSubjectReview';
  readonly metadata?: ObjectMeta;
  readonly status?: SelfSubjectReviewStatus;
}

export interface SelfSubjectReviewStatus {
  readonly userInfo?: UserInfo;
}
