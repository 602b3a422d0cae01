/**
 * A request as a hook is told of it: in the version that its rules name, with the objects of that version.
 * Source: apiserver `admission/conversion.go` `NewVersionedAttributes`.
 */
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import type { AdmissionAttributes, AdmissionSubject, RegistryReader } from '#pkg/apiserver/strategy.ts';

/** The request in one version, and as what it was made. */
export interface MatchedRequest extends AdmissionAttributes {
  /** Absent where it is told as it was made. */
  readonly asked?: AdmissionSubject;
}

/** The request as `subject`. The objects are copies where they are others; a subresource that has a form of its own keeps it. */
export function requestAs(
  request: AdmissionAttributes,
  subject: AdmissionSubject,
  reader: RegistryReader,
): MatchedRequest | Promise<MatchedRequest> {
  return subject === request ? request : converted(request, subject, reader);
}

async function converted(
  request: AdmissionAttributes,
  subject: AdmissionSubject,
  reader: RegistryReader,
): Promise<MatchedRequest> {
  const { group, version, resource } = subject;
  const { draft, old, subresource } = request;
  const isWhole = subresource === '' || subresource === 'status';
  const into = async (object: JsonObject | undefined): Promise<JsonObject | undefined> =>
    object === undefined || !isWhole ? object : reader.inVersion(object, request, subject);
  return {
    ...request,
    asked: request,
    ...{ group, version, resource, kind: isWhole ? subject.kind : request.kind },
    draft: await into(draft),
    old: await into(old),
  };
}

/** What a request is for, as it is told to hooks. Source: admission/v1 `AdmissionRequest`. */
export function identityOf(request: MatchedRequest): JsonObject {
  const { group, version, kind, resource } = request;
  const asked = request.asked ?? request;
  return {
    kind: { group, version, kind },
    resource: { group, version, resource },
    requestKind: { group: asked.group, version: asked.version, kind: asked.kind },
    requestResource: { group: asked.group, version: asked.version, resource: asked.resource },
  };
}
