/** Who asks, as authentication found and everything after it looks at. Upstream counterpart: apiserver `authentication/user`. */

/** Who asks. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
  /** What whoever comes with these credentials is warned of at each request about resources. */
  readonly warning?: string;
}

/** Members of this group may do everything, whatever the authorizer says. */
export const mastersGroup = 'system:masters';
