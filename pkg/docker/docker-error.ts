/** What clients of Docker's API are told when something cannot be done: a status code and one message. Source: Docker Engine API 1.41, `ErrorResponse`. */
import { errorText } from '#pkg/base/error-text.ts';
import { ImageStoreError, type ImageStoreErrorReason } from '#pkg/images/image-store.ts';
import { RuntimeError, type RuntimeErrorReason } from '#pkg/kubelet/runtime/runtime.ts';

/** A refusal. */
export class DockerError extends Error {
  readonly status: number;

  constructor(status: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DockerError';
    this.status = status;
  }
}

const imageStatus: Readonly<Record<ImageStoreErrorReason, number>> = {
  invalidName: 400,
  notFound: 404,
  unauthorized: 404,
  unreachable: 500,
  damaged: 400,
  unsupported: 501,
  failed: 500,
};

const runtimeStatus: Readonly<Record<RuntimeErrorReason, number>> = {
  notFound: 404,
  imageNotFound: 404,
  invalidImage: 400,
  unsupported: 501,
  failed: 400,
};

/** Whatever was thrown, as a refusal. */
export function asDockerError(error: unknown): DockerError {
  if (error instanceof DockerError) return error;
  if (error instanceof ImageStoreError) return new DockerError(imageStatus[error.reason], error.message, error);
  if (error instanceof RuntimeError) return new DockerError(runtimeStatus[error.reason], error.message, error);
  return new DockerError(500, errorText(error), error);
}
