/** All converters, keyed `apiVersion/Kind storedApiVersion`. A version that differs from the stored one is its file and one line here. */
import { accessReviewConverter } from './authorization.ts';
import type { Converter } from './converter.ts';
import { eventConverter } from './event.ts';
import { assuredSharesConverter, nominalSharesConverter } from './flowcontrol.ts';
import { hpaConverter } from './horizontal-pod-autoscaler.ts';
import { ingressConverter } from './ingress.ts';
import { bindingConverter } from './rbac.ts';
import { resourceClaimConverter, resourceClaimTemplateConverter, resourceSliceConverter } from './resource.ts';
import { runtimeClassConverter } from './runtime-class.ts';

const flowControl = 'flowcontrol.apiserver.k8s.io';

export const converters: Readonly<Record<string, Converter>> = {
  'authorization.k8s.io/v1beta1/LocalSubjectAccessReview authorization.k8s.io/v1': accessReviewConverter,
  'authorization.k8s.io/v1beta1/SubjectAccessReview authorization.k8s.io/v1': accessReviewConverter,
  'autoscaling/v1/HorizontalPodAutoscaler autoscaling/v2': hpaConverter,
  'events.k8s.io/v1/Event v1': eventConverter('events.k8s.io/v1'),
  'events.k8s.io/v1beta1/Event v1': eventConverter('events.k8s.io/v1beta1'),
  [`${flowControl}/v1beta1/PriorityLevelConfiguration ${flowControl}/v1`]: assuredSharesConverter('v1beta1'),
  [`${flowControl}/v1beta2/PriorityLevelConfiguration ${flowControl}/v1`]: assuredSharesConverter('v1beta2'),
  [`${flowControl}/v1beta3/PriorityLevelConfiguration ${flowControl}/v1`]: nominalSharesConverter,
  'networking.k8s.io/v1beta1/Ingress networking.k8s.io/v1': ingressConverter,
  'node.k8s.io/v1alpha1/RuntimeClass node.k8s.io/v1': runtimeClassConverter,
  'rbac.authorization.k8s.io/v1alpha1/ClusterRoleBinding rbac.authorization.k8s.io/v1': bindingConverter,
  'rbac.authorization.k8s.io/v1alpha1/RoleBinding rbac.authorization.k8s.io/v1': bindingConverter,
  'resource.k8s.io/v1beta1/ResourceClaim resource.k8s.io/v1': resourceClaimConverter,
  'resource.k8s.io/v1beta1/ResourceClaimTemplate resource.k8s.io/v1': resourceClaimTemplateConverter,
  'resource.k8s.io/v1beta1/ResourceSlice resource.k8s.io/v1': resourceSliceConverter,
};
