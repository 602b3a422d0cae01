/** Generated from the table of API facts by `npm run generate`; do not edit. */
import type { UserInfo } from './authentication-v1.ts';
import type { GroupVersionKind, GroupVersionResource, Status } from './meta-v1.ts';

export interface AdmissionRequest {
  readonly uid?: string;
  readonly kind?: GroupVersionKind;
  readonly resource?: GroupVersionResource;
  readonly subResource?: string;
  readonly requestKind?: GroupVersionKind;
  readonly requestResource?: GroupVersionResource;
  readonly requestSubResource?: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly operation?: "CONNECT" | "CREATE" | "DELETE" | "UPDATE" | (string & {});
  readonly userInfo?: UserInfo;
  readonly object?: Readonly<Record<string, unknown>> | null;
  readonly oldObject?: Readonly<Record<string, unknown>> | null;
  readonly dryRun?: boolean;
  readonly options?: Readonly<Record<string, unknown>> | null;
}

export interface AdmissionResponse {
  readonly uid?: string;
  readonly allowed?: boolean;
  readonly status?: Status;
  readonly patch?: string;
  readonly patchType?: "JSONPatch" | (string & {});
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly warnings?: readonly string[];
}

export interface AdmissionReview {
  readonly apiVersion?: 'admission.k8s.io/v1beta1';
  readonly kind?: 'AdmissionReview';
  readonly request?: AdmissionRequest;
  readonly response?: AdmissionResponse;
}
