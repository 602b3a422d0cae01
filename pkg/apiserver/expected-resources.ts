/**
 * Resources that a server knows by name and has not taken up yet: of hundreds of definitions a start needs none, and few of them are asked for soon. Each is
 * taken up when somebody asks for it, for its group's names or for all that there is.
 *
 * Invariant: what was taken up, whatever came of it, is not expected any more; while one is taken up no other is, so that who takes it may ask for what is served.
 */

/** Something with a name of its own among the resources. */
export interface ResourceName {
  readonly group: string;
  /** Plural. */
  readonly resource: string;
}

/** Takes a resource up, if it can be. */
type Take = (name: ResourceName) => void;

/** What is expected, of one catalog. */
export class ExpectedResources {
  /** By group and then by resource. A group that has none has no entry. */
  readonly #byGroup = new Map<string, Map<string, Take>>();
  #isTaking = false;

  /** From now on `take` is called, once for each of `names`, when somebody asks for it. */
  add(names: Iterable<ResourceName>, take: Take): void {
    for (const { group, resource } of names) {
      const known = this.#byGroup.get(group);
      if (known === undefined) this.#byGroup.set(group, new Map([[resource, take]]));
      else known.set(resource, take);
    }
  }

  get isEmpty(): boolean {
    return this.#byGroup.size === 0;
  }

  /** Takes a resource up; false where it is not expected. */
  meet({ group, resource }: ResourceName): boolean {
    if (this.#isTaking) return false;
    const ofGroup = this.#byGroup.get(group);
    const take = ofGroup?.get(resource);
    if (ofGroup === undefined || take === undefined) return false;
    ofGroup.delete(resource);
    if (ofGroup.size === 0) this.#byGroup.delete(group);
    this.#isTaking = true;
    try {
      take({ group, resource });
    } finally {
      this.#isTaking = false;
    }
    return true;
  }

  /** Takes all of a group up. */
  meetGroup(group: string): void {
    if (this.#isTaking) return;
    for (const resource of [...(this.#byGroup.get(group)?.keys() ?? [])]) this.meet({ group, resource });
  }

  /** Takes some up, at most so many; false where nothing is left. Default: all. */
  meetSome(most = Number.POSITIVE_INFINITY): boolean {
    if (this.#isTaking) return !this.isEmpty;
    let left = most;
    for (const [group, ofGroup] of [...this.#byGroup])
      for (const resource of [...ofGroup.keys()]) {
        if (left-- <= 0) return true;
        this.meet({ group, resource });
      }
    return false;
  }
}
