/** Who asks, as authentication finds it and authorization, admission and rules look at it. Upstream counterpart: apiserver `authentication/user`. */

/** Who asks. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}
