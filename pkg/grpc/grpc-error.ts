/** Why a call has failed, and whether it may have happened all the same. Source: gRPC status codes. */

/** The codes that are told apart here. */
export const grpcCodes = {
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** All of them as Go prints them, by number. */
export const grpcCodeNames: readonly string[] = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented'],
  ...['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
];

/** A call that did not end with OK. */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  readonly code: number;
  /** Whether the server may have got the request. */
  readonly wasSent: boolean;
  /** Whether the connection is to blame, and not what the server said. */
  readonly isLost: boolean;

  constructor(message: string, how: { readonly code: number; readonly wasSent: boolean; readonly isLost?: boolean }) {
    super(message);
    this.code = how.code;
    this.wasSent = how.wasSent;
    this.isLost = how.isLost ?? false;
  }
}

/** What a call ends with that has succeeded: the same for all, as an error costs as much to make as the rest of a call. */
export const endedWell: GrpcError = new GrpcError('', { code: 0, wasSent: true });

/** The connection, or the time for its answer, is over. */
export function lostError(message: string, wasSent: boolean): GrpcError {
  return new GrpcError(message, { code: grpcCodes.unavailable, wasSent, isLost: true });
}
